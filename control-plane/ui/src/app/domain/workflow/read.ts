/** From the text of a workflow to its graph. Reads what it can of a text with mistakes; says nothing about them. */
import { isList, isObject, type Json, type JsonObject, type Path } from '../json';
import { entryOf, toJson, type YamlEntry, type YamlMap, type YamlNode, type YamlSource } from '../yaml/tree';
import { edgesOf } from './edges';
import type { AfterEntry, GraphNode, WorkflowGraph } from './graph';
import { kindKeys, literalPaths, type NodeKind, outcomesOf } from './kinds';
import { expressionsIn, namesIn, type Roles } from './scan';

const NO_ROLES: Roles = { bare: [], literal: [], without: [] };

/** A source never changes, so its graph is read once. */
const graphs = new WeakMap<YamlSource, WorkflowGraph>();

/** The graph of a workflow. */
export function readWorkflow(source: YamlSource): WorkflowGraph {
  const known = graphs.get(source);
  if (known) return known;
  const graph = graphOf(source);
  graphs.set(source, graph);
  return graph;
}

function graphOf(source: YamlSource): WorkflowGraph {
  const { root, text } = source;
  const value = toJson(root);
  const top = isObject(value) ? value : {};
  const config = isObject(top['config']) ? top['config'] : {};
  const nodes: GraphNode[] = [];
  const body = entryOf(root, 'nodes')?.value;
  if (body?.kind === 'map') readBody(source, body, ['nodes'], null, config, nodes);
  const output = entryOf(root, 'output')?.value ?? null;
  const outputExpressions = output ? expressionsIn(text, output, ['output'], NO_ROLES) : [];
  const outputUses = namesIn(outputExpressions);
  const triggers = isObject(top['triggers']) ? top['triggers'] : {};
  return {
    name: typeof top['workflow'] === 'string' ? top['workflow'] : '',
    title: typeof top['title'] === 'string' ? top['title'] : '',
    nodes,
    byId: new Map(nodes.map((node) => [node.id, node])),
    edges: edgesOf(nodes, outputUses, output !== null),
    config,
    input: isObject(top['input']) ? top['input'] : {},
    secrets: strings(top['secrets']),
    triggers: Object.entries(triggers).map(([name, trigger]) => ({ name, type: isObject(trigger) ? (Object.keys(trigger)[0] ?? '') : '' })),
    output: output ? top['output'] : undefined,
    outputUses,
    outputExpressions,
  };
}

function readBody(source: YamlSource, body: YamlMap, path: Path, parent: string | null, config: JsonObject, out: GraphNode[]): string[] {
  return body.entries.map((entry) => {
    readNode(source, entry, [...path, entry.key], parent, config, out);
    return entry.key;
  });
}

function readNode(source: YamlSource, entry: YamlEntry, path: Path, parent: string | null, config: JsonObject, out: GraphNode[]): void {
  const node = entry.value;
  const json = toJson(node);
  const value = isObject(json) ? json : {};
  const kind = kindKeys(Object.keys(value))[0] ?? null;
  const slot = out.length;
  const roles = rolesOf(kind);
  const expressions = expressionsIn(source.text, node, path, roles);
  const draft: GraphNode = {
    id: entry.key,
    path,
    parent,
    kind,
    value,
    after: readAfter(entryOf(node, 'after')?.value),
    uses: namesIn(expressions),
    expressions,
    outcomes: kind ? outcomesOf(kind, value) : [],
    fallback: readFallback(node),
    children: [],
    disabled: value['disabled'] === true,
    destinations: strings(value['allow']).map((destination) => filled(destination, config)),
    secrets: isObject(value['secrets']) ? strings(Object.values(value['secrets'])) : [],
    keyFrom: entry.keyFrom,
    keyTo: entry.keyTo,
    to: node.to,
  };
  out.push(draft);
  const inner = kind?.body === undefined ? undefined : entryOf(node, kind.body)?.value;
  if (kind?.body !== undefined && inner?.kind === 'map') {
    const children = readBody(source, inner, [...path, kind.body], entry.key, config, out);
    out[slot] = { ...draft, children };
  }
}

function rolesOf(kind: NodeKind | null): Roles {
  return {
    bare: kind?.bare ?? [],
    literal: literalPaths(kind),
    without: kind?.body === undefined ? [] : [kind.body],
  };
}

function readAfter(node: YamlNode | undefined): AfterEntry[] {
  const items = node?.kind === 'list' ? node.items.map((item) => item.value) : node ? [node] : [];
  return items.flatMap((item) => {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') return [];
    const [id = '', outcome = ''] = item.value.split('.', 2);
    return [{ node: id, outcome, from: item.from, to: item.to }];
  });
}

/** The node that runs in the place of this one when it has failed, and where it is named. */
function readFallback(node: YamlNode): GraphNode['fallback'] {
  const named = entryOf(entryOf(node, 'fallback')?.value ?? null, 'node')?.value;
  return named?.kind === 'scalar' && typeof named.value === 'string' ? { node: named.value, from: named.from, to: named.to } : null;
}

function strings(value: Json | undefined): string[] {
  return isList(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** A destination with the values of `config` in it. */
function filled(destination: string, config: JsonObject): string {
  return destination.replace(/\$\{\s*config\.([a-z0-9_]+)\s*\}/g, (whole, name: string) => {
    const value = config[name];
    return typeof value === 'string' ? value : whole;
  });
}

/** The name of a destination, without what everybody expects: `https://` and its port. */
export function destinationName(destination: string): string {
  return destination.replace(/^https:\/\//, '').replace(/:443$/, '').replace(/\/+$/, '');
}
