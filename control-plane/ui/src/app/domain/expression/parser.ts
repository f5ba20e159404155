/**
 * Expressions as trees with places.
 *
 * For what the editor needs while somebody types: names, completion, the place of a mistake. Goes on after a mistake.
 * Values come from the engine's own evaluator only.
 */
import { type Token, tokens } from './lexer';

interface Placed {
  readonly from: number;
  readonly to: number;
}

export type Expression = Placed &
  (
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'literal'; readonly value: string | number | boolean | null; readonly type: 'text' | 'int' | 'double' | 'bool' | 'null' }
    | { readonly kind: 'select'; readonly target: Expression; readonly field: string; readonly fieldFrom: number; readonly optional: boolean }
    | { readonly kind: 'index'; readonly target: Expression; readonly index: Expression }
    | { readonly kind: 'call'; readonly target: Expression | null; readonly name: string; readonly nameFrom: number; readonly args: readonly Expression[] }
    | { readonly kind: 'operator'; readonly operator: string; readonly args: readonly Expression[] }
    | { readonly kind: 'list'; readonly items: readonly Expression[] }
    | { readonly kind: 'map'; readonly entries: readonly { readonly key: Expression; readonly value: Expression }[] }
    | { readonly kind: 'missing' }
  );

/** Something wrong in an expression. */
export interface Mistake extends Placed {
  readonly message: string;
}

/** The macros that bind a name for their other arguments. */
export const BINDING: ReadonlySet<string> = new Set(['map', 'filter', 'all', 'exists', 'exists_one', 'count', 'sort_by', 'sortBy', 'group_by', 'to_map']);

/** Whether a call with this name on a list binds its first argument. */
export function binds(name: string): boolean {
  return BINDING.has(name);
}

const PRECEDENCE: Readonly<Record<string, number>> = {
  '||': 1, '&&': 2, '==': 3, '!=': 3, '<': 3, '<=': 3, '>': 3, '>=': 3, in: 3, '+': 4, '-': 4, '*': 5, '/': 5, '%': 5,
};

/** Reads an expression. */
export function parseExpression(source: string): { tree: Expression; mistakes: readonly Mistake[] } {
  return new Parser(tokens(source)).whole();
}

class Parser {
  private at = 0;
  private readonly mistakes: Mistake[] = [];

  constructor(private readonly all: readonly Token[]) {}

  whole(): { tree: Expression; mistakes: readonly Mistake[] } {
    const tree = this.conditional();
    if (this.peek().kind !== 'end') this.wrong(this.peek(), `unexpected \`${this.peek().text}\``);
    return { tree, mistakes: this.mistakes };
  }

  private peek(ahead = 0): Token {
    return this.all[Math.min(this.at + ahead, this.all.length - 1)] ?? { kind: 'end', text: '', from: 0, to: 0 };
  }

  private next(): Token {
    const token = this.peek();
    this.at = Math.min(this.at + 1, this.all.length - 1);
    return token;
  }

  private is(text: string): boolean {
    const token = this.peek();
    return (token.kind === 'mark' || token.kind === 'name') && token.text === text;
  }

  private accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.next();
    return true;
  }

  private expect(text: string): number {
    const token = this.peek();
    if (this.accept(text)) return token.to;
    this.wrong(token, `\`${text}\` is missing here`);
    return token.from;
  }

  private wrong(token: Placed, message: string): void {
    if (this.mistakes.length === 0) this.mistakes.push({ from: token.from, to: Math.max(token.to, token.from), message });
  }

  private conditional(): Expression {
    const condition = this.binary(1);
    if (!this.accept('?')) return condition;
    const yes = this.conditional();
    this.expect(':');
    const no = this.conditional();
    return { kind: 'operator', operator: '?:', args: [condition, yes, no], from: condition.from, to: no.to };
  }

  private binary(least: number): Expression {
    let left = this.unary();
    for (;;) {
      const token = this.peek();
      const strength = token.kind === 'mark' || token.text === 'in' ? (PRECEDENCE[token.text] ?? 0) : 0;
      if (strength < least || strength === 0) return left;
      this.next();
      const right = this.binary(strength + 1);
      left = { kind: 'operator', operator: token.text, args: [left, right], from: left.from, to: right.to };
    }
  }

  private unary(): Expression {
    const token = this.peek();
    if (this.is('!') || this.is('-')) {
      this.next();
      const inner = this.unary();
      return { kind: 'operator', operator: token.text, args: [inner], from: token.from, to: inner.to };
    }
    return this.member(this.primary());
  }

  private member(start: Expression): Expression {
    let target = start;
    for (;;) {
      if (this.is('.') || this.is('.?')) {
        const optional = this.next().text === '.?';
        const token = this.peek();
        if (token.kind !== 'name') {
          this.wrong(token, 'the name of a field is missing here');
          return { kind: 'select', target, field: '', fieldFrom: token.from, optional, from: target.from, to: token.from };
        }
        this.next();
        target = this.is('(')
          ? this.call(target, token)
          : { kind: 'select', target, field: token.text, fieldFrom: token.from, optional, from: target.from, to: token.to };
      } else if (this.is('[') || this.is('[?')) {
        this.next();
        const index = this.conditional();
        target = { kind: 'index', target, index, from: target.from, to: this.expect(']') };
      } else {
        return target;
      }
    }
  }

  private call(target: Expression | null, name: Token): Expression {
    this.expect('(');
    const args: Expression[] = [];
    while (!this.is(')') && this.peek().kind !== 'end') {
      args.push(this.conditional());
      if (!this.accept(',')) break;
    }
    const to = this.expect(')');
    return { kind: 'call', target, name: name.text, nameFrom: name.from, args, from: target?.from ?? name.from, to };
  }

  private primary(): Expression {
    const token = this.next();
    const placed = { from: token.from, to: token.to };
    if (token.kind === 'number') {
      const type = /^0x|^\d+[uU]?$/.test(token.text) ? 'int' : 'double';
      return { kind: 'literal', value: Number(token.text.replace(/[uU]$/, '')), type, ...placed };
    }
    if (token.kind === 'text') return { kind: 'literal', value: literalText(token.text), type: 'text', ...placed };
    if (token.kind === 'name') return this.named(token);
    if (token.kind === 'mark') {
      if (token.text === '(') {
        const inner = this.conditional();
        return { ...inner, from: token.from, to: this.expect(')') };
      }
      if (token.text === '[') return this.list(token);
      if (token.text === '{') return this.map(token);
    }
    this.at = Math.max(0, this.at - (token.kind === 'end' ? 0 : 1));
    const unclosed = token.kind === 'wrong' && /^["']/.test(token.text);
    this.wrong(token, unclosed ? 'this text has no closing quote' : token.kind === 'end' ? 'a value is missing here' : `unexpected \`${token.text}\``);
    if (token.kind === 'wrong') this.next();
    return { kind: 'missing', from: token.from, to: token.from };
  }

  private named(token: Token): Expression {
    const placed = { from: token.from, to: token.to };
    if (token.text === 'true' || token.text === 'false') return { kind: 'literal', value: token.text === 'true', type: 'bool', ...placed };
    if (token.text === 'null') return { kind: 'literal', value: null, type: 'null', ...placed };
    if (this.is('(')) return this.call(null, token);
    return { kind: 'name', name: token.text, ...placed };
  }

  private list(open: Token): Expression {
    const items: Expression[] = [];
    while (!this.is(']') && this.peek().kind !== 'end') {
      items.push(this.conditional());
      if (!this.accept(',')) break;
    }
    return { kind: 'list', items, from: open.from, to: this.expect(']') };
  }

  private map(open: Token): Expression {
    const entries: { key: Expression; value: Expression }[] = [];
    while (!this.is('}') && this.peek().kind !== 'end') {
      const key = this.conditional();
      this.expect(':');
      entries.push({ key, value: this.conditional() });
      if (!this.accept(',')) break;
    }
    return { kind: 'map', entries, from: open.from, to: this.expect('}') };
  }
}

function literalText(token: string): string {
  const body = token.replace(/^[rRbB]+/, '');
  const width = /^("""|''')/.test(body) ? 3 : 1;
  return body.slice(width, -width).replace(/\\(.)/g, (_, c: string) => ({ n: '\n', t: '\t', r: '\r' })[c] ?? c);
}
