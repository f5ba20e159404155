/** Lines of a text. A line ends before its line break, which is LF or CRLF. */

/** First position of the line that a position is in. */
export function lineStart(text: string, position: number): number {
  return position <= 0 ? 0 : text.lastIndexOf('\n', position - 1) + 1;
}

/** Position of the line break that ends the line a position is in, or the end of the text. */
export function lineEnd(text: string, position: number): number {
  const at = text.indexOf('\n', position);
  if (at < 0) return text.length;
  return at > position && text[at - 1] === '\r' ? at - 1 : at;
}

/** First position of the next line, or the end of the text. */
export function nextLine(text: string, position: number): number {
  const at = text.indexOf('\n', position);
  return at < 0 ? text.length : at + 1;
}

/** The line break that the text uses. */
export function lineBreak(text: string): string {
  const at = text.indexOf('\n');
  return at > 0 && text[at - 1] === '\r' ? '\r\n' : '\n';
}

/** Column of a position, counted in characters from 0. */
export function column(text: string, position: number): number {
  return position - lineStart(text, position);
}

/** Line and column of a position for people, both from 1. */
export function place(text: string, position: number): { line: number; column: number } {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < position; at = text.indexOf('\n', at + 1)) line += 1;
  return { line, column: column(text, position) + 1 };
}

/** Whether there is nothing but blanks between two positions. */
export function isBlank(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    const c = text.charCodeAt(at);
    if (c !== 32 && c !== 9 && c !== 10 && c !== 13) return false;
  }
  return true;
}

/** The position of a line and a column, both from 1; the nearest one, if there is none such. */
export function offsetOf(text: string, line: number, column: number): number {
  let at = 0;
  for (let current = 1; current < line; current += 1) {
    const next = text.indexOf('\n', at);
    if (next < 0) return text.length;
    at = next + 1;
  }
  return Math.min(at + Math.max(0, column - 1), lineEnd(text, at));
}
