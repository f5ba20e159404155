/**
 * Where nodes and notes stand. A document of its own beside the text, outside of what is signed.
 *
 * Invariant: nothing moves that nobody moved. A node without a place gets one beside what it waits for.
 */
import { OUTPUT, START, type WorkflowGraph } from '../workflow/graph';
import type { GraphNode } from '../workflow/graph';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rect extends Point, Size {}

/** A piece of paper on the canvas. */
export interface Note extends Rect {
  readonly id: string;
  readonly text: string;
}

/** Places of nodes by their id, and notes. */
export interface Layout {
  readonly positions: Readonly<Record<string, Point>>;
  readonly notes: readonly Note[];
}

export const EMPTY_LAYOUT: Layout = { positions: {}, notes: [] };

/** The grid that nodes snap to. */
export const GRID = 4;
export const NODE_WIDTH = 176;
export const PILL: Size = { width: 104, height: 44 };
/** Room around the nodes of a container. */
export const GROUP_PADDING = { top: 52, side: 20, bottom: 20 } as const;
const NODE_HEIGHT = 88;
const OUTCOME_ROW = 24;
const FIRST_OUTCOME = 72;
const CHIP_ROW = 24;
/** How many chips a card shows; the rest is a number. */
export const CHIPS_SHOWN = 2;
/** Distance between a card's top and the line its ports stand on. */
export const PORT_LINE = 20;

/** A position on the grid. */
export function snapped(point: Point): Point {
  return { x: Math.round(point.x / GRID) * GRID, y: Math.round(point.y / GRID) * GRID };
}

/** The outcomes that a card has a row for: those that the author named, a failure that is not the end, and of the others those that something waits for. */
export function shownOutcomes(graph: WorkflowGraph, node: GraphNode): readonly string[] {
  if (namesOutcomes(node)) return node.outcomes;
  return node.outcomes.filter((outcome) => outcome === 'failed' || graph.edges.some((edge) => edge.from === node.id && edge.port === outcome));
}

/** Whether the outcomes are the author's own, so that the node is left by one of them only. */
export function namesOutcomes(node: GraphNode): boolean {
  return node.kind?.branches === true;
}

/** How large a card is. */
export function cardSize(graph: WorkflowGraph, node: GraphNode): Size {
  if (node.kind?.body !== undefined) return { width: NODE_WIDTH + 2 * GROUP_PADDING.side, height: 160 };
  const rows = shownOutcomes(graph, node).length;
  const chips = Math.min(node.destinations.length + node.secrets.length, CHIPS_SHOWN);
  return { width: NODE_WIDTH, height: rows > 0 ? FIRST_OUTCOME - OUTCOME_ROW / 2 + rows * OUTCOME_ROW : NODE_HEIGHT + Math.max(0, chips - 1) * CHIP_ROW };
}

/** Distance from a card's top to the port of an outcome; of the node as a whole, where the outcome is empty. */
export function outLine(graph: WorkflowGraph, node: GraphNode, outcome: string): number {
  const shown = shownOutcomes(graph, node);
  const index = outcome === '' && namesOutcomes(node) ? 0 : shown.indexOf(outcome);
  return index < 0 ? PORT_LINE : FIRST_OUTCOME + index * OUTCOME_ROW;
}

/** Distance from a node's top to the line of its ports; those of a container stand on the line of its first node. */
export function portLine(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, id: string): number {
  const first = graph.byId.get(id)?.children[0];
  const own = rects.get(id);
  const inner = first === undefined ? undefined : rects.get(first);
  return first !== undefined && own && inner ? inner.y - own.y + portLine(graph, rects, first) : PORT_LINE;
}

/** The rectangle of each node and pill; a container reaches around what it contains. */
export function rectangles(graph: WorkflowGraph, positions: Readonly<Record<string, Point>>): Map<string, Rect> {
  const out = new Map<string, Rect>();
  const place = (node: GraphNode): Rect => {
    const known = out.get(node.id);
    if (known) return known;
    const inside = node.children.flatMap((id) => graph.byId.get(id) ?? []).map(place);
    const at = positions[node.id] ?? { x: 0, y: 0 };
    const rect = inside.length > 0 ? around(inside) : { ...at, ...cardSize(graph, node) };
    out.set(node.id, rect);
    return rect;
  };
  graph.nodes.forEach(place);
  for (const id of [START, OUTPUT]) {
    const at = positions[id];
    if (at) out.set(id, { ...at, ...PILL });
  }
  return out;
}

function around(inside: readonly Rect[]): Rect {
  const x = Math.min(...inside.map((rect) => rect.x)) - GROUP_PADDING.side;
  const y = Math.min(...inside.map((rect) => rect.y)) - GROUP_PADDING.top;
  const right = Math.max(...inside.map((rect) => rect.x + rect.width)) + GROUP_PADDING.side;
  const bottom = Math.max(...inside.map((rect) => rect.y + rect.height)) + GROUP_PADDING.bottom;
  return { x, y, width: right - x, height: bottom - y };
}

/** The nodes that are moved when this one is: itself, or all that it contains. */
export function movedWith(graph: WorkflowGraph, id: string): string[] {
  const node = graph.byId.get(id);
  if (!node || node.children.length === 0) return [id];
  return node.children.flatMap((child) => movedWith(graph, child));
}

/** The ids that have places of their own: every node that contains none, and the pills. */
export function placedIds(graph: WorkflowGraph): string[] {
  const pills = graph.nodes.length === 0 ? [] : graph.output === undefined ? [START] : [START, OUTPUT];
  return [...graph.nodes.filter((node) => node.children.length === 0).map((node) => node.id), ...pills];
}
