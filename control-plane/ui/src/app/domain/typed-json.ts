/** JSON that people type, read with every digit. */
import type { Json } from './json';
import { parseJson, WHOLE_MAX, WHOLE_MIN, wholeNumber } from './json-text';

/** What was typed, or what is wrong with it. */
export interface Typed {
  readonly value?: Json;
  readonly mistake?: string;
}

/** A text that is JSON. */
export function readJson(text: string): Typed {
  let value: Json;
  try {
    value = parseJson(text);
  } catch {
    return { mistake: 'This is not JSON; text needs quotes.' };
  }
  const beyond = beyondIn(value);
  return beyond === null ? { value } : { mistake: tooLarge(beyond) };
}

/** A text that is one number, written as in JSON. */
export function readNumber(text: string): Typed {
  const typed = text.trim();
  if (!/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(typed) || !Number.isFinite(Number(typed))) return { mistake: 'This is not a number; write 7.5 or 1200, without other marks.' };
  const value = wholeNumber(typed);
  return isBeyond(value) ? { mistake: tooLarge(value) } : { value };
}

/** The first whole number in it that the engine does not have. */
function beyondIn(value: Json): bigint | null {
  if (isBeyond(value)) return value;
  if (typeof value !== 'object' || value === null) return null;
  for (const inner of Object.values<Json>(value)) {
    const found = beyondIn(inner);
    if (found !== null) return found;
  }
  return null;
}

function isBeyond(value: Json): value is bigint {
  return typeof value === 'bigint' && (value < WHOLE_MIN || value > WHOLE_MAX);
}

function tooLarge(number: bigint): string {
  return `${String(number)} is longer than whole numbers are here (from −2^63 to 2^64−1); make it text, in quotes.`;
}
