/** Files that steps make: values that name bytes which the control plane keeps. */
import { isList, isObject, type Json, pathText, type Path } from '../json';

/** One file. */
export interface Artefact {
  /** Where it stands in the value. */
  readonly path: string;
  /** `sha256:…` */
  readonly digest: string;
  readonly name: string;
  readonly mediaType: string;
  readonly size: number;
}

/** How a file is looked at. */
export type ArtefactLook = 'image' | 'table' | 'text' | 'none';

/** Deepest place in a value where a file is looked for, and files that are found at most. */
const DEPTH_MAX = 8;
const FOUND_MAX = 20;
/** Largest file that is fetched to be looked at, bytes. */
export const LOOK_MAX = 4_000_000;
const IMAGES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);
const TEXTS = new Set(['application/json', 'application/yaml', 'application/xml', 'application/x-ndjson']);
/** Rows and columns of a table that are drawn at most. */
const ROWS_MAX = 200;
const COLUMNS_MAX = 24;

/** The files in a value. */
export function artefactsIn(value: Json | undefined): Artefact[] {
  const found: Artefact[] = [];
  const visit = (path: Path, part: Json, depth: number): void => {
    if (depth > DEPTH_MAX || found.length >= FOUND_MAX) return;
    if (isList(part)) part.forEach((item, index) => { visit([...path, index], item, depth + 1); });
    else if (isObject(part)) {
      const { digest, name, media_type: mediaType, size } = part;
      if (typeof digest === 'string' && typeof name === 'string' && typeof mediaType === 'string' && typeof size === 'number') found.push({ path: pathText(path), digest, name, mediaType, size });
      else for (const [key, inner] of Object.entries(part)) visit([...path, key], inner, depth + 1);
    }
  };
  if (value !== undefined) visit([], value, 0);
  return found;
}

/** How a file can be looked at. Pictures that can hold scripts are not drawn. */
export function lookOf(artefact: Artefact): ArtefactLook {
  const type = (artefact.mediaType.split(';')[0] ?? '').trim().toLowerCase();
  if (artefact.size > LOOK_MAX) return 'none';
  if (IMAGES.has(type)) return 'image';
  if (type === 'text/csv' || type === 'text/tab-separated-values') return 'table';
  return type.startsWith('text/') || TEXTS.has(type) || type.endsWith('+json') ? 'text' : 'none';
}

/** The first rows of a CSV text; cells in quotes may hold separators, quotes and line breaks. */
export function readCsv(text: string, separator = ','): { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[]; readonly cut: boolean } {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  const end = (): void => {
    row.push(cell);
    cell = '';
  };
  for (; at < text.length && rows.length <= ROWS_MAX; at += 1) {
    const letter = text[at] ?? '';
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else quoted = false;
    } else if (letter === '"' && cell === '') quoted = true;
    else if (letter === separator) end();
    else if (letter === '\n') {
      end();
      rows.push(row);
      row = [];
    } else if (letter !== '\r') cell += letter;
  }
  if (cell !== '' || row.length > 0) {
    end();
    rows.push(row);
  }
  const [head = [], ...body] = rows;
  return { head: head.slice(0, COLUMNS_MAX), rows: body.slice(0, ROWS_MAX).map((cells) => cells.slice(0, COLUMNS_MAX)), cut: at < text.length || head.length > COLUMNS_MAX };
}
