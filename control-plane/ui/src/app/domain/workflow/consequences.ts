/** What an answer to a question leads to, as far as the file tells. */
import type { WorkflowGraph } from './graph';
import { destinationName } from './read';

/** One node that runs then. */
export interface Consequence {
  readonly node: string;
  /** What it does, as its card says. */
  readonly does: string;
  readonly destinations: readonly string[];
  readonly secrets: readonly string[];
}

/**
 * The nodes that come after an outcome of a node, those that something else can bring too among them, in the order of the
 * file; null if the run ends with this outcome.
 */
export function consequencesOf(graph: WorkflowGraph, node: string, outcome: string): Consequence[] | null {
  const good = graph.byId.get(node)?.outcomes[0] === outcome;
  const first = graph.edges.filter((edge) => edge.from === node && (edge.port === outcome || (good && edge.port === ''))).map((edge) => edge.to);
  if (first.length === 0 && !good) return null;
  const seen = new Set<string>();
  const stack = [...first];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    stack.push(...(graph.byId.get(id)?.children ?? []), ...graph.edges.filter((edge) => edge.from === id).map((edge) => edge.to));
  }
  return graph.nodes
    .filter((found) => seen.has(found.id) && !found.disabled)
    .map((found) => ({ node: found.id, does: found.kind?.line(found.value) ?? '', destinations: found.destinations.map(destinationName), secrets: found.secrets }));
}
