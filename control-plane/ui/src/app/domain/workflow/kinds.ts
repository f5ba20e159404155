/**
 * The kinds of nodes, as everything else reads them: reader, canvas, picker, forms and problems know no kind by name.
 *
 * The rows stand in `kind-rows.ts`. A new kind of the language is a new row there.
 */
import { isObject, type Json, type JsonObject, type Path, valueAt } from '../json';
import { COMMON_FIELDS, COMMON_LITERAL } from './common-fields';
import type { FieldSpec, NodeKind, Shape } from './field';
import { NODE_KINDS } from './kind-rows';

export { bareText } from './field';
export type { FieldControl, FieldPart, FieldSpec, NodeKind, Shape } from './field';
export { COMMON_FIELDS };

/** Every kind, in the order of the picker. */
export const KINDS: readonly NodeKind[] = NODE_KINDS;

const BY_KEY = new Map(NODE_KINDS.map((kind) => [kind.key, kind]));

/** Properties that a node of every kind may have. */
export const COMMON_KEYS: readonly string[] = [...new Set(COMMON_FIELDS.flatMap((field) => (typeof field.path[0] === 'string' ? [field.path[0]] : [])))];

/** The kind that this key makes. */
export function kindOf(key: string): NodeKind | null {
  return BY_KEY.get(key) ?? null;
}

/** The keys that say what a node does, in the order of the file. */
export function kindKeys(keys: readonly string[]): NodeKind[] {
  return keys.flatMap((key) => BY_KEY.get(key) ?? []);
}

/** Whether a node of this kind may have this key. */
export function allows(kind: NodeKind, key: string): boolean {
  return key === kind.key || kind.keys.includes(key) || COMMON_KEYS.includes(key);
}

/** Every property of a kind that a form edits. */
export function fieldsOf(kind: NodeKind): readonly FieldSpec[] {
  return [...kind.fields, ...COMMON_FIELDS];
}

/** Whether a node has what a property belongs to: the delays of `retry` only where `retry` is written out. */
export function isShown(field: FieldSpec, node: JsonObject): boolean {
  if (!field.when) return true;
  const value = valueAt(node, field.when.path);
  return isObject(value) && (field.when.key === undefined || field.when.key in value);
}

/** The shape that a value has. */
export function shapeOf(shapes: readonly Shape[], value: Json | undefined): Shape | null {
  return shapes.find((shape) => (isObject(shape.value) ? isObject(value) && (shape.key === undefined || shape.key in value) : shape.value === value)) ?? null;
}

/** Paths of a node of this kind whose text is a name and never an expression. */
export function literalPaths(kind: NodeKind | null): readonly Path[] {
  return [...(kind?.literal ?? []), ...COMMON_LITERAL];
}

/** The ways in which a node can end. */
export function outcomesOf(kind: NodeKind, node: JsonObject): readonly string[] {
  const own = kind.outcomes(node);
  return node['on_error'] === 'branch' ? [...own, 'failed'] : own;
}

/** The name that the nodes in a loop see beside those around it; null if the node is no loop. */
export function itemName(kind: NodeKind | null, node: JsonObject): string | null {
  if (kind?.item === undefined) return null;
  const own = kind.item.key === undefined ? undefined : node[kind.item.key];
  return typeof own === 'string' ? own : kind.item.name;
}

/** The kind that a word of another product stands for. */
export function kindForWord(word: string): NodeKind | null {
  const wanted = word.toLowerCase().replaceAll('_', ' ');
  return NODE_KINDS.find((kind) => kind.synonyms.includes(wanted) && wanted !== 'filter' && wanted !== 'code') ?? null;
}

/** Whether a path is one of these patterns. */
export function matches(path: Path, patterns: readonly Path[]): boolean {
  return patterns.some((pattern) => pattern.length === path.length && pattern.every((step, index) => step === '*' || step === path[index]));
}
