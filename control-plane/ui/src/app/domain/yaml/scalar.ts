/**
 * Scalars of YAML's core schema as text. Source: YAML 1.2.2 §7.3, §8.1, §10.3.2.
 *
 * Invariant: what is written here is read back as the same value, in block and in flow context.
 */
import { jsonText } from '../json-text';
import type { ScalarStyle } from './tree';

const WORDS = new Set(['null', 'Null', 'NULL', '~', 'true', 'True', 'TRUE', 'false', 'False', 'FALSE', '<<', '=']);
const NUMBER = /^[-+]?(\.\d+|\d[\d_]*(\.\d*)?)([eE][-+]?\d+)?$|^0[xob][0-9a-fA-F_]+$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$/;
const INDICATORS = new Set(Array.from('-?:,[]{}#&*!|>\'"%@`='));
// Control characters, and the characters that YAML takes for line breaks or does not print.
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff]/;

/** Whether a text can stand without quotes and is read as that text. */
export function isPlain(text: string, flow: boolean): boolean {
  const first = text[0];
  if (first === undefined || INDICATORS.has(first) || WORDS.has(text) || NUMBER.test(text)) return false;
  if (text !== text.trim() || text.startsWith('...') || UNPRINTABLE.test(text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, ''))) {
    return false;
  }
  if (text.includes(': ') || text.includes(' #') || text.endsWith(':')) return false;
  return !flow || !/[,[\]{}]|:[,[\]{}]/.test(text);
}

/** A text in quotes: double ones, unless it holds what they would have to escape. */
export function quoted(text: string, prefer?: ScalarStyle): string {
  const simple = !UNPRINTABLE.test(text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, ''));
  const single = prefer === 'single' || (prefer !== 'double' && /["\\]/.test(text));
  if (simple && single) return `'${text.replaceAll("'", "''")}'`;
  return jsonText(text).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A scalar on one line; a text keeps the style it was written in, where that is possible. */
export function scalarText(value: null | boolean | number | bigint | string, flow: boolean, style: ScalarStyle = 'plain'): string {
  if (typeof value !== 'string') return value === null ? 'null' : numberText(value);
  if (style === 'double' || style === 'single') return quoted(value, style);
  return isPlain(value, flow) ? value : quoted(value);
}

function numberText(value: boolean | number | bigint): string {
  return Object.is(value, -0) ? '-0.0' : String(value);
}

/** A key. */
export function keyText(key: string, flow: boolean): string {
  return isPlain(key, flow) && !key.includes(':') ? key : quoted(key);
}

/**
 * A text of several lines as a literal block: its header and its lines without indentation. Null where a block cannot
 * hold the text, which is then written in quotes.
 */
export function literalBlock(text: string): { header: string; lines: string[] } | null {
  if (!text.includes('\n') || /[^\n\t\u0020-\u007e\u00a0-\ud7ff\ue000-\ufefe]/.test(text) || text.includes('\t')) return null;
  const body = text.replace(/\n+$/, '');
  const ends = text.length - body.length;
  const lines = body.split('\n');
  if (body === '' || /^[ \n]/.test(body) || lines.some((line) => line !== '' && line.trim() === '')) return null;
  if (ends === 0) return { header: '|-', lines };
  if (ends === 1) return { header: '|', lines };
  return null;
}

/**
 * For each character of a scalar's value, its position in the text of the scalar; one more for the end. Null where the
 * two cannot be matched.
 */
export function positionsInText(raw: string, value: string, style: ScalarStyle): number[] | null {
  const positions: number[] = [];
  const isQuoted = style === 'double' || style === 'single';
  const block = style === 'literal' || style === 'folded';
  let at = block ? raw.indexOf('\n') + 1 : isQuoted ? 1 : 0;
  for (let index = 0; index < value.length; index += 1) {
    const wanted = value[index] ?? '';
    if (style === 'double' && raw[at] === '\\') {
      while (/^\\\r?\n[ \t]*/.test(raw.slice(at))) at += /^\\\r?\n[ \t]*/.exec(raw.slice(at))?.[0].length ?? 1;
      if (raw[at] === '\\') {
        positions.push(at);
        const length = { x: 4, u: 6, U: 10 }[raw[at + 1] ?? ''] ?? 2;
        if (length === 10 && wanted >= '\ud800' && wanted <= '\udbff') {
          index += 1;
          positions.push(at);
        }
        at += length;
        continue;
      }
    }
    if (style === 'single' && raw.startsWith("''", at) && wanted === "'") {
      positions.push(at);
      at += 2;
      continue;
    }
    // Indentation, and the line breaks that folding turns into blanks.
    while (at < raw.length && raw[at] !== wanted && /\s/.test(raw[at] ?? '')) {
      if (wanted === ' ' && raw[at] === '\n') break;
      at += 1;
    }
    if (raw[at] !== wanted && !(wanted === ' ' && raw[at] === '\n')) return null;
    positions.push(at);
    at += 1;
  }
  positions.push(at);
  return positions;
}
