/** Spelling of names and reserved words, as the language has them. */
const RESERVED = new Set(['input', 'config', 'trigger', 'run', 'item']);
const WORDS = new Set([
  'true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop',
  'package', 'namespace', 'return', 'var', 'void', 'while', 'optional', 'math', 'lists', 'and', 'or', 'not',
  'int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'null_type', 'type', 'dyn',
]);

/** The names that have a value in every expression. */
export const SPECIAL: readonly string[] = ['input', 'config', 'trigger', 'run'];

/** Why a name cannot be the name of a node, or null if it can. */
export function nameProblem(name: string): string | null {
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) {
    return 'a name begins with a small letter and has only small letters, digits and _, at most 64';
  }
  if (RESERVED.has(name)) return 'every expression has a name of its own for that';
  return WORDS.has(name) ? 'it is a word of the expression language' : null;
}

/** The name as it should be written: `Fetch URL` is `fetch_url`. */
export function asName(text: string): string {
  const name = text
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^[^a-z]+|_+$/g, '')
    .slice(0, 64);
  return nameProblem(name) === null ? name : `${name || 'node'}_step`.slice(0, 64);
}

/** A name that is not taken: `fetch`, `fetch_2`, `fetch_3`. */
export function freeName(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted) && nameProblem(wanted) === null) return wanted;
  const stem = wanted.replace(/_\d+$/, '').slice(0, 58);
  for (let number = 2; ; number += 1) {
    const name = `${stem}_${String(number)}`;
    if (!taken.has(name)) return name;
  }
}

/** The one of these that is spelled most like a word, if one is near. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let least = (word.length < 4 ? 1 : Math.max(2, Math.floor(word.length / 3))) + 1;
  for (const candidate of candidates) {
    const distance = spellingDistance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function spellingDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
