/**
 * JSON as text, and back, with every digit of whole numbers.
 *
 * A browser's numbers hold whole numbers exactly up to 2^53; the engine's go from −2^63 to 2^64−1. One that is beyond is a
 * `bigint` here. Nothing else in the interface reads or writes JSON.
 */
import type { Json } from './json';

/** Smallest and largest whole number that the engine has. */
export const WHOLE_MIN = -(2n ** 63n);
export const WHOLE_MAX = 2n ** 64n - 1n;

/** A text, or a number as JSON writes it. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** A text as a value. Throws a `SyntaxError` if it is not JSON. */
export function parseJson(text: string): Json {
  if (!/\d{16}/.test(text)) return JSON.parse(text) as Json;
  // Large numbers become texts that nothing else in it begins with, and then what they are.
  const mark = `${crypto.randomUUID()}:`;
  const marked = text.replace(TOKENS, (token) => (isRounded(token) ? `"${mark}${token}"` : token));
  return JSON.parse(marked, (_, value: Json) => (typeof value === 'string' && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value)) as Json;
}

/** A value as text; lines are indented by so many blanks. */
export function jsonText(value: unknown, indent = 0): string {
  const mark = `${crypto.randomUUID()}:`;
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? mark + String(part) : part), indent);
  return text.includes(mark) ? text.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1') : text;
}

/** A whole number as it is written, exactly. */
export function wholeNumber(text: string): number | bigint {
  return isRounded(text) ? BigInt(text) : Number(text);
}

/** Whether a text is a whole number that a browser's numbers would round. */
function isRounded(text: string): boolean {
  return /^-?\d{16,}$/.test(text) && !Number.isSafeInteger(Number(text));
}
