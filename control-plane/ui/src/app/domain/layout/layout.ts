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
/** Distance between a card's top and the line its ports stand on. */
export const PORT_LINE = 20;

/** A position on the grid. */
export function snapped(point: Point): Point {
  return { x: Math.round(point.x / GRID) * GRID, y: Math.round(point.y / GRID) * GRID };
}

/** How large a card is. */
export function cardSize(node: GraphNode): Size {
  if (node.kind?.body !== undefined) return { width: NODE_WIDTH + 2 * GROUP_PADDING.side, height: 160 };
  const rows = node.outcomes.length;
  return { width: NODE_WIDTH, height: rows > 0 ? 58 + rows * OUTCOME_ROW : NODE_HEIGHT };
}

/** The rectangle of each node and pill; a container reaches around what it contains. */
export function rectangles(graph: WorkflowGraph, positions: Readonly<Record<string, Point>>): Map<string, Rect> {
  const out = new Map<string, Rect>();
  const place = (node: GraphNode): Rect => {
    const known = out.get(node.id);
    if (known) return known;
    const inside = node.children.flatMap((id) => graph.byId.get(id) ?? []).map(place);
    const at = positions[node.id] ?? { x: 0, y: 0 };
    const rect = inside.length > 0 ? around(inside) : { ...at, ...cardSize(node) };
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
