/**
 * Single edits of a YAML text as patches of ranges.
 *
 * Owns where a key, an element or a value goes in the text. Invariant: an edit touches the lines of what it changes and
 * no others; comments, order, quotes and blank lines elsewhere stay as they are. What cannot be done so is refused.
 */
import { type Json, type Path, pathText } from '../json';
import { column, lineBreak, lineEnd, lineStart, nextLine } from '../text/lines';
import type { Patch } from '../text/patch';
import { beginsLine, blockEnd, contentEnd, wholeLines } from './span';
import { keyText, scalarText } from './scalar';
import { isEmptyNode, nodeAt, type YamlEntry, type YamlItem, type YamlMap, type YamlNode, type YamlSource } from './tree';
import { afterColon, afterDash, entryLines, flowText, INDENT, type Written } from './write';

/** An edit that cannot be made without touching more than it should. */
export class EditRefused extends Error {
  override readonly name = 'EditRefused';
}

/** Where a new entry goes in its mapping. */
export type Where = 'first' | 'last';

/** What holds a value: the key or the dash before it. */
interface Anchor {
  /** Position after the colon or the dash. */
  readonly at: number;
  /** Column of the key or the dash. */
  readonly column: number;
  readonly node: YamlNode;
  readonly item: boolean;
}

/** Puts a new entry into the mapping at a path. `lines` are its lines, if it is more than key and value. */
export function insertEntry(source: YamlSource, path: Path, key: string, value: Json, where: Where, lines?: readonly string[]): Patch[] {
  const { text, root } = source;
  const node = nodeAt(root, path);
  const written = lines ?? entryLines(key, value);
  if (root === null && path.length === 0) return insertIntoNothing(text, written);
  if (node === null) throw new EditRefused(`there is no ${pathText(path)}`);
  const flow = isInFlow(root, path);
  if (node.kind === 'map' && !node.opaque && node.entries.length > 0) {
    if (node.flow) return insertIntoFlow(text, node, where, `${keyText(key, true)}: ${flowText(value)}`);
    return insertIntoBlock(text, node, where, written);
  }
  const isEmpty = (node.kind === 'map' && !node.opaque) || (node.kind === 'scalar' && node.value === null);
  if (!isEmpty) throw new EditRefused(`${pathText(path)} is not a mapping that can be edited here`);
  if (flow || path.length === 0) {
    if (path.length === 0) return [{ from: node.from, to: node.to, insert: written.join(lineBreak(text)) }];
    return replaceWith(source, path, { head: ` ${flowText({ [key]: value })}`, body: [] });
  }
  const indented = written.map((line) => (line === '' ? '' : ' '.repeat(INDENT) + line));
  if (anchorOf(source, path).item) {
    return replaceWith(source, path, { head: ` ${written[0] ?? ''}`, body: indented.slice(1) });
  }
  return replaceWith(source, path, { head: '', body: indented });
}

function insertIntoNothing(text: string, lines: readonly string[]): Patch[] {
  if (/^\.\.\.|^---.*\S/m.test(text)) throw new EditRefused('the text has document marks and no value');
  const eol = lineBreak(text);
  const before = text === '' || text.endsWith('\n') ? '' : eol;
  return [{ from: text.length, to: text.length, insert: `${before}${lines.join(eol)}${eol}` }];
}

function insertIntoBlock(text: string, node: YamlMap, where: Where, lines: readonly string[]): Patch[] {
  const first = node.entries[0];
  const last = node.entries.at(-1);
  if (!first || !last) throw new EditRefused('the mapping is empty');
  const indent = column(text, first.keyFrom);
  const eol = lineBreak(text);
  const shifted = lines.map((line) => (line === '' ? '' : ' '.repeat(indent) + line));
  if (where === 'first' && beginsLine(text, first.keyFrom)) {
    const at = lineStart(text, first.keyFrom);
    return [{ from: at, to: at, insert: shifted.map((line) => line + eol).join('') }];
  }
  const at = blockEnd(text, contentEnd(text, last.value, last.colon), indent);
  return [{ from: at, to: at, insert: shifted.map((line) => eol + line).join('') }];
}

function insertIntoFlow(text: string, node: YamlMap, where: Where, entry: string): Patch[] {
  const first = node.entries[0];
  const last = node.entries.at(-1);
  if (!first || !last) throw new EditRefused('the mapping is empty');
  if (where === 'first') return [{ from: first.keyFrom, to: first.keyFrom, insert: `${entry}, ` }];
  return [behindInFlow(text, isEmptyNode(last.value) ? last.colon : last.value.to, entry)];
}

function behindInFlow(text: string, end: number, entry: string): Patch {
  const comma = commaAfter(text, end);
  return comma < 0 ? { from: end, to: end, insert: `, ${entry}` } : { from: comma + 1, to: comma + 1, insert: ` ${entry}` };
}

/** Puts an element behind the last one of the sequence at a path. */
export function appendItem(source: YamlSource, path: Path, value: Json): Patch[] {
  const { text, root } = source;
  const node = nodeAt(root, path);
  if (node?.kind !== 'list' || node.opaque) throw new EditRefused(`${pathText(path)} is not a list`);
  const last = node.items.at(-1);
  if (!last) return replaceAt(source, path, [value]);
  if (node.flow) return [behindInFlow(text, last.value.to, flowText(value))];
  const indent = column(text, last.start);
  const at = blockEnd(text, contentEnd(text, last.value, last.start + 1), indent);
  const { head, body } = afterDash(value);
  return [{ from: at, to: at, insert: joined(text, [`${' '.repeat(indent)}-${head}`, ...shift(body, indent)]) }];
}

/** Puts another value at a path that exists. */
export function replaceAt(source: YamlSource, path: Path, value: Json): Patch[] {
  const anchor = anchorOf(source, path);
  // The quotes of an empty text stand for nothing but its emptiness.
  const style = anchor.node.kind === 'scalar' && anchor.node.value !== '' ? anchor.node.style : undefined;
  if (isInFlow(source.root, path)) {
    const scalar = typeof value === 'object' && value !== null ? flowText(value) : scalarText(value, true, style);
    return replaceWith(source, path, { head: ` ${scalar}`, body: [] });
  }
  // A block of text would take the comments below it for its own lines: it is written in quotes there.
  if (typeof value === 'string' && notesBelow(source.text, anchor)) {
    return replaceWith(source, path, { head: ` ${scalarText(value, false, style)}`, body: [] });
  }
  return replaceWith(source, path, anchor.item ? afterDash(value, style) : afterColon(value, style));
}

/** Whether comments that are indented deeper than the key follow its value. */
function notesBelow(text: string, anchor: Anchor): boolean {
  const end = contentEnd(text, anchor.node, anchor.at);
  return blockEnd(text, end, anchor.column) > lineEnd(text, end);
}

function replaceWith(source: YamlSource, path: Path, written: Written): Patch[] {
  const { text } = source;
  const anchor = anchorOf(source, path);
  const { node } = anchor;
  if (node.kind !== 'scalar' && node.opaque) throw new EditRefused(`${pathText(path)} uses YAML that is not edited here`);
  const body = shift(written.body, anchor.column);
  const end = contentEnd(text, node, anchor.at);
  const isBlock = node.kind === 'scalar' ? node.style === 'literal' || node.style === 'folded' : !node.flow;
  const onAnchorLine = node.from <= lineEnd(text, anchor.at);
  if (isBlock && !onAnchorLine) {
    // The value stands below its key: the key's line keeps its comment, the lines below are replaced.
    const from = lineEnd(text, anchor.at);
    const change: Patch[] = [{ from, to: blockEnd(text, end, anchor.column), insert: joined(text, body) }];
    return written.head === '' ? change : [{ from: anchor.at, to: anchor.at, insert: written.head }, ...change];
  }
  if (isBlock || isEmptyNode(node) || isInFlow(source.root, path) || body.length === 0) {
    const from = isEmptyNode(node) ? anchor.at : node.from;
    const head = isEmptyNode(node) ? written.head : written.head.trimStart();
    if (body.length === 0) return [{ from, to: end, insert: head }];
    if (isEmptyNode(node) || !isBlock) {
      const line = blockEnd(text, end, anchor.column);
      return nonEmpty([
        { from, to: end, insert: head },
        { from: line, to: line, insert: joined(text, body) },
      ]);
    }
    // What stands below the key's line belongs to the old value, its comments too.
    return [{ from: head === '' ? anchor.at : from, to: blockEnd(text, end, anchor.column), insert: head + joined(text, body) }];
  }
  // Text on the key's line makes room for lines below it; a comment behind it stays on the key's line.
  const line = blockEnd(text, end, anchor.column);
  return nonEmpty([
    { from: anchor.at, to: end, insert: written.head },
    { from: line, to: line, insert: joined(text, body) },
  ]);
}

/** Takes the entry or element at a path away. A collection that loses its last member stays, empty. */
export function removeAt(source: YamlSource, path: Path): Patch[] {
  const { text, root } = source;
  const parentPath = path.slice(0, -1);
  const parent = nodeAt(root, parentPath);
  const step = path.at(-1);
  if (!parent || step === undefined || parent.kind === 'scalar' || parent.opaque) {
    throw new EditRefused(`${pathText(path)} cannot be taken away here`);
  }
  const count = parent.kind === 'map' ? parent.entries.length : parent.items.length;
  if (count === 1 && parentPath.length > 0) return replaceAt(source, parentPath, parent.kind === 'map' ? {} : []);
  if (parent.kind === 'map') {
    const index = parent.entries.findIndex((entry) => entry.key === step);
    const entry = parent.entries[index];
    if (!entry) throw new EditRefused(`there is no ${pathText(path)}`);
    if (parent.flow) return removeFromFlow(text, parent.entries.map(entrySpan), index);
    return removeFromBlock(text, entry.keyFrom, contentEnd(text, entry.value, entry.colon), parent.entries[index + 1]?.keyFrom);
  }
  const index = typeof step === 'number' ? step : -1;
  const item = parent.items[index];
  if (!item) throw new EditRefused(`there is no ${pathText(path)}`);
  if (parent.flow) return removeFromFlow(text, parent.items.map(itemSpan), index);
  return removeFromBlock(text, item.start, contentEnd(text, item.value, item.start + 1), parent.items[index + 1]?.start);
}

function entrySpan(entry: YamlEntry): { from: number; to: number } {
  return { from: entry.keyFrom, to: isEmptyNode(entry.value) ? entry.colon : entry.value.to };
}

function itemSpan(item: YamlItem): { from: number; to: number } {
  return { from: item.value.from, to: item.value.to };
}

function removeFromBlock(text: string, start: number, end: number, next: number | undefined): Patch[] {
  const stop = blockEnd(text, end, column(text, start));
  if (beginsLine(text, start)) {
    const lines = wholeLines(text, start, stop);
    return [{ ...lines, insert: '' }];
  }
  // The first entry of an element stands behind its dash; the next one takes its place.
  if (next === undefined || /\S/.test(text.slice(nextLine(text, stop), next))) {
    throw new EditRefused('a comment stands between this entry and the next one');
  }
  return [{ from: start, to: next, insert: '' }];
}

function removeFromFlow(text: string, spans: readonly { from: number; to: number }[], index: number): Patch[] {
  const span = spans[index];
  if (!span) throw new EditRefused('there is no such entry');
  const comma = commaAfter(text, span.to);
  if (comma >= 0) {
    const end = lineEnd(text, comma);
    const rest = text.slice(comma + 1, end);
    if (beginsLine(text, span.from) && /^\s*(#.*)?$/.test(rest)) return [{ ...wholeLines(text, span.from, comma), insert: '' }];
    return [{ from: span.from, to: comma + 1 + (/^[ \t]*/.exec(rest)?.[0].length ?? 0), insert: '' }];
  }
  const before = spans[index - 1];
  if (!before) return [{ ...span, insert: '' }];
  const separator = commaAfter(text, before.to);
  if (separator < 0) throw new EditRefused('the entry has no comma before it');
  if (/^[ \t,]*$/.test(text.slice(before.to, span.from))) return [{ from: before.to, to: span.to, insert: '' }];
  // The comma stands on another line, which stays as it is: a comma may end the collection.
  return [{ ...span, insert: '' }];
}

/** Gives the entry at a path another key. */
export function renameKey(source: YamlSource, path: Path, key: string): Patch[] {
  const parent = nodeAt(source.root, path.slice(0, -1));
  const old = path.at(-1);
  const entry = parent?.kind === 'map' ? parent.entries.find((candidate) => candidate.key === old) : undefined;
  if (!entry || parent?.kind !== 'map' || parent.opaque) throw new EditRefused(`there is no ${pathText(path)}`);
  if (parent.entries.some((candidate) => candidate.key === key)) throw new EditRefused(`${key} is there already`);
  return [{ from: entry.keyFrom, to: entry.keyTo, insert: keyText(key, isInFlow(source.root, path)) }];
}

function anchorOf(source: YamlSource, path: Path): Anchor {
  const { text, root } = source;
  const parent = nodeAt(root, path.slice(0, -1));
  const step = path.at(-1);
  if (parent?.kind === 'map' && !parent.opaque) {
    const entry = parent.entries.find((candidate) => candidate.key === step);
    if (entry && (entry.value.kind !== 'scalar' || !entry.value.opaque)) {
      if (text[entry.colon - 1] !== ':') throw new EditRefused(`${pathText(path)} has no colon`);
      return { at: entry.colon, column: column(text, entry.keyFrom), node: entry.value, item: false };
    }
  } else if (parent?.kind === 'list' && !parent.opaque && typeof step === 'number') {
    const item = parent.items[step];
    if (item && (item.value.kind !== 'scalar' || !item.value.opaque)) {
      return { at: parent.flow ? item.start : item.start + 1, column: column(text, item.start), node: item.value, item: true };
    }
  }
  throw new EditRefused(`${pathText(path)} cannot be edited here`);
}

/** Whether the value at a path stands inside braces or brackets. */
export function isInFlow(root: YamlNode | null, path: Path): boolean {
  for (let length = 0; length < path.length; length += 1) {
    const node = nodeAt(root, path.slice(0, length));
    if (node && node.kind !== 'scalar' && node.flow) return true;
  }
  return false;
}

/** Position of the comma that follows, past blanks and comments; -1 if something else follows. */
function commaAfter(text: string, position: number): number {
  let at = position;
  while (at < text.length) {
    const c = text[at];
    if (c === ',') return at;
    if (c === '#') at = lineEnd(text, at);
    else if (c === ' ' || c === '\t' || c === '\n' || c === '\r') at += 1;
    else return -1;
  }
  return -1;
}

function shift(lines: readonly string[], indent: number): string[] {
  return lines.map((line) => (line === '' ? '' : ' '.repeat(indent) + line));
}

function joined(text: string, lines: readonly string[]): string {
  const eol = lineBreak(text);
  return lines.map((line) => eol + line).join('');
}

function nonEmpty(patches: readonly Patch[]): Patch[] {
  return patches.filter((patch) => patch.from !== patch.to || patch.insert !== '');
}
