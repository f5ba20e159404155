/** What is said below an expression: its value, its type, or what is wrong and where. The engine's word, where it has spoken. */
import type { Completions } from '../domain/expression/complete';
import { infer, type Scope } from '../domain/expression/infer';
import { parseExpression } from '../domain/expression/parser';
import { pieces } from '../domain/expression/template';
import { tyName } from '../domain/expression/types';
import { briefly, type Json } from '../domain/json';
import { sizeWords } from '../domain/runs/data';
import type { Seen } from './previewer';

/** What stands below the box. */
export interface Verdict {
  readonly wrong: string;
  readonly value: string;
  readonly gives: string;
  /** Where it is wrong. */
  readonly at: { readonly from: number; readonly to: number } | null;
  /** What is missing before there can be a value. */
  readonly missing: string;
}

/** Codes of the engine for data that is not there yet: nothing is wrong then. */
const NO_DATA = 'FF-EX-001';
const VALUE_MAX = 80;

/** The verdict; null where there is nothing to say. */
export function verdictOf(text: string, whole: boolean, scope: Scope, seen: Seen | null): Verdict | null {
  if (text.trim() === '' || text.trim() === 'else') return null;
  return seen ? engineVerdict(seen) : ownVerdict(text, whole, scope);
}

function engineVerdict({ value, type, fault, bytes, cut }: Seen): Verdict | null {
  if (fault) {
    const missing = fault.code === NO_DATA;
    return { wrong: missing ? '' : `${fault.message}${fault.fix === null ? '' : `: ${fault.fix}`}`, value: '', gives: typeWords(type), at: missing ? null : { from: fault.start, to: fault.end }, missing: missing ? `${fault.message}; try it once` : '' };
  }
  if (bytes === null && value === null && type === null) return null;
  return { wrong: '', value: brief(value), gives: `${typeWords(type)}${cut && bytes !== null ? `, ${sizeWords(bytes)}` : ''}`, at: null, missing: '' };
}

/** Until the engine has spoken: what the text alone shows. */
function ownVerdict(text: string, whole: boolean, scope: Scope): Verdict | null {
  const piece = whole ? { expression: text, inner: 0 } : pieces(text)[0];
  if (!piece || piece.expression.trim() === '') return null;
  const { tree, mistakes } = parseExpression(piece.expression);
  const [mistake] = mistakes;
  if (mistake) return { wrong: mistake.message, gives: '', value: '', at: null, missing: '' };
  const meaning = infer(tree, scope);
  // A part of a text says nothing about the whole, and any value is no news.
  if (!whole || (meaning.type.kind === 'any' && meaning.value === undefined)) return null;
  // What a function gives only the engine knows.
  const value = ['name', 'select', 'index', 'literal'].includes(tree.kind) ? meaning.value : undefined;
  return { wrong: '', gives: tyName(meaning.type), value: value === undefined ? '' : brief(value), at: null, missing: '' };
}

/** The engine's names of types, as people say them. */
function typeWords(type: string | null): string {
  const words: Readonly<Record<string, string>> = { int: 'whole number', double: 'number', bool: 'true or false', null: 'nothing', any: 'any value' };
  return type === null ? '' : type.replaceAll(/\b(?:int|double|bool|null|any)\b/g, (name) => words[name] ?? name).replaceAll(/list<(.*)>/g, 'list of $1');
}

function brief(value: Json): string {
  return briefly(value, VALUE_MAX);
}

/** The engine's completions, with the values that the data has for them; the own ones where the engine has none. */
export function mergedOffers(own: Completions, engine: Seen['completions'], start: number): Completions {
  if (!engine || engine.items.length === 0) return own;
  const known = new Map(own.options.map((option) => [option.label, option]));
  const kinds = { NAME: 'name', NODE: 'name', FIELD: 'field', FUNCTION: 'function', METHOD: 'function' } as const;
  const options = engine.items.map((item) => {
    const word = /[A-Za-z_][A-Za-z0-9_]*(?=\()/.exec(item.insert)?.[0] ?? item.label;
    const mine = known.get(word);
    known.delete(word);
    return { label: mine?.kind === 'function' ? word : item.label, kind: kinds[item.kind], detail: item.type === null ? (item.docs ?? '') : typeWords(item.type), insert: mine?.insert ?? item.insert, caret: mine?.caret ?? item.insert.length, ...(mine?.preview === undefined ? {} : { preview: mine.preview }) };
  });
  // What only the data has stands before functions.
  const fields = [...known.values()].filter((option) => option.kind !== 'function');
  return { from: engine.from - start, to: engine.to - start, options: [...options.filter((option) => option.kind !== 'function'), ...fields, ...options.filter((option) => option.kind === 'function')] };
}
