/**
 * The edges of a graph: who waits for whom, between nodes of one body.
 *
 * An edge that goes into or out of a container stands at the container. What other edges imply already is marked, so
 * that the canvas draws only the rest.
 */
import { type GraphEdge, type GraphNode, type NameUse, OUTPUT, START } from './graph';

interface Draft {
  from: string;
  port: string;
  to: string;
  uses: NameUse[];
  order: boolean;
  standsIn: boolean;
}

/** The edges between these nodes, with those from the start and to the output. */
export function edgesOf(nodes: readonly GraphNode[], outputUses: readonly NameUse[], hasOutput: boolean): GraphEdge[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const drafts = new Map<string, Draft>();
  const add = (from: string, port: string, to: string, use: NameUse | 'order' | 'stands in'): void => {
    const key = edgeId(from, port, to);
    const draft = drafts.get(key) ?? { from, port, to, uses: [], order: false, standsIn: false };
    if (use === 'order') draft.order = true;
    else if (use === 'stands in') draft.standsIn = true;
    else draft.uses.push(use);
    drafts.set(key, draft);
  };
  for (const node of nodes) {
    for (const use of node.uses) {
      // What takes an effect back names what had ended before: nothing waits for that.
      if (use.path[node.path.length] === 'undo') continue;
      const target = beside(byId, use.name, node);
      if (target !== null) add(use.name, '', target, use);
    }
    for (const after of node.after) {
      const target = beside(byId, after.node, node);
      if (target !== null) add(after.node, after.outcome, target, 'order');
    }
    if (node.fallback && byId.get(node.fallback.node)?.parent === node.parent && node.fallback.node !== node.id) add(node.id, '', node.fallback.node, 'stands in');
  }
  const waiting = new Set([...drafts.values()].map((draft) => draft.to));
  for (const node of nodes) {
    if (node.parent === null && !waiting.has(node.id)) add(START, '', node.id, 'order');
  }
  if (hasOutput) {
    for (const use of outputUses) {
      if (byId.get(use.name)?.parent === null) add(use.name, '', OUTPUT, use);
    }
    const leaving = new Set([...drafts.values()].map((draft) => draft.from));
    for (const node of nodes) {
      if (node.parent === null && !leaving.has(node.id)) add(node.id, '', OUTPUT, 'order');
    }
  }
  return marked([...drafts.values()]);
}

/** The id of an edge. */
export function edgeId(from: string, port: string, to: string): string {
  return `${from}${port === '' ? '' : `.${port}`}→${to}`;
}

/** The node that waits for `name` when `node` uses it: itself, or the container around it that stands beside `name`. */
function beside(byId: ReadonlyMap<string, GraphNode>, name: string, node: GraphNode): string | null {
  const source = byId.get(name);
  if (!source) return null;
  let target: GraphNode | undefined = node;
  while (target && target.parent !== source.parent) target = target.parent === null ? undefined : byId.get(target.parent);
  return target && target.id !== name ? target.id : null;
}

function marked(drafts: readonly Draft[]): GraphEdge[] {
  const leaving = new Map<string, Draft[]>();
  for (const draft of drafts) {
    const list = leaving.get(draft.from);
    if (list) list.push(draft);
    else leaving.set(draft.from, [draft]);
  }
  return drafts.map((draft) => ({ id: edgeId(draft.from, draft.port, draft.to), ...draft, implied: isImplied(draft, leaving) }));
}

function isImplied(edge: Draft, leaving: ReadonlyMap<string, readonly Draft[]>): boolean {
  const first = (leaving.get(edge.from) ?? []).filter((other) => other !== edge && (edge.port === '' || other.port === edge.port));
  if (edge.port === '' && first.some((other) => other.to === edge.to)) return true;
  const seen = new Set<string>([edge.from]);
  const stack = first.filter((other) => other.to !== edge.to).map((other) => other.to);
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (id === edge.to) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    for (const next of leaving.get(id) ?? []) stack.push(next.to);
  }
  return false;
}
