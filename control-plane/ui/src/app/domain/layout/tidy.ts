/**
 * Tidies a graph up: layers from left to right in the order of waiting, rows one below the other where the graph is wider
 * than the view. Containers are laid out first and then stand as one.
 */
import { type GraphEdge, OUTPUT, START, type WorkflowGraph } from '../workflow/graph';
import { cardSize, GROUP_PADDING, PILL, type Point, type Size, snapped } from './layout';

const GAP_X = 44;
const GAP_Y = 28;
const ROW_GAP = 84;

interface Box {
  readonly id: string;
  readonly size: Size;
  layer: number;
}

/** Places for every node and pill of a graph. `width` is where a row ends. */
export function tidy(graph: WorkflowGraph, width: number): Record<string, Point> {
  const out: Record<string, Point> = {};
  const sizeOf = (id: string): Size => {
    const node = graph.byId.get(id);
    if (!node) return PILL;
    if (node.children.length === 0) return cardSize(node);
    const inner = level(graph, id, sizeOf, Number.POSITIVE_INFINITY);
    return { width: inner.size.width + 2 * GROUP_PADDING.side, height: inner.size.height + GROUP_PADDING.top + GROUP_PADDING.bottom };
  };
  const settle = (parent: string | null, origin: Point, limit: number): void => {
    const inner = level(graph, parent, sizeOf, limit);
    for (const [id, at] of inner.places) {
      const place = { x: origin.x + at.x, y: origin.y + at.y };
      if ((graph.byId.get(id)?.children.length ?? 0) > 0) settle(id, { x: place.x + GROUP_PADDING.side, y: place.y + GROUP_PADDING.top }, Number.POSITIVE_INFINITY);
      else out[id] = snapped(place);
    }
  };
  settle(null, { x: 40, y: 60 }, Math.max(width, 600));
  return out;
}

/** Places of the nodes of one body, from 0, 0. */
function level(graph: WorkflowGraph, parent: string | null, sizeOf: (id: string) => Size, limit: number): { places: Map<string, Point>; size: Size } {
  const ids = graph.nodes.filter((node) => node.parent === parent).map((node) => node.id);
  if (parent === null && ids.length > 0) {
    ids.unshift(START);
    if (graph.output !== undefined) ids.push(OUTPUT);
  }
  const members = new Set(ids);
  const edges = graph.edges.filter((edge) => members.has(edge.from) && members.has(edge.to));
  const boxes = new Map(ids.map((id) => [id, { id, size: sizeOf(id), layer: 0 }]));
  assignLayers(ids, edges, boxes);
  const layers: Box[][] = [];
  for (const box of boxes.values()) (layers[box.layer] ??= []).push(box);
  const order = orderLayers(layers, edges);
  return arrange(order, edges, limit);
}

/** The longest way from a start; what waits in a circle stays where it was met first. */
function assignLayers(ids: readonly string[], edges: readonly GraphEdge[], boxes: ReadonlyMap<string, Box>): void {
  const incoming = new Map<string, string[]>();
  for (const edge of edges) incoming.set(edge.to, [...(incoming.get(edge.to) ?? []), edge.from]);
  const done = new Map<string, number>();
  const visit = (id: string, open: ReadonlySet<string>): number => {
    const known = done.get(id);
    if (known !== undefined) return known;
    if (open.has(id)) return -1;
    const inside = new Set(open).add(id);
    const layer = Math.max(-1, ...(incoming.get(id) ?? []).map((from) => visit(from, inside))) + 1;
    done.set(id, layer);
    return layer;
  };
  // In the order of the file, so that a long chain is not walked down in one go.
  for (const id of ids) {
    const box = boxes.get(id);
    if (box) box.layer = visit(id, new Set());
  }
}

/** Orders each layer by where its neighbours stand, to and fro a few times. */
function orderLayers(layers: readonly Box[][], edges: readonly GraphEdge[]): Box[][] {
  const neighbours = new Map<string, string[]>();
  for (const { from, to } of edges) {
    neighbours.set(from, [...(neighbours.get(from) ?? []), to]);
    neighbours.set(to, [...(neighbours.get(to) ?? []), from]);
  }
  let ordered = layers.map((layer) => [...layer]);
  for (let round = 0; round < 4; round += 1) {
    const slot = new Map<string, number>();
    const count = (): void => {
      ordered.forEach((layer) => {
        layer.forEach((box, index) => slot.set(box.id, (index + 0.5) / layer.length));
      });
    };
    count();
    const weight = (box: Box): number => {
      const near = (neighbours.get(box.id) ?? []).flatMap((id) => slot.get(id) ?? []);
      return near.length === 0 ? (slot.get(box.id) ?? 0) : near.reduce((sum, value) => sum + value, 0) / near.length;
    };
    ordered = ordered.map((layer) => [...layer].sort((a, b) => weight(a) - weight(b)));
  }
  return ordered;
}

function arrange(layers: readonly Box[][], edges: readonly GraphEdge[], limit: number): { places: Map<string, Point>; size: Size } {
  const places = new Map<string, Point>();
  const before = new Map<string, string[]>();
  for (const edge of edges) if (!edge.implied) before.set(edge.to, [...(before.get(edge.to) ?? []), edge.from]);
  let x = 0;
  let top = 0;
  let rowHeight = 0;
  let width = 0;
  let rowStart = true;
  for (const layer of layers) {
    const wide = Math.max(...layer.map((box) => box.size.width));
    if (!rowStart && x + wide > limit) {
      x = 0;
      top += rowHeight + ROW_GAP;
      rowHeight = 0;
      rowStart = true;
    }
    let y = top;
    layer.forEach((box, index) => {
      const source = (before.get(box.id) ?? []).flatMap((id) => places.get(id) ?? []).filter((at) => at.y >= top);
      const wanted = index === 0 && source.length === 1 && layer.length === 1 && !rowStart ? (source[0]?.y ?? y) : y;
      const at = Math.max(y, wanted);
      places.set(box.id, { x, y: at });
      y = at + box.size.height + GAP_Y;
    });
    rowHeight = Math.max(rowHeight, y - GAP_Y - top);
    width = Math.max(width, x + wide);
    x += wide + GAP_X;
    rowStart = false;
  }
  return { places, size: { width, height: top + rowHeight } };
}
