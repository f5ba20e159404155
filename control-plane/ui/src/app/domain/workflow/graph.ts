/** The graph that a workflow file describes. */
import type { Json, JsonObject, Path } from '../json';
import type { NodeKind } from './kinds';

/** One use of a name in an expression of the file. */
export interface NameUse {
  readonly name: string;
  /** The fields that follow it. */
  readonly fields: readonly string[];
  /** Where the name stands in the text. */
  readonly from: number;
  readonly to: number;
  /** The path of the text that holds the expression. */
  readonly path: Path;
}

/** An expression of the file. */
export interface ExpressionPlace {
  readonly source: string;
  readonly path: Path;
  /** For each character of the source and its end, the position in the text; null if it cannot be told. */
  readonly positions: readonly number[] | null;
  /** Where the value stands that holds it. */
  readonly from: number;
  readonly to: number;
  /** Whether a `${` is not closed. */
  readonly open: boolean;
}

/** One entry of `after`. */
export interface AfterEntry {
  readonly node: string;
  readonly outcome: string;
  readonly from: number;
  readonly to: number;
}

/** A node. */
export interface GraphNode {
  readonly id: string;
  readonly path: Path;
  /** The node that contains it. */
  readonly parent: string | null;
  readonly kind: NodeKind | null;
  readonly value: JsonObject;
  readonly after: readonly AfterEntry[];
  /** The node that runs in its place when it has failed. */
  readonly fallback: { readonly node: string; readonly from: number; readonly to: number } | null;
  readonly uses: readonly NameUse[];
  readonly expressions: readonly ExpressionPlace[];
  readonly outcomes: readonly string[];
  readonly children: readonly string[];
  readonly disabled: boolean;
  /** What it may reach outside: destinations as written, with `config` filled in. */
  readonly destinations: readonly string[];
  readonly secrets: readonly string[];
  /** Where its key stands, and where it ends. */
  readonly keyFrom: number;
  readonly keyTo: number;
  readonly to: number;
}

/** What a node waits for. */
export interface GraphEdge {
  readonly id: string;
  readonly from: string;
  /** The outcome it leaves by; empty if there is only one. */
  readonly port: string;
  readonly to: string;
  /** The uses of the source's name; none if the edge is order only. */
  readonly uses: readonly NameUse[];
  /** Whether `after` names it. */
  readonly order: boolean;
  /** Whether the target stands in for the source when that has failed. */
  readonly standsIn: boolean;
  /** Whether other edges say the same already. */
  readonly implied: boolean;
}

/** Start and end of a run, drawn like nodes. */
export const START = '@start';
export const OUTPUT = '@output';

/** A workflow as a graph. */
export interface WorkflowGraph {
  readonly name: string;
  readonly title: string;
  readonly nodes: readonly GraphNode[];
  readonly byId: ReadonlyMap<string, GraphNode>;
  readonly edges: readonly GraphEdge[];
  readonly config: JsonObject;
  readonly input: JsonObject;
  readonly secrets: readonly string[];
  readonly triggers: readonly { readonly name: string; readonly type: string }[];
  readonly output: Json | undefined;
  readonly outputUses: readonly NameUse[];
  readonly outputExpressions: readonly ExpressionPlace[];
}
