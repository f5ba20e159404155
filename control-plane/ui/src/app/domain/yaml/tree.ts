/**
 * YAML as a tree with places, and its reader.
 *
 * Owns the part of YAML that workflow files use: mappings with text keys, sequences, scalars of the core schema. What
 * the language leaves out (anchors, aliases, tags, complex keys) is read as `opaque`: shown, and never edited.
 */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

import type { Json, Path } from '../json';
import { jsonText, wholeNumber } from '../json-text';

/** How a scalar is written. */
export type ScalarStyle = 'plain' | 'single' | 'double' | 'literal' | 'folded';

/** A value that is no collection. */
export interface YamlScalar {
  readonly kind: 'scalar';
  readonly from: number;
  readonly to: number;
  readonly value: null | boolean | number | bigint | string;
  readonly style: ScalarStyle;
  readonly opaque: boolean;
}

/** A key with its value. */
export interface YamlEntry {
  readonly key: string;
  readonly keyFrom: number;
  readonly keyTo: number;
  /** Position after the colon; the end of the key if there is none. */
  readonly colon: number;
  readonly value: YamlNode;
}

/** A mapping. */
export interface YamlMap {
  readonly kind: 'map';
  readonly from: number;
  readonly to: number;
  readonly flow: boolean;
  readonly entries: readonly YamlEntry[];
  readonly opaque: boolean;
}

/** An element of a sequence. */
export interface YamlItem {
  /** Position of the dash; of the element itself in a flow sequence. */
  readonly start: number;
  readonly value: YamlNode;
}

/** A sequence. */
export interface YamlList {
  readonly kind: 'list';
  readonly from: number;
  readonly to: number;
  readonly flow: boolean;
  readonly items: readonly YamlItem[];
  readonly opaque: boolean;
}

export type YamlNode = YamlScalar | YamlMap | YamlList;

/** Why a text is not YAML. */
export interface YamlMistake {
  readonly from: number;
  readonly to: number;
  readonly message: string;
}

/** A text and what it says. */
export interface YamlSource {
  readonly text: string;
  /** The value of the document; null for a text without any. */
  readonly root: YamlNode | null;
  readonly mistakes: readonly YamlMistake[];
}

/** The texts that were read last: an edit reads its outcome, and the view reads the same text right after it. */
const recent = new Map<string, YamlSource>();
const RECENT_MAX = 8;

/** Reads a text. Never throws: what is wrong with the text is in `mistakes`. */
export function readYaml(text: string): YamlSource {
  const known = recent.get(text);
  if (known) return known;
  const source = parse(text);
  recent.set(text, source);
  for (const oldest of recent.keys()) {
    if (recent.size <= RECENT_MAX) break;
    recent.delete(oldest);
  }
  return source;
}

function parse(text: string): YamlSource {
  const lineCounter = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      keepSourceTokens: true,
      lineCounter,
      logLevel: 'silent',
      prettyErrors: false,
      uniqueKeys: true,
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { text, root: null, mistakes: [{ from: 0, to: 0, message }] };
  }
  const mistakes = document.errors.map((error) => ({
    from: Math.min(error.pos[0], text.length),
    to: Math.min(error.pos[1], text.length),
    message: error.message,
  }));
  const root = document.contents === null ? null : read(document.contents, 0);
  return { text, root: root && !isNothing(root) ? root : null, mistakes };
}

function isNothing(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.value === null && node.from === node.to;
}

/** Whether the node has no text of its own: the value of `key:`. */
export function isEmptyNode(node: YamlNode): boolean {
  return isNothing(node);
}

function read(node: Node | null, at: number): YamlNode {
  if (node === null) return nothing(at);
  const from = node.range?.[0] ?? at;
  const to = node.range?.[1] ?? from;
  if (isMap(node)) return readMap(node, from, to);
  if (isSeq(node)) return readList(node, from, to);
  if (isScalar(node)) return readScalar(node, from, to);
  return { kind: 'scalar', from, to, value: null, style: 'plain', opaque: isAlias(node) };
}

function nothing(at: number): YamlScalar {
  return { kind: 'scalar', from: at, to: at, value: null, style: 'plain', opaque: false };
}

const STYLES: Readonly<Record<string, ScalarStyle>> = {
  QUOTE_DOUBLE: 'double',
  QUOTE_SINGLE: 'single',
  BLOCK_LITERAL: 'literal',
  BLOCK_FOLDED: 'folded',
};

function readScalar(node: Scalar, from: number, to: number): YamlScalar {
  const raw = node.value;
  // Digits that a browser's numbers would lose are kept.
  const whole = typeof raw === 'number' && node.source !== undefined && /^-?\d+$/.test(node.source) ? wholeNumber(node.source) : raw;
  const plainValue =
    whole === null || typeof whole === 'string' || typeof whole === 'number' || typeof whole === 'bigint' || typeof whole === 'boolean' ? whole : jsonText(whole);
  return {
    kind: 'scalar',
    from,
    to,
    value: plainValue,
    style: STYLES[node.type ?? ''] ?? 'plain',
    opaque: node.anchor !== undefined || node.tag !== undefined,
  };
}

function readMap(node: YAMLMap, from: number, to: number): YamlMap {
  const entries: YamlEntry[] = [];
  let opaque = node.anchor !== undefined || node.tag !== undefined;
  for (const pair of node.items as Pair<Node | null, Node | null>[]) {
    const key = pair.key;
    if (!isPair(pair) || !isScalar(key) || key.anchor !== undefined || key.tag !== undefined) {
      opaque = true;
      continue;
    }
    const keyFrom = key.range?.[0] ?? from;
    const keyTo = key.range?.[1] ?? keyFrom;
    const token = pair.srcToken;
    if (token?.start.some((part) => part.type === 'explicit-key-ind')) opaque = true;
    const mark = token?.sep?.find((part) => part.type === 'map-value-ind');
    const colon = mark ? mark.offset + mark.source.length : keyTo;
    const value = read(pair.value, colon);
    // A value without text of its own stands behind the colon, wherever the reader noticed that nothing follows.
    entries.push({ key: String(key.value), keyFrom, keyTo, colon, value: isNothing(value) ? nothing(colon) : value });
  }
  return { kind: 'map', from, to, flow: node.flow === true, entries, opaque };
}

function readList(node: YAMLSeq, from: number, to: number): YamlList {
  const flow = node.flow === true;
  const token = node.srcToken;
  const tokens = token && 'items' in token ? token.items : [];
  let opaque = node.anchor !== undefined || node.tag !== undefined;
  const items = (node.items as (Node | Pair | null)[]).map((item, index) => {
    if (isPair(item)) {
      opaque = true;
      return { start: from, value: nothing(from) };
    }
    const dash = tokens[index]?.start.find((part) => part.type === 'seq-item-ind');
    const start = dash?.offset ?? item?.range?.[0] ?? from;
    const value = read(item, start + 1);
    return { start, value: !flow && isNothing(value) ? nothing(start + 1) : value };
  });
  return { kind: 'list', from, to, flow, items, opaque };
}

/** The value as JSON. */
export function toJson(node: YamlNode | null): Json {
  if (node === null) return null;
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map((item) => toJson(item.value));
    case 'map':
      return Object.fromEntries(node.entries.map((entry) => [entry.key, toJson(entry.value)]));
  }
}

/** The entry of this key. */
export function entryOf(node: YamlNode | null, key: string): YamlEntry | null {
  return node?.kind === 'map' ? (node.entries.find((entry) => entry.key === key) ?? null) : null;
}

/** The node at a path. */
export function nodeAt(root: YamlNode | null, path: Path): YamlNode | null {
  let found = root;
  for (const step of path) {
    if (typeof step === 'number') found = found?.kind === 'list' ? (found.items[step]?.value ?? null) : null;
    else found = entryOf(found, step)?.value ?? null;
  }
  return found;
}

/** The path of the innermost key or value at a position. */
export function pathAt(root: YamlNode | null, position: number): Path {
  const path: (string | number)[] = [];
  let node = root;
  descend: while (node) {
    if (node.kind === 'map') {
      const entries: readonly YamlEntry[] = node.entries;
      for (let index = entries.length - 1; index >= 0; index -= 1) {
        const entry = entries[index];
        if (entry && entry.keyFrom <= position) {
          path.push(entry.key);
          node = entry.value;
          continue descend;
        }
      }
    } else if (node.kind === 'list') {
      const items: readonly YamlItem[] = node.items;
      for (let index = items.length - 1; index >= 0; index -= 1) {
        const item = items[index];
        if (item && item.start <= position) {
          path.push(index);
          node = item.value;
          continue descend;
        }
      }
    }
    break;
  }
  return path;
}
