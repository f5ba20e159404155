/** Values as YAML lines: mappings as blocks, short lists of scalars in brackets, as people write workflow files. */
import { isList, isObject, type Json } from '../json';
import { keyText, literalBlock, scalarText } from './scalar';
import type { ScalarStyle } from './tree';

/** Columns by which a level is indented. */
export const INDENT = 2;
const FLOW_LIST_COLUMNS = 88;

/** A value on one line, in braces and brackets. */
export function flowText(value: Json): string {
  if (isList(value)) return `[${value.map(flowText).join(', ')}]`;
  if (isObject(value)) {
    const fields = Object.entries(value).map(([key, field]) => `${keyText(key, true)}: ${flowText(field)}`);
    return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
  }
  return scalarText(value, true);
}

/** A value behind its anchor, which is the colon of a key or the dash of an element. */
export interface Written {
  /** The rest of the anchor's line, with the blank before it. */
  readonly head: string;
  /** The lines below, relative to the column of the key or dash. */
  readonly body: readonly string[];
}

/** The lines of `key: value`, the first without indentation, the others relative to it. */
export function entryLines(key: string, value: Json): string[] {
  const { head, body } = afterColon(value);
  return [`${keyText(key, false)}:${head}`, ...body];
}

/** The lines of a mapping. */
export function mapLines(value: Readonly<Record<string, Json>>): string[] {
  return Object.entries(value).flatMap(([key, field]) => entryLines(key, field));
}

/** A value behind the colon of its key. */
export function afterColon(value: Json, style?: ScalarStyle): Written {
  const inline = inlineText(value, style);
  if (inline !== null) return { head: ` ${inline}`, body: [] };
  if (isObject(value)) return { head: '', body: mapLines(value).map(indented) };
  if (isList(value)) return { head: '', body: value.flatMap(itemLines).map(indented) };
  const block = typeof value === 'string' ? literalBlock(value) : null;
  return block
    ? { head: ` ${block.header}`, body: block.lines.map(indented) }
    : { head: ` ${flowText(value)}`, body: [] };
}

/** A value behind the dash of its element. */
export function afterDash(value: Json, style?: ScalarStyle): Written {
  if (isObject(value) && Object.keys(value).length > 0) {
    const [first = '', ...rest] = mapLines(value);
    return { head: ` ${first}`, body: rest.map(indented) };
  }
  return afterColon(value, style);
}

/** The lines of `- value`. */
export function itemLines(value: Json): string[] {
  const { head, body } = afterDash(value);
  return [`-${head}`, ...body];
}

/** The value on the line of its key, if it belongs there. */
export function inlineText(value: Json, style?: ScalarStyle): string | null {
  if (isObject(value)) return Object.keys(value).length === 0 ? '{}' : null;
  if (isList(value)) {
    if (value.length === 0) return '[]';
    const flat = value.every((item) => !isList(item) && !isObject(item));
    const text = flat ? flowText(value) : '';
    return flat && text.length <= FLOW_LIST_COLUMNS ? text : null;
  }
  if (typeof value === 'string' && literalBlock(value)) return null;
  return scalarText(value, false, style);
}

function indented(line: string): string {
  return line === '' ? '' : ' '.repeat(INDENT) + line;
}
