/**
 * Tidies a graph up: layers from left to right in the order of waiting, rows one below the other where the graph is wider
 * than the view. Ports that are connected stand on one line where there is room. Containers are laid out first and then
 * stand as one.
 */
import { type GraphEdge, OUTPUT, START, type WorkflowGraph } from '../workflow/graph';
import { cardSize, GROUP_PADDING, outLine, PILL, type Point, PORT_LINE, type Size, snapped } from './layout';

const GAP_X = 44;
const GAP_Y = 28;
const ROW_GAP = 60;
/** Room that a connection needs beside a card. */
const CLEAR = 16;
const HIGH = 700;

/** What is laid out: its size, and the distance from its top to the line of its ports. */
interface Box extends Size {
  readonly id: string;
  readonly line: number;
}

interface Laid {
  readonly places: ReadonlyMap<string, Point>;
  readonly size: Size;
  /** Distance from the top to the line of the first node. */
  readonly line: number;
}

/** Places for every node and pill of a graph. `width` is where a row ends. */
export function tidy(graph: WorkflowGraph, width: number): Record<string, Point> {
  const out: Record<string, Point> = {};
  const inner = new Map<string, Laid>();
  const boxOf = (id: string): Box => {
    const node = graph.byId.get(id);
    if (!node) return { id, ...PILL, line: PORT_LINE };
    if (node.children.length === 0) return { id, ...cardSize(graph, node), line: PORT_LINE };
    const laid = inner.get(id) ?? level(graph, id, boxOf, Number.POSITIVE_INFINITY);
    inner.set(id, laid);
    return { id, width: laid.size.width + 2 * GROUP_PADDING.side, height: laid.size.height + GROUP_PADDING.top + GROUP_PADDING.bottom, line: GROUP_PADDING.top + laid.line };
  };
  const settle = (laid: Laid, origin: Point): void => {
    for (const [id, at] of laid.places) {
      const place = { x: origin.x + at.x, y: origin.y + at.y };
      const own = inner.get(id);
      if (own) settle(own, { x: place.x + GROUP_PADDING.side, y: place.y + GROUP_PADDING.top });
      else out[id] = snapped(place);
    }
  };
  settle(level(graph, null, boxOf, Math.max(width, 600)), { x: 40, y: 60 });
  return out;
}

/** Places of the nodes of one body, from 0, 0. */
function level(graph: WorkflowGraph, parent: string | null, boxOf: (id: string) => Box, limit: number): Laid {
  const ids = graph.nodes.filter((node) => node.parent === parent).map((node) => node.id);
  if (parent === null && ids.length > 0) {
    ids.unshift(START);
    if (graph.output !== undefined) ids.push(OUTPUT);
  }
  const members = new Set(ids);
  const edges = graph.edges.filter((edge) => members.has(edge.from) && members.has(edge.to));
  const layerOf = assignLayers(ids, edges);
  const layers: Box[][] = [];
  for (const id of ids) (layers[layerOf.get(id) ?? 0] ??= []).push(boxOf(id));
  // Rows are for long thin graphs: one that is high already goes on to the right.
  const high = Math.max(0, ...layers.map((layer) => layer.reduce((sum, box) => sum + box.height + GAP_Y, 0)));
  return arrange(graph, orderLayers(layers, edges), edges, high > HIGH ? Number.POSITIVE_INFINITY : limit);
}

/** The longest way from a start; what waits in a circle stays where it was met first. */
function assignLayers(ids: readonly string[], edges: readonly GraphEdge[]): Map<string, number> {
  const incoming = grouped(edges, (edge) => edge.to);
  const done = new Map<string, number>();
  const visit = (id: string, open: Set<string>): number => {
    const known = done.get(id);
    if (known !== undefined) return known;
    if (open.has(id)) return -1;
    open.add(id);
    const layer = Math.max(-1, ...(incoming.get(id) ?? []).map((edge) => visit(edge.from, open))) + 1;
    open.delete(id);
    done.set(id, layer);
    return layer;
  };
  // In the order of the file, so that a long chain is not walked down in one go.
  for (const id of ids) visit(id, new Set());
  return done;
}

/** Orders each layer by where its neighbours stand, to and fro a few times. */
function orderLayers(layers: readonly Box[][], edges: readonly GraphEdge[]): Box[][] {
  const after = grouped(edges, (edge) => edge.from);
  const before = grouped(edges, (edge) => edge.to);
  let ordered = layers.map((layer) => [...layer]);
  for (let round = 0; round < 4; round += 1) {
    const slot = new Map<string, number>();
    for (const layer of ordered) layer.forEach((box, index) => slot.set(box.id, (index + 0.5) / layer.length));
    const weight = (box: Box): number => {
      const near = [...(before.get(box.id) ?? []).map((edge) => edge.from), ...(after.get(box.id) ?? []).map((edge) => edge.to)].flatMap((id) => slot.get(id) ?? []);
      return near.length === 0 ? (slot.get(box.id) ?? 0) : near.reduce((sum, value) => sum + value, 0) / near.length;
    };
    ordered = ordered.map((layer) => [...layer].sort((a, b) => weight(a) - weight(b)));
  }
  return ordered;
}

/** Layers side by side, in rows. */
function arrange(graph: WorkflowGraph, layers: readonly Box[][], edges: readonly GraphEdge[], limit: number): Laid {
  const before = grouped(edges.filter((edge) => !edge.implied), (edge) => edge.to);
  const boxes = new Map(layers.flat().map((box) => [box.id, box]));
  const places = new Map<string, Point>();
  let width = 0;
  let bottom = 0;
  let line = 0;
  let firstLine = 0;
  rowsOf(layers, limit).forEach((row, index) => {
    const placed = placeRow(graph, row, before, boxes);
    const top = Math.min(...[...placed.values()].map((at) => at.y));
    const below = Math.max(...[...placed].map(([id, at]) => at.y + (boxes.get(id)?.height ?? 0)));
    // The way back to the next row runs halfway between the lines of the two: it must pass below one and above the other.
    const next = index === 0 ? -top : Math.max(bottom + ROW_GAP - top, 2 * (bottom + CLEAR) - line, line + 2 * (CLEAR - top));
    for (const [id, at] of placed) {
      places.set(id, { x: at.x, y: at.y + next });
      width = Math.max(width, at.x + (boxes.get(id)?.width ?? 0));
    }
    if (index === 0) firstLine = next;
    line = next;
    bottom = next + below;
  });
  return { places, size: { width, height: bottom }, line: firstLine };
}

function rowsOf(layers: readonly Box[][], limit: number): Box[][][] {
  const rows: Box[][][] = [];
  let x = 0;
  for (const layer of layers) {
    const wide = Math.max(...layer.map((box) => box.width));
    const row = rows.at(-1);
    if (!row || x + wide > limit) {
      rows.push([layer]);
      x = 0;
    } else {
      row.push(layer);
    }
    x += wide + GAP_X;
  }
  return rows;
}

/** One row; the line of its first node is at 0. */
function placeRow(graph: WorkflowGraph, row: readonly Box[][], before: ReadonlyMap<string, readonly GraphEdge[]>, boxes: ReadonlyMap<string, Box>): Map<string, Point> {
  const placed = new Map<string, Point>();
  let x = 0;
  for (const layer of row) {
    let free = Number.NEGATIVE_INFINITY;
    for (const box of layer) {
      const source = (before.get(box.id) ?? []).find((edge) => placed.has(edge.from));
      const at = source ? placed.get(source.from) : undefined;
      const line = source && at ? at.y + lineOut(graph, boxes, source) : 0;
      const y = Math.max(line - box.line, free);
      placed.set(box.id, { x, y });
      free = y + box.height + GAP_Y;
    }
    x += Math.max(...layer.map((box) => box.width)) + GAP_X;
  }
  return placed;
}

function lineOut(graph: WorkflowGraph, boxes: ReadonlyMap<string, Box>, edge: GraphEdge): number {
  const node = graph.byId.get(edge.from);
  if (!node || node.children.length > 0) return boxes.get(edge.from)?.line ?? PORT_LINE;
  return outLine(graph, node, edge.port);
}

function grouped(edges: readonly GraphEdge[], key: (edge: GraphEdge) => string): Map<string, GraphEdge[]> {
  const out = new Map<string, GraphEdge[]>();
  for (const edge of edges) {
    const list = out.get(key(edge));
    if (list) list.push(edge);
    else out.set(key(edge), [edge]);
  }
  return out;
}
