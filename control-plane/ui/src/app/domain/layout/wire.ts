/**
 * Connections as lines: who is connected with whom, and the way of each as the path of a drawing.
 *
 * Which wires there are follows from the graph alone; their ways follow from where the cards stand. Nothing here measures
 * what is drawn, so that a way is known before its cards are.
 */
import { type GraphEdge, type GraphNode, OUTPUT, START, type WorkflowGraph } from '../workflow/graph';
import { namesOutcomes, outLine, type Point, portLine, type Rect } from './layout';
import { detour } from './route';

/** How far a connection goes straight before it turns. */
const STUB = 16;
const RADIUS = 10;

/** A connection between two nodes, or between the edge of a container and what it contains. */
export interface Wire {
  readonly id: string;
  readonly from: string;
  /** The outcome by which it leaves; empty: the node as a whole. */
  readonly port: string;
  readonly to: string;
  /** Into a container from its own edge, or out of it to that edge. */
  readonly inner: 'in' | 'out' | null;
  /** Whether only the order counts, and no value goes along. */
  readonly order: boolean;
  /** Whether others say the same already. */
  readonly implied: boolean;
}

/** A way that is drawn, and the room it takes. */
export interface Way {
  readonly path: string;
  readonly corners: readonly Point[];
  readonly box: Rect;
}

/** The wires of a graph. */
export function wiresOf(graph: WorkflowGraph): Wire[] {
  const inside = new Map<string | null, GraphEdge[]>();
  for (const edge of graph.edges) {
    const parent = graph.byId.get(edge.from)?.parent ?? null;
    const list = inside.get(parent);
    if (list) list.push(edge);
    else inside.set(parent, [edge]);
  }
  const between = graph.edges.map((edge): Wire => {
    const node = graph.byId.get(edge.from);
    // A node that names its outcomes is left by one of them only: what reads its value leaves by the first.
    const port = edge.port === '' && node && namesOutcomes(node) ? (node.outcomes[0] ?? '') : edge.port;
    return { id: edge.id, from: edge.from, port, to: edge.to, inner: null, order: edge.uses.length === 0 && edge.from !== START && edge.to !== OUTPUT, implied: edge.implied };
  });
  return [...between, ...graph.nodes.flatMap((node) => innerWires(node, graph, inside.get(node.id) ?? []))];
}

/** From the edge of a container to its first nodes, and from its last ones back. */
function innerWires(node: GraphNode, graph: WorkflowGraph, edges: readonly GraphEdge[]): Wire[] {
  return node.children.flatMap((id) => {
    const child = graph.byId.get(id);
    const port = child && namesOutcomes(child) ? (child.outcomes[0] ?? '') : '';
    const wires: Wire[] = [];
    const plain = { order: false, implied: false };
    if (!edges.some((edge) => edge.to === id)) wires.push({ id: `${node.id}⇒${id}`, from: node.id, port: '', to: id, inner: 'in', ...plain });
    if (!edges.some((edge) => edge.from === id)) wires.push({ id: `${id}⇒${node.id}`, from: id, port, to: node.id, inner: 'out', ...plain });
    return wires;
  });
}

/** The ways of wires over one arrangement of cards. Each is worked out when it is first asked for. */
export class Ways {
  private readonly known = new Map<string, Way | null>();
  private readonly beside = new Map<string | null, (Rect & { readonly id: string })[]>();

  constructor(private readonly graph: WorkflowGraph, private readonly rects: ReadonlyMap<string, Rect>) {
    for (const [id, rect] of rects) {
      const parent = graph.byId.get(id)?.parent ?? null;
      const list = this.beside.get(parent);
      const entry = { id, ...rect };
      if (list) list.push(entry);
      else this.beside.set(parent, [entry]);
    }
  }

  /** The way of a wire; null if one of its ends stands nowhere. */
  of(wire: Wire): Way | null {
    const known = this.known.get(wire.id);
    if (known !== undefined) return known;
    const way = this.make(wire);
    this.known.set(wire.id, way);
    return way;
  }

  private make(wire: Wire): Way | null {
    const { graph, rects } = this;
    const start = rects.get(wire.from);
    const end = rects.get(wire.to);
    if (!start || !end) return null;
    const source = graph.byId.get(wire.from);
    const leaves = source?.children.length === 0 ? outLine(graph, source, wire.port) : portLine(graph, rects, wire.from);
    const from = { x: wire.inner === 'in' ? start.x : start.x + start.width, y: start.y + leaves };
    const to = { x: wire.inner === 'out' ? end.x + end.width : end.x, y: end.y + portLine(graph, rects, wire.to) };
    return wayThrough(cornersBetween(from, to, wire.inner === null ? this.around(wire, from, to, start, end) : []));
  }

  private around(wire: Wire, from: Point, to: Point, start: Rect, end: Rect): readonly Point[] {
    const parent = this.graph.byId.get(wire.from)?.parent ?? this.graph.byId.get(wire.to)?.parent ?? null;
    const others = (this.beside.get(parent) ?? []).filter((rect) => rect.id !== wire.from && rect.id !== wire.to);
    return detour(from, to, [start, end], others);
  }
}

/** All corners of a way in right angles, its ends included; `given` are those that it must pass. */
export function cornersBetween(from: Point, to: Point, given: readonly Point[]): Point[] {
  const [first] = given;
  const last = given.at(-1);
  if (first && last) return [from, { x: first.x, y: from.y }, ...given, { x: last.x, y: to.y }, to];
  const middle = (from.x + to.x) / 2;
  if (from.x + 2 * STUB <= to.x) return [from, { x: middle, y: from.y }, { x: middle, y: to.y }, to];
  if (to.x >= from.x && Math.abs(to.y - from.y) < 1) return [from, to];
  const half = (from.y + to.y) / 2;
  return [from, { x: from.x + STUB, y: from.y }, { x: from.x + STUB, y: half }, { x: to.x - STUB, y: half }, { x: to.x - STUB, y: to.y }, to];
}

/** The path through corners, which are rounded as far as there is room. */
export function wayThrough(corners: readonly Point[]): Way {
  const points = corners.filter((point, index) => index === 0 || point.x !== corners[index - 1]?.x || point.y !== corners[index - 1]?.y);
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  const parts = points.map((point, index) => {
    const before = points[index - 1];
    const after = points[index + 1];
    if (!before) return `M${at(point)}`;
    if (!after) return `L${at(point)}`;
    const room = Math.min(RADIUS, distance(before, point) / 2, distance(point, after) / 2);
    return `L${at(towards(point, before, room))}Q${at(point)} ${at(towards(point, after, room))}`;
  });
  return { path: parts.join(''), corners: points, box: { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y } };
}

/** How far a point is from a way; infinity where it is farther than `most` from the room the way takes. */
export function distanceTo(way: Way, point: Point, most: number): number {
  const { x, y, width, height } = way.box;
  if (point.x < x - most || point.x > x + width + most || point.y < y - most || point.y > y + height + most) return Number.POSITIVE_INFINITY;
  let least = Number.POSITIVE_INFINITY;
  way.corners.forEach((corner, index) => {
    const before = way.corners[index - 1];
    if (before) least = Math.min(least, distance(point, { x: between(point.x, before.x, corner.x), y: between(point.y, before.y, corner.y) }));
  });
  return least;
}

function between(value: number, a: number, b: number): number {
  return Math.min(Math.max(value, Math.min(a, b)), Math.max(a, b));
}

function at(point: Point): string {
  return `${String(Math.round(point.x * 10) / 10)} ${String(Math.round(point.y * 10) / 10)}`;
}

function distance(a: Point, b: Point): number {
  return Math.abs(a.x - b.x) + Math.abs(a.y - b.y);
}

/** The point so far from one towards another that stands straight beside it. */
function towards(from: Point, to: Point, length: number): Point {
  return { x: from.x + Math.sign(to.x - from.x) * length, y: from.y + Math.sign(to.y - from.y) * length };
}
