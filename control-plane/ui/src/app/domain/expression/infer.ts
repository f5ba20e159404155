/** The type of an expression, and its value for one set of data where that is only a look-up. */
import { isList, isObject, type Json, valueAt } from '../json';
import { binds, type Expression } from './parser';
import { ANY, BOOL, either, INT, isNumber, LENGTH, listOf, MOMENT, NUMBER, objectOf, TEXT, type Ty, tyOfValue } from './types';

/** What a name stands for. */
export interface Meaning {
  readonly type: Ty;
  /** Its value in the data at hand. */
  readonly value?: Json;
  readonly docs?: string;
}

/** The names in reach. */
export type Scope = ReadonlyMap<string, Meaning>;

const RESULTS: Readonly<Record<string, Ty>> = {
  size: INT, has: BOOL, contains: BOOL, startsWith: BOOL, endsWith: BOOL, matches: BOOL, join: TEXT, string: TEXT, int: INT,
  double: { kind: 'double' }, bool: BOOL, date: TEXT, now: MOMENT, timestamp: MOMENT, duration: LENGTH, lowerAscii: TEXT,
  upperAscii: TEXT, trim: TEXT, replace: TEXT, substring: TEXT, split: listOf(TEXT), round: NUMBER, sum: NUMBER,
};

/** What an expression gives. */
export function infer(node: Expression, scope: Scope): Meaning {
  switch (node.kind) {
    case 'name':
      return scope.get(node.name) ?? { type: ANY };
    case 'literal':
      return { type: { kind: node.type }, value: node.value };
    case 'select':
      return fieldOf(infer(node.target, scope), node.field);
    case 'index': {
      const target = infer(node.target, scope);
      const index = infer(node.index, scope).value;
      if (typeof index === 'string') return fieldOf(target, index);
      return typeof index === 'number' ? elementOf(target, index) : elementOf(target);
    }
    case 'call':
      return call(node.name, node.target, node.args, scope);
    case 'operator':
      return operator(node.operator, node.args, scope);
    case 'list':
      return { type: listOf(node.items.length === 0 ? ANY : node.items.map((item) => infer(item, scope).type).reduce(either)) };
    case 'map':
      return {
        type: objectOf(
          node.entries.flatMap(({ key, value }) =>
            key.kind === 'literal' && typeof key.value === 'string' ? [{ name: key.value, type: infer(value, scope).type }] : [],
          ),
        ),
      };
    case 'missing':
      return { type: ANY };
  }
}

/** The scope inside the arguments of a macro: its variable is an element of the list. */
export function insideMacro(node: Expression & { kind: 'call' }, scope: Scope): Scope {
  const variable = node.args[0];
  if (!node.target || !binds(node.name) || variable?.kind !== 'name') return scope;
  return new Map(scope).set(variable.name, elementOf(infer(node.target, scope)));
}

/** A field of a value. */
export function fieldOf(target: Meaning, field: string): Meaning {
  const known = target.type.kind === 'object' ? target.type.fields.find((candidate) => candidate.name === field) : undefined;
  const value = valueAt(target.value, [field]);
  const type = known && known.type.kind !== 'any' ? known.type : value === undefined ? (known?.type ?? ANY) : tyOfValue(value);
  return { type, ...(value === undefined ? {} : { value }), ...(known?.docs ? { docs: known.docs } : {}) };
}

/** An element of a list; the first one stands for all where no index is known. */
export function elementOf(target: Meaning, index = 0): Meaning {
  const value = isList(target.value) ? target.value[index] : undefined;
  const known = target.type.kind === 'list' ? target.type.element : ANY;
  return { type: known.kind === 'any' && value !== undefined ? tyOfValue(value) : known, ...(value === undefined ? {} : { value }) };
}

function call(name: string, target: Expression | null, args: readonly Expression[], scope: Scope): Meaning {
  const first = args[0];
  const receiver = target ? infer(target, scope) : first ? infer(first, scope) : { type: ANY };
  switch (name) {
    case 'filter':
    case 'sort_by':
    case 'sortBy':
    case 'sort':
    case 'distinct':
    case 'unique':
    case 'reverse':
    case 'slice':
      return { type: receiver.type, ...(receiver.value === undefined ? {} : { value: receiver.value }) };
    case 'map': {
      const last = args.at(-1);
      if (!target || !last || first?.kind !== 'name') return { type: listOf(ANY) };
      const inner = new Map(scope).set(first.name, elementOf(receiver));
      return { type: listOf(infer(last, inner).type) };
    }
    case 'all':
    case 'exists':
    case 'exists_one':
      return { type: BOOL };
    case 'first':
    case 'last':
      return elementOf(receiver);
    case 'min':
    case 'max':
      return target || args.length > 1 ? { type: NUMBER } : { type: elementOf(receiver).type };
    case 'flatten':
      return { type: listOf(receiver.type.kind === 'list' && receiver.type.element.kind === 'list' ? receiver.type.element.element : ANY) };
    case 'default':
    case 'orValue':
      return { type: receiver.type };
    default:
      return { type: Object.hasOwn(RESULTS, name) ? (RESULTS[name] ?? ANY) : ANY };
  }
}

function operator(name: string, args: readonly Expression[], scope: Scope): Meaning {
  const types = args.map((arg) => infer(arg, scope).type);
  const [a = ANY, b = ANY, c = ANY] = types;
  if (name === '?:') return { type: either(b, c) };
  if (args.length === 1) return { type: name === '!' ? BOOL : a };
  if (['&&', '||', '==', '!=', '<', '<=', '>', '>=', 'in'].includes(name)) return { type: BOOL };
  if (isNumber(a) && isNumber(b)) return { type: a.kind === b.kind ? a : NUMBER };
  return { type: a.kind === b.kind ? either(a, b) : ANY };
}

/** Whether a value has members to go on with. */
export function hasMembers(meaning: Meaning): boolean {
  return meaning.type.kind === 'object' || isObject(meaning.value);
}
