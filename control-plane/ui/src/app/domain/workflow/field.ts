/** What a property of a node is for a form, and what a kind of node is for everything that reads nodes. */
import type { Json, JsonObject, Path } from '../json';

/** One way in which a value can be written. */
export interface Shape {
  readonly label: string;
  /** What is written when it is chosen; undefined takes the property away. */
  readonly value: Json | undefined;
  /** The key by which an object of this shape is known. */
  readonly key?: string;
}

/** How a property is edited. */
export type FieldControl =
  | { readonly type: 'text' }
  | { readonly type: 'template' }
  | { readonly type: 'operation' }
  | { readonly type: 'workflow' }
  | { readonly type: 'node' }
  | { readonly type: 'expression' }
  | { readonly type: 'value' }
  | { readonly type: 'duration' }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'choice'; readonly options: readonly string[] }
  | { readonly type: 'shape'; readonly shapes: readonly Shape[] }
  | { readonly type: 'switch' }
  | { readonly type: 'names'; readonly options?: readonly string[] }
  | { readonly type: 'values' }
  | { readonly type: 'expressions' }
  | { readonly type: 'ports' }
  | { readonly type: 'slots' };

/** The part of a form that a property stands in. */
export type FieldPart = 'inputs' | 'reach' | 'order' | 'failure' | 'undo';

/** One property of a node. */
export interface FieldSpec {
  /** Where it stands in the node. */
  readonly path: Path;
  readonly label: string;
  readonly docs: string;
  readonly control: FieldControl;
  readonly part: FieldPart;
  readonly required?: boolean;
  /** What holds if it is absent, for people. */
  readonly absent?: string;
  readonly example?: string;
  /** It is there only while an object stands at this path, and has this key. */
  readonly when?: { readonly path: Path; readonly key?: string };
}

/** A kind of node. */
export interface NodeKind {
  /** The key that makes a node of this kind. */
  readonly key: string;
  readonly title: string;
  readonly icon: string;
  /** What it does, one sentence. */
  readonly docs: string;
  /** Words that people from other products look for. */
  readonly synonyms: readonly string[];
  /** What a new node of this kind is called. */
  readonly name: string;
  /** What a new node of this kind has. */
  readonly starter: JsonObject;
  readonly fields: readonly FieldSpec[];
  /** Keys beside the kind's own and the common ones that such a node may have. */
  readonly keys: readonly string[];
  /** Paths whose text is an expression as it stands, without `${…}`. `*` is any key. */
  readonly bare: readonly Path[];
  /** Paths whose text is a name and never an expression. */
  readonly literal: readonly Path[];
  /** The key under which the nodes stand that it contains. */
  readonly body?: string;
  /** Whether it gives a list of what its body gave; otherwise what the last round gave. */
  readonly list?: boolean;
  /** The name that its body sees: under this key, or this one. */
  readonly item?: { readonly key?: string; readonly name: string; readonly is: 'element' | 'round' };
  /** Whether the author names its outcomes, so that it is left by one of them only. */
  readonly branches?: boolean;
  /** The ways in which it can end well or otherwise, the good one first. */
  readonly outcomes: (node: JsonObject) => readonly string[];
  /** The second line of its card. */
  readonly line: (node: JsonObject) => string;
  /** The third line of its card: what it computes, in the language of expressions. */
  readonly formula: (node: JsonObject) => string;
}

/** A scalar as text; empty for anything else. */
export function plain(value: Json | undefined): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** An expression without the marks around it. */
export function bareText(value: Json | undefined): string {
  return plain(value).replace(/^\s*\$\{([\s\S]*)\}\s*$/, '$1').replace(/^=\s*/, '');
}
