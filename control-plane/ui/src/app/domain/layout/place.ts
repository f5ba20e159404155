/** Places for nodes that have none, without moving any that has. */
import { OUTPUT, START, type WorkflowGraph } from '../workflow/graph';
import { cardSize, GROUP_PADDING, type Layout, PILL, placedIds, type Point, type Rect, rectangles, type Size, snapped } from './layout';
import { tidy } from './tidy';

const STEP_X = 44;
const STEP_Y = 28;
const FIRST_WIDTH = 1100;

/** The layout with a place for every node; the same object if nothing was missing. */
export function placed(graph: WorkflowGraph, layout: Layout, width = FIRST_WIDTH): Layout {
  const ids = placedIds(graph);
  const missing = ids.filter((id) => !layout.positions[id]);
  if (missing.length === 0) return layout;
  if (missing.length === ids.length) return { ...layout, positions: { ...layout.positions, ...tidy(graph, width) } };
  const positions: Record<string, Point> = { ...layout.positions };
  for (const id of missing) positions[id] = freeSpot(graph, positions, id, besideSources(graph, positions, id));
  return { ...layout, positions };
}

function besideSources(graph: WorkflowGraph, positions: Readonly<Record<string, Point>>, id: string): Point {
  const rects = rectangles(graph, positions);
  const siblings = graph.nodes.filter((node) => node.parent === (graph.byId.get(id)?.parent ?? null) && node.id !== id && positions[node.id]);
  const sources = graph.edges.filter((edge) => edge.to === id && positions[edge.from]).flatMap((edge) => rects.get(edge.from) ?? []);
  const near = sources.length > 0 ? sources : siblings.slice(-1).flatMap((node) => rects.get(node.id) ?? []);
  if (id === START) {
    const all = [...rects.values()].filter((rect) => rect.width > 0);
    return { x: Math.min(...all.map((rect) => rect.x)) - PILL.width - STEP_X, y: all[0]?.y ?? 0 };
  }
  const right = near.reduce<Rect | null>((best, rect) => (best && best.x + best.width >= rect.x + rect.width ? best : rect), null);
  if (right) return { x: right.x + right.width + STEP_X, y: right.y };
  const parent = graph.byId.get(id)?.parent;
  const group = parent ? rects.get(parent) : undefined;
  return group ? { x: group.x + GROUP_PADDING.side, y: group.y + GROUP_PADDING.top } : { x: 40, y: 60 };
}

/** The first spot at or below a wanted one where nothing stands. */
export function freeSpot(graph: WorkflowGraph, positions: Readonly<Record<string, Point>>, id: string, wanted: Point): Point {
  const node = graph.byId.get(id);
  const size: Size = node && id !== OUTPUT ? cardSize(graph, node) : PILL;
  const parents = new Set<string>();
  for (let up = node?.parent ?? null; up !== null; up = graph.byId.get(up)?.parent ?? null) parents.add(up);
  const others = [...rectangles(graph, positions)].filter(([other]) => other !== id && !parents.has(other) && (positions[other] ?? graph.byId.get(other)?.children.length)).map(([, rect]) => rect);
  let spot = snapped(wanted);
  for (let round = 0; round < 200; round += 1) {
    const hit = others.find((rect) => spot.x < rect.x + rect.width + 8 && spot.x + size.width + 8 > rect.x && spot.y < rect.y + rect.height + 8 && spot.y + size.height + 8 > rect.y);
    if (!hit) return spot;
    spot = snapped({ x: spot.x, y: hit.y + hit.height + STEP_Y });
  }
  return spot;
}
