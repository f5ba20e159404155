/** A value as people look at it: as a table, as the shape that its parts have, as the places where a word is found. */
import { briefly, isList, isObject, type Json, type Path, pathText } from '../json';
import { jsonText } from '../json-text';

/** Rows of a table, and characters of a text, that are drawn at most; the whole is downloaded. */
export const ROWS_MAX = 200;
export const TEXT_MAX = 20_000;
const COLUMNS_MAX = 16;
const CELL_MAX = 120;
const FOUND_MAX = 200;
/** Elements of a list that its schema is read from. */
const SAMPLE_MAX = 1000;

/** A table. */
export interface DataTable {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly index: number; readonly cells: readonly string[] }[];
  /** How many rows there are with the word, and altogether. */
  readonly found: number;
  readonly all: number;
  /** Columns that are not drawn. */
  readonly hidden: number;
}

/** The one field of an object that is a table of its own, if that is all that the object has: people want its rows. */
export function soleTable(value: Json | undefined): { readonly field: string; readonly value: Json } | null {
  if (!isObject(value)) return null;
  const [only, ...others] = Object.entries(value);
  if (!only || others.length > 0) return null;
  const [field, inner] = only;
  return isList(inner) && inner.length > 0 && inner.every((item) => isObject(item)) ? { field, value: inner } : null;
}

/** The table that a value is: a list of objects, or the fields of an object; null for others. Rows without the word are left out. */
export function tableOf(value: Json | undefined, word = ''): DataTable | null {
  const wanted = word.trim().toLowerCase();
  if (isList(value) && value.length > 0 && value.every((item) => isObject(item))) {
    const names = [...new Set(value.slice(0, SAMPLE_MAX).flatMap((item) => Object.keys(item)))];
    const columns = names.slice(0, COLUMNS_MAX);
    const hits = value.map((item, index) => ({ item, index })).filter(({ item }) => wanted === '' || jsonText(item).toLowerCase().includes(wanted));
    const rows = hits.slice(0, ROWS_MAX).map(({ item, index }) => ({ index, cells: columns.map((column) => cell(item[column])) }));
    return { columns, rows, found: hits.length, all: value.length, hidden: names.length - columns.length };
  }
  if (!isObject(value) || Object.keys(value).length === 0) return null;
  const entries = Object.entries(value);
  const hits = entries.filter(([name, item]) => wanted === '' || name.toLowerCase().includes(wanted) || jsonText(item).toLowerCase().includes(wanted));
  const rows = hits.slice(0, ROWS_MAX).map(([name, item], index) => ({ index, cells: [name, cell(item)] }));
  return { columns: ['name', 'value'], rows, found: hits.length, all: entries.length, hidden: 0 };
}

function cell(value: Json | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? cut(value, CELL_MAX) : briefly(value, CELL_MAX);
}

function cut(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}

/** One part of a value, with what stands there. */
export interface SchemaRow {
  /** `features[].properties.mag`; empty for the value itself. */
  readonly place: string;
  /** The place, for people. */
  readonly path: string;
  /** `number`, `text or nothing`, `list of 128`. */
  readonly type: string;
  /** In how many of the elements it is, where not in all. */
  readonly some: string;
  readonly example: string;
}

interface Part {
  readonly types: Map<string, number>;
  count: number;
  example: Json | undefined;
  longest: number;
}

/** The parts of a value, in the order in which they are met: the same path in every element of a list is one part. */
export function schemaOf(value: Json): SchemaRow[] {
  const parts = new Map<string, Part>();
  const visit = (at: string, found: Json): void => {
    const part = parts.get(at) ?? { types: new Map<string, number>(), count: 0, example: undefined, longest: 0 };
    parts.set(at, part);
    part.count += 1;
    const type = typeName(found);
    part.types.set(type, (part.types.get(type) ?? 0) + 1);
    if (isList(found)) {
      part.longest = Math.max(part.longest, found.length);
      found.slice(0, SAMPLE_MAX).forEach((item) => { visit(`${at}[]`, item); });
    } else if (isObject(found)) {
      for (const [name, inner] of Object.entries(found)) visit(at === '' ? name : `${at}.${name}`, inner);
    } else {
      part.example ??= found;
    }
  };
  visit('', value);
  return [...parts].slice(0, ROWS_MAX).map(([path, part]) => {
    const above = parts.get(path.endsWith('[]') ? path : path.replace(/\.?[^.]*$/, ''));
    const types = [...part.types.keys()].join(' or ');
    return {
      place: path,
      path: path === '' ? 'the value' : path,
      type: types === 'list' ? `list of ${part.longest === 0 ? 'nothing' : String(part.longest)}` : types,
      some: above && above !== part && part.count < above.count ? `${String(part.count)} of ${String(above.count)}` : '',
      example: part.example === undefined ? '' : cell(part.example),
    };
  });
}

function typeName(value: Json): string {
  if (value === null) return 'nothing';
  if (isList(value)) return 'list';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'boolean':
      return 'true or false';
    case 'bigint':
      return 'whole number';
    case 'number':
      return Number.isInteger(value) ? 'whole number' : 'number';
    default:
      return 'object';
  }
}

/** A place in a value where a word stands. */
export interface FoundAt {
  readonly path: string;
  readonly text: string;
}

/** The values and fields that hold a word, and how many there are. */
export function search(value: Json, word: string): { readonly found: readonly FoundAt[]; readonly count: number } {
  const wanted = word.trim().toLowerCase();
  const found: FoundAt[] = [];
  let count = 0;
  const visit = (at: Path, part: Json): void => {
    if (isList(part)) {
      part.forEach((item, index) => { visit([...at, index], item); });
    } else if (isObject(part)) {
      for (const [name, inner] of Object.entries(part)) visit([...at, name], inner);
    } else {
      const text = typeof part === 'string' ? part : jsonText(part);
      const name = at.at(-1);
      if (!text.toLowerCase().includes(wanted) && !(typeof name === 'string' && name.toLowerCase().includes(wanted))) return;
      count += 1;
      if (found.length < FOUND_MAX) found.push({ path: pathText(at), text: cut(text, CELL_MAX) });
    }
  };
  if (wanted !== '') visit([], value);
  return { found, count };
}

/** So many bytes, for people. */
export function sizeWords(bytes: number): string {
  if (bytes < 1000) return `${String(bytes)} B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
