/** How far entries and elements reach in the text, comments of their own included. */
import { isBlank, lineEnd, lineStart, nextLine } from '../text/lines';
import { isEmptyNode, type YamlNode } from './tree';

/** Position after the last character of a value. `anchor` is where the value would begin if it is empty. */
export function contentEnd(text: string, node: YamlNode, anchor: number): number {
  if (isEmptyNode(node)) return anchor;
  if (node.kind === 'scalar') {
    if (node.style !== 'literal' && node.style !== 'folded') return node.to;
    const keeps = /^[|>]\d?\+|^[|>]\+/.test(text.slice(node.from, node.from + 3));
    let end = Math.min(node.to, text.length);
    if (keeps) return end > node.from && text[end - 1] === '\n' ? end - (text[end - 2] === '\r' ? 2 : 1) : end;
    while (end > node.from && isBlank(text, end - 1, end)) end -= 1;
    return end;
  }
  if (node.flow) return node.to;
  if (node.kind === 'map') {
    const last = node.entries.at(-1);
    return last ? contentEnd(text, last.value, last.colon) : node.to;
  }
  const last = node.items.at(-1);
  return last ? contentEnd(text, last.value, last.start + 1) : node.to;
}

/**
 * End of the last line of an entry or element whose key or dash stands at column `indent`: the rest of its last line,
 * and the comment lines below it that are indented deeper, since they stand inside it.
 */
export function blockEnd(text: string, end: number, indent: number): number {
  let out = lineEnd(text, end);
  let at = nextLine(text, out);
  while (at < text.length) {
    const stop = lineEnd(text, at);
    let first = at;
    while (first < stop && (text[first] === ' ' || text[first] === '\t')) first += 1;
    if (first < stop) {
      if (text[first] !== '#' || first - at <= indent) break;
      out = stop;
    }
    const next = nextLine(text, at);
    if (next <= at) break;
    at = next;
  }
  return out;
}

/** The range of whole lines from the line of `from` up to the line break after `end`. */
export function wholeLines(text: string, from: number, end: number): { from: number; to: number } {
  return { from: lineStart(text, from), to: nextLine(text, end) };
}

/** Whether only blanks stand before a position on its line. */
export function beginsLine(text: string, position: number): boolean {
  return isBlank(text, lineStart(text, position), position);
}
