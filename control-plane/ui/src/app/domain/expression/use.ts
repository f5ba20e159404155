/** From a place in a value to the expression that gives what stands there. */
import { isList, isObject, type Json } from '../json';
import { jsonText } from '../json-text';

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `root` and a path as the schema of a value has it: `features[].properties.mag`. A list on the way becomes one over it. */
export function expressionFor(root: string, path: string): string {
  const [first = '', ...rest] = path.split('[]');
  const at = root + fields(first);
  if (rest.length === 0) return at;
  return overLists(at, rest, 0);
}

function overLists(list: string, rest: readonly string[], depth: number): string {
  const [step = '', ...further] = rest;
  if (step === '' && further.length === 0) return list;
  const name = ELEMENTS[depth] ?? `e${String(depth)}`;
  const inside = name + fields(step);
  return `${list}.map(${name}, ${further.length === 0 ? inside : overLists(inside, further, depth + 1)})`;
}

const ELEMENTS = ['e', 'f', 'g'];

function fields(path: string): string {
  return path.split('.').filter((name) => name !== '').map((name) => (IDENTIFIER.test(name) ? `.${name}` : `[${jsonText(name)}]`)).join('');
}

/** Something of the data that is dragged, or put into an expression by a key. */
export interface DataPart {
  readonly expression: string;
  /** How many elements it has, if it is a list. */
  readonly elements: number | null;
}

/** The part of a value at a path. */
export function partOf(root: string, path: string, value: Json | undefined): DataPart {
  return { expression: expressionFor(root, path), elements: path.includes('[]') ? null : lengthAt(value, path) };
}

function lengthAt(value: Json | undefined, path: string): number | null {
  let found = value;
  for (const name of path.split('.').filter((step) => step !== '')) found = isObject(found) ? found[name] : undefined;
  return isList(found) ? found.length : null;
}
