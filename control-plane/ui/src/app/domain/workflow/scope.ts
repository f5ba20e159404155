/** The names that an expression of a node can use, with their types and what is known of their values. */
import { ANY, listOf, MOMENT, objectOf, TEXT, type Ty, tyOfPort, tyOfSchema, tyOfValue } from '../expression/types';
import { elementOf, infer, type Meaning, type Scope } from '../expression/infer';
import { parseExpression } from '../expression/parser';
import { soleExpression } from '../expression/template';
import { isObject, type Json } from '../json';
import type { CatalogueEntry } from '../ports/interface';
import type { GraphNode, WorkflowGraph } from './graph';
import { bareText } from './kinds';

/** The scope of a node's expressions; of the output, where the node is null. */
export function scopeOf(graph: WorkflowGraph, id: string | null, catalogue: readonly CatalogueEntry[]): Scope {
  const scope = new Map<string, Meaning>();
  const chain: (GraphNode | null)[] = [];
  for (let node = id === null ? null : (graph.byId.get(id) ?? null); node; node = node.parent === null ? null : (graph.byId.get(node.parent) ?? null)) chain.unshift(node);
  scope.set('input', { type: objectOf(Object.entries(graph.input).map(([name, schema]) => ({ name, type: tyOfSchema(schema), ...docsOf(schema) }))), value: defaults(graph.input) });
  scope.set('config', { type: tyOfValue(graph.config), value: graph.config });
  scope.set('run', { type: objectOf([{ name: 'id', type: TEXT }, { name: 'started', type: MOMENT }], false) });
  scope.set('trigger', { type: objectOf([], false) });
  const parents = [null, ...chain.slice(0, -1).flatMap((node) => (node ? [node.id] : []))];
  for (const parent of parents) {
    const container = parent === null ? null : graph.byId.get(parent);
    if (container?.kind?.item !== undefined) {
      const name = container.value[container.kind.item];
      const list = infer(parseExpression(bareText(container.value[container.kind.key])).tree, scope);
      scope.set(typeof name === 'string' ? name : 'item', elementOf(list));
    }
    for (const node of graph.nodes) {
      if (node.parent === parent && node.id !== id) scope.set(node.id, { type: outputOf(graph, node, scope, catalogue) });
    }
  }
  return scope;
}

/** The type of what a node gives, as far as the file and the catalogue tell. */
export function outputOf(graph: WorkflowGraph, node: GraphNode, scope: Scope, catalogue: readonly CatalogueEntry[]): Ty {
  const { kind, value } = node;
  if (!kind) return ANY;
  if (kind.body !== undefined) {
    // One node inside: the list of what it gives. What several of them give together only the engine knows.
    const inner = node.children.length === 1 ? graph.byId.get(node.children[0] ?? '') : undefined;
    return listOf(inner ? outputOf(graph, inner, scope, catalogue) : ANY);
  }
  if (kind.key === 'set') return fieldsOf(value['set'], scope);
  if (kind.key === 'call') {
    const [name = '', operation = ''] = (typeof value['call'] === 'string' ? value['call'] : '').split('/', 2);
    const found = catalogue.find((entry) => entry.name === name)?.interface.operations.find((candidate) => candidate.name === operation);
    return found?.result ? tyOfPort(found.result) : ANY;
  }
  if (node.outcomes.length > 0) return objectOf([{ name: 'outcome', type: TEXT }], false);
  return ANY;
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

