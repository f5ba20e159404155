/** The names that an expression of a node can use, with their types and what is known of their values. */
import { ANY, BOOL, INT, listOf, MOMENT, objectOf, TEXT, type Ty, tyOfPort, tyOfSchema, tyOfValue } from '../expression/types';
import { elementOf, infer, type Meaning, type Scope } from '../expression/infer';
import { parseExpression } from '../expression/parser';
import { soleExpression } from '../expression/template';
import { isObject, type Json } from '../json';
import type { CatalogueEntry } from '../ports/interface';
import type { GraphNode, WorkflowGraph } from './graph';
import { bareText, itemName } from './kinds';

/** Values of a run that stand for the names, and which element of a list is looked at. */
export interface ScopeData {
  readonly values: ReadonlyMap<string, Json>;
  readonly round: number;
}

const NO_DATA: ScopeData = { values: new Map(), round: 0 };

/** The scope of a node's expressions; of the output, where the node is null. */
export function scopeOf(graph: WorkflowGraph, id: string | null, catalogue: readonly CatalogueEntry[], data: ScopeData = NO_DATA): Scope {
  const scope = new Map<string, Meaning>();
  const known = (name: string, type: Ty): Meaning => {
    const value = data.values.get(name);
    return value === undefined ? { type } : { type: type.kind === 'any' ? tyOfValue(value) : type, value };
  };
  const chain: (GraphNode | null)[] = [];
  for (let node = id === null ? null : (graph.byId.get(id) ?? null); node; node = node.parent === null ? null : (graph.byId.get(node.parent) ?? null)) chain.unshift(node);
  scope.set('input', { type: objectOf(Object.entries(graph.input).map(([name, schema]) => ({ name, type: tyOfSchema(schema), ...docsOf(schema) }))), value: data.values.get('input') ?? defaults(graph.input) });
  scope.set('config', { type: tyOfValue(graph.config), value: graph.config });
  scope.set('run', { type: objectOf([{ name: 'id', type: TEXT }, { name: 'started', type: MOMENT }], false) });
  scope.set('trigger', { type: objectOf([], false) });
  const parents = [null, ...chain.slice(0, -1).flatMap((node) => (node ? [node.id] : []))];
  for (const parent of parents) {
    const container = parent === null ? null : graph.byId.get(parent);
    const item = container ? itemName(container.kind, container.value) : null;
    if (container?.kind && item !== null) {
      const element = container.kind.item?.is === 'element';
      scope.set(item, element ? elementOf(infer(parseExpression(bareText(container.value[container.kind.key])).tree, scope), data.round) : { type: INT });
    }
    for (const node of graph.nodes) {
      if (node.parent === parent && node.id !== id) scope.set(node.id, known(node.id, outputOf(graph, node, scope, catalogue)));
    }
  }
  const own = id === null ? undefined : graph.byId.get(id);
  if (own?.kind?.item?.is === 'round') {
    scope.set(own.kind.item.name, { type: INT });
    for (const child of own.children) {
      const node = graph.byId.get(child);
      if (node) scope.set(child, known(child, outputOf(graph, node, scope, catalogue)));
    }
  }
  for (const after of own?.after ?? []) {
    const seen = SEEN_AFTER[after.outcome];
    if (seen && graph.byId.get(after.node)?.kind?.branches !== true) scope.set(after.node, { type: seen });
  }
  return scope;
}

/** What the nodes that come after an outcome see of the node that ended so. */
const SEEN_AFTER: Readonly<Record<string, Ty>> = {
  failed: objectOf([{ name: 'failure', type: objectOf([{ name: 'kind', type: TEXT }, { name: 'message', type: TEXT }, { name: 'code', type: TEXT }, { name: 'path', type: TEXT }]) }]),
  expired: objectOf([{ name: 'expired_at', type: MOMENT }]),
};

/** What the kinds give that always give the same. */
const GIVEN: Readonly<Record<string, Ty>> = {
  switch: TEXT,
  approval: objectOf([{ name: 'approved', type: BOOL }, { name: 'by', type: TEXT }, { name: 'comment', type: TEXT }, { name: 'at', type: MOMENT }]),
};

/** The type of what a node gives, as far as the file and the catalogue tell. */
export function outputOf(graph: WorkflowGraph, node: GraphNode, scope: Scope, catalogue: readonly CatalogueEntry[]): Ty {
  const { kind, value } = node;
  if (!kind) return ANY;
  if (kind.body !== undefined) {
    // One node inside: the list of what it gives. What several of them give together only the engine knows.
    const inner = node.children.length === 1 ? graph.byId.get(node.children[0] ?? '') : undefined;
    const type = inner ? outputOf(graph, inner, scope, catalogue) : ANY;
    return kind.list === true ? listOf(type) : type;
  }
  if (kind.key === 'set') return fieldsOf(value['set'], scope);
  if (kind.key === 'call') {
    const [name = '', operation = ''] = (typeof value['call'] === 'string' ? value['call'] : '').split('/', 2);
    const found = catalogue.find((entry) => entry.name === name)?.interface.operations.find((candidate) => candidate.name === operation);
    return found?.result ? tyOfPort(found.result) : ANY;
  }
  if (kind.key === 'workflow' && value['detach'] === true) return objectOf([{ name: 'run', type: TEXT }]);
  return GIVEN[kind.key] ?? ANY;
}

function fieldsOf(value: Json | undefined, scope: Scope): Ty {
  if (!isObject(value)) return ANY;
  return objectOf(
    Object.entries(value).map(([name, field]) => {
      const source = typeof field === 'string' ? soleExpression(field) : null;
      if (source !== null) return { name, type: infer(parseExpression(source).tree, scope).type };
      return { name, type: typeof field === 'string' ? TEXT : tyOfValue(field) };
    }),
  );
}

function docsOf(schema: Json): { docs: string } | Record<string, never> {
  const docs = isObject(schema) ? schema['description'] : undefined;
  return typeof docs === 'string' ? { docs } : {};
}

function defaults(input: Readonly<Record<string, Json>>): Json {
  return Object.fromEntries(Object.entries(input).flatMap(([name, schema]) => (isObject(schema) && schema['default'] !== undefined ? [[name, schema['default']]] : [])));
}

