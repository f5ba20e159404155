/** Texts with expressions in them: `${…}` alone keeps its type, inside longer text it becomes text. */
import { tokens } from './lexer';

/** One `${…}` of a text. */
export interface Piece {
  /** Position of the dollar sign. */
  readonly from: number;
  /** Position after the closing brace; the end of the text if it is missing. */
  readonly to: number;
  /** Position where the expression begins. */
  readonly inner: number;
  readonly expression: string;
  readonly closed: boolean;
}

/** The `${…}` of a text, in order; `$${` stands for `${` itself and begins none. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = begin(text, 0);
  while (from >= 0) {
    const inner = from + 2;
    const end = closing(text, inner);
    const to = end < 0 ? text.length : end + 1;
    found.push({ from, to, inner, expression: text.slice(inner, end < 0 ? text.length : end), closed: end >= 0 });
    from = begin(text, to);
  }
  return found;
}

/** Where the next `${` stands that begins an expression; -1 if there is none. */
function begin(text: string, after: number): number {
  let from = text.indexOf('${', after);
  while (from > after && text[from - 1] === '$') from = text.indexOf('${', from + 2);
  return from;
}

/** Position of the brace that closes the expression; -1 if there is none. Braces inside its texts do not count. */
function closing(text: string, from: number): number {
  let depth = 0;
  for (const token of tokens(text.slice(from))) {
    if (token.kind !== 'mark') continue;
    if (token.text === '{') depth += 1;
    if (token.text === '}') {
      if (depth === 0) return from + token.from;
      depth -= 1;
    }
  }
  return -1;
}

/** The expression, if the text is nothing but one `${…}`. */
export function soleExpression(text: string): string | null {
  const [first, second] = pieces(text.trim());
  return first && !second && first.closed && first.from === 0 && first.to === text.trim().length ? first.expression : null;
}
