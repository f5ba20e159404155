/** The words of an expression, with places. Source: the CEL language definition, "Syntax". */
export interface Token {
  readonly kind: 'name' | 'number' | 'text' | 'mark' | 'end' | 'wrong';
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

const MARKS = ['.?', '[?', '&&', '||', '==', '!=', '<=', '>=', ...Array.from('.,:?()[]{}+-*/%!<>')];
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /0x[0-9a-fA-F]+[uU]?|(\d+\.\d+|\.\d+|\d+)([eE][-+]?\d+)?[uU]?/y;
const TEXT = /[rRbB]{0,2}("""[\s\S]*?"""|'''[\s\S]*?'''|"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*')/y;
const BLANK = /(\s|\/\/[^\n]*)+/y;

/** The tokens of a text; the last one is its end. What is no token at all is one that is `wrong`. */
export function tokens(source: string): Token[] {
  const out: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0] ?? null;
  };
  while (at < source.length) {
    const blank = take(BLANK);
    if (blank) {
      at += blank.length;
      continue;
    }
    const text = take(TEXT);
    const found: [Token['kind'], string] | null = text
      ? ['text', text]
      : orNull('name', take(NAME)) ?? orNull('number', take(NUMBER)) ?? orNull('mark', MARKS.find((mark) => source.startsWith(mark, at)));
    const [kind, word] = found ?? ['wrong' as const, /["']/.test(source[at] ?? '') ? source.slice(at) : (source[at] ?? '')];
    out.push({ kind, text: word, from: at, to: at + word.length });
    at += word.length;
  }
  out.push({ kind: 'end', text: '', from: source.length, to: source.length });
  return out;
}

function orNull(kind: Token['kind'], text: string | null | undefined): [Token['kind'], string] | null {
  return text === null || text === undefined ? null : [kind, text];
}
