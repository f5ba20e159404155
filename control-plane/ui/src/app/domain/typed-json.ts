/** JSON that people type. A number that this page could only send rounded is refused: nobody would see it change. */
import type { Json } from './json';

/** What was typed, or what is wrong with it. */
export interface Typed {
  readonly value?: Json;
  readonly mistake?: string;
}

/** A text that is JSON. */
export function readJson(text: string): Typed {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return { mistake: 'This is not JSON; text needs quotes.' };
  }
  const numbers = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d[\d.eE+-]*/g) ?? [];
  const rounded = numbers.find((number) => isRounded(number));
  return rounded === undefined ? { value } : { mistake: tooLarge(rounded) };
}

/** A text that is one number, written as in JSON. */
export function readNumber(text: string): Typed {
  const typed = text.trim();
  if (!/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(typed) || !Number.isFinite(Number(typed))) return { mistake: 'This is not a number; write 7.5 or 1200, without other marks.' };
  return isRounded(typed) ? { mistake: tooLarge(typed) } : { value: Number(typed) };
}

/** Whether a whole number is beyond what a browser's numbers hold exactly. */
function isRounded(number: string): boolean {
  return /^-?\d+$/.test(number) && !Number.isSafeInteger(Number(number));
}

function tooLarge(number: string): string {
  return `${number} cannot be sent exactly from a browser; start the run with flowforge run start, or take a text.`;
}
