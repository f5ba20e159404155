import { jsonText } from './json-text';

/** JSON values, as the workflow file and the ports know them; a `bigint` is a whole number beyond 2^53. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;

/** An object of JSON values. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** A place in a value: names of fields and indices of lists. */
export type Path = readonly (string | number)[];

/** Whether the value is an object, and neither a list nor null. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether the value is a list. */
export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Whether two values are the same; the order of an object's fields does not count. */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isList(a) && isList(b)) {
    return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
  }
  return false;
}

/** The value at a path, or undefined. */
export function valueAt(value: Json | undefined, path: Path): Json | undefined {
  let found = value;
  for (const step of path) {
    if (typeof step === 'number') found = isList(found) ? found[step] : undefined;
    else found = isObject(found) && Object.hasOwn(found, step) ? found[step] : undefined;
  }
  return found;
}

/** A path as people read it: `with.rows[0].text`. */
export function pathText(path: Path): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${String(step)}]` : index === 0 ? step : `.${step}`))
    .join('');
}

/** How much a value is, for people: `128 elements`, `3 fields`, the value itself when it is short. */
export function briefly(value: Json, limit = 40): string {
  if (isList(value)) return value.length === 1 ? '1 element' : `${String(value.length)} elements`;
  if (isObject(value)) {
    const count = Object.keys(value).length;
    return count === 1 ? '1 field' : `${String(count)} fields`;
  }
  const text = jsonText(value);
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}
