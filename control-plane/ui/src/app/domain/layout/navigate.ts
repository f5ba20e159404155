/** Where the arrow keys go: along the connections, and to what stands above or below. */
import { OUTPUT, START, type WorkflowGraph } from '../workflow/graph';
import type { Rect } from './layout';

export type Direction = 'left' | 'right' | 'up' | 'down';

/** The next node in a direction; null if there is none. */
export function neighbour(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, id: string, direction: Direction): string | null {
  const here = rects.get(id);
  if (!here) return graph.nodes[0]?.id ?? null;
  if (direction === 'left' || direction === 'right') {
    const along = graph.edges
      .filter((edge) => !edge.implied && (direction === 'right' ? edge.from === id : edge.to === id))
      .map((edge) => (direction === 'right' ? edge.to : edge.from))
      .filter((other) => other !== START && other !== OUTPUT);
    const inner = inside(graph, id, direction);
    return nearest(here, [...along, ...inner], rects);
  }
  const sign = direction === 'down' ? 1 : -1;
  const parent = graph.byId.get(id)?.parent ?? null;
  const there = graph.nodes.filter((node) => node.parent === parent && node.id !== id).map((node) => node.id);
  return nearest(here, there.filter((other) => sign * ((rects.get(other)?.y ?? 0) - here.y) > 0), rects);
}

/** Into a loop from its edge, and out of it from its first and last nodes. */
function inside(graph: WorkflowGraph, id: string, direction: 'left' | 'right'): string[] {
  const node = graph.byId.get(id);
  if (!node) return [];
  if (direction === 'right' && node.children[0] !== undefined) return [node.children[0]];
  const leaves = !graph.edges.some((edge) => (direction === 'right' ? edge.from === id : edge.to === id) && edge.from !== START && edge.to !== OUTPUT);
  if (node.parent === null || !leaves) return [];
  if (direction === 'left') return [node.parent];
  return graph.edges.filter((edge) => edge.from === node.parent && !edge.implied).map((edge) => edge.to);
}

function nearest(here: Rect, ids: readonly string[], rects: ReadonlyMap<string, Rect>): string | null {
  let best: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const id of ids) {
    const rect = rects.get(id);
    if (!rect) continue;
    const distance = Math.hypot(rect.x + rect.width / 2 - (here.x + here.width / 2), 1.5 * (rect.y + rect.height / 2 - (here.y + here.height / 2)));
    if (distance < least) {
      least = distance;
      best = id;
    }
  }
  return best;
}

/** A node with everything before or after it. */
export function stream(graph: WorkflowGraph, id: string, direction: 'left' | 'right'): string[] {
  const seen = new Set([id]);
  const stack = [id];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    for (const edge of graph.edges) {
      const next = direction === 'right' ? (edge.from === at ? edge.to : null) : edge.to === at ? edge.from : null;
      if (next !== null && next !== START && next !== OUTPUT && !seen.has(next)) {
        seen.add(next);
        stack.push(next);
      }
    }
  }
  return [...seen].filter((found) => found !== id).concat(id);
}
