/**
 * Completion of expressions from types and from the data at hand.
 *
 * Names in reach, fields of the value before the caret, functions that its type has. Invariant: what is offered is read
 * back as one expression when it is taken.
 */
import { briefly, isObject, type Json } from '../json';
import { type ExpressionFunction, FUNCTIONS } from './functions';
import { fieldOf, infer, insideMacro, type Meaning, type Scope } from './infer';
import { type Expression, parseExpression } from './parser';
import { tyName, type Ty } from './types';

/** One offer. */
export interface Completion {
  readonly label: string;
  readonly kind: 'name' | 'field' | 'function';
  /** What it is, for people: its type, or what the function does. */
  readonly detail: string;
  /** Its value in the data at hand, short. */
  readonly preview?: string;
  /** What replaces the range. */
  readonly insert: string;
  /** Where the caret goes, counted from the start of `insert`. */
  readonly caret: number;
}

/** The offers at a position, and the range that taking one replaces. */
export interface Completions {
  readonly from: number;
  readonly to: number;
  readonly options: readonly Completion[];
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What can stand at a position of an expression. */
export function complete(source: string, position: number, scope: Scope): Completions {
  const before = source.slice(0, position);
  const typed = /[A-Za-z_][A-Za-z0-9_]*$/.exec(before)?.[0] ?? '';
  const rest = /^[A-Za-z0-9_]*/.exec(source.slice(position))?.[0] ?? '';
  const from = position - typed.length;
  const to = position + rest.length;
  if (insideText(before)) return { from: position, to: position, options: [] };
  const dot = /(\.\??)\s*$/.exec(source.slice(0, from));
  const { tree } = parseExpression(source);
  const inner = scopeAt(tree, from, scope);
  if (dot && !/\d$/.test(source.slice(0, dot.index))) {
    const target = receiver(tree, from);
    const options = target ? members(infer(target, inner)) : [];
    return { from, to, options: matching(options, typed) };
  }
  const names = [...inner].map(([name, meaning]) => named(name, 'name', meaning));
  const functions = FUNCTIONS.filter((candidate) => candidate.on === 'free').map(asCompletion);
  return { from, to, options: matching([...names, ...functions], typed) };
}

function insideText(before: string): boolean {
  const withoutTexts = before.replace(/"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/g, '');
  return /["']/.test(withoutTexts);
}

/** The value whose field begins at a position. */
function receiver(node: Expression, position: number): Expression | null {
  if (node.kind === 'select' && node.fieldFrom === position) return node.target;
  if (node.kind === 'call' && node.nameFrom === position) return node.target;
  for (const child of children(node)) {
    const found = receiver(child, position);
    if (found) return found;
  }
  return null;
}

/** The names in reach at a position, with the variables of the macros around it. */
function scopeAt(node: Expression, position: number, scope: Scope): Scope {
  if (node.kind === 'call' && node.target && position > node.nameFrom) {
    const inside = insideMacro(node, scope);
    for (const arg of node.args) {
      if (position >= arg.from && position <= arg.to) return scopeAt(arg, position, inside);
    }
    return inside;
  }
  for (const child of children(node)) {
    if (position >= child.from && position <= child.to) return scopeAt(child, position, scope);
  }
  return scope;
}

function children(node: Expression): readonly Expression[] {
  switch (node.kind) {
    case 'select':
      return [node.target];
    case 'index':
      return [node.target, node.index];
    case 'call':
      return node.target ? [node.target, ...node.args] : node.args;
    case 'operator':
      return node.args;
    case 'list':
      return node.items;
    case 'map':
      return node.entries.flatMap(({ key, value }) => [key, value]);
    case 'name':
    case 'literal':
    case 'missing':
      return [];
  }
}

function members(target: Meaning): Completion[] {
  const names = new Set<string>();
  if (target.type.kind === 'object') target.type.fields.forEach((field) => names.add(field.name));
  if (isObject(target.value)) Object.keys(target.value).forEach((name) => names.add(name));
  const fields = [...names].filter((name) => IDENTIFIER.test(name)).map((name) => named(name, 'field', fieldOf(target, name)));
  return [...fields, ...FUNCTIONS.filter((candidate) => suits(candidate, target.type)).map(asCompletion)];
}

function suits(candidate: ExpressionFunction, type: Ty): boolean {
  if (candidate.on === 'free') return false;
  if (candidate.on === 'any') return ['any', 'text', 'list', 'object'].includes(type.kind);
  if (candidate.on === 'sequence') return type.kind === 'list' || type.kind === 'text';
  return candidate.on === type.kind;
}

function named(label: string, kind: 'name' | 'field', meaning: Meaning): Completion {
  const preview: Json | undefined = meaning.value;
  return {
    label,
    kind,
    detail: tyName(meaning.type),
    ...(preview === undefined ? {} : { preview: briefly(preview, 24) }),
    insert: label,
    caret: label.length,
  };
}

function asCompletion(candidate: ExpressionFunction): Completion {
  const insert = candidate.name + candidate.insert.replace('|', '');
  const mark = candidate.insert.indexOf('|');
  return {
    label: candidate.name,
    kind: 'function',
    detail: candidate.summary,
    insert,
    caret: mark < 0 ? insert.length : candidate.name.length + mark,
  };
}

/** Those that fit what was typed: the ones that begin so first, then the ones that contain it. */
function matching(options: readonly Completion[], typed: string): Completion[] {
  if (typed === '') return [...options];
  const word = typed.toLowerCase();
  const begins = options.filter((option) => option.label.toLowerCase().startsWith(word));
  const contains = options.filter((option) => !begins.includes(option) && option.label.toLowerCase().includes(word));
  return [...begins, ...contains];
}
