/** What the canvas draws, from graph and layout. Pure, so that the drawing changes only where these change. */
import { type GraphEdge, type GraphNode, OUTPUT, START, type WorkflowGraph } from '../../domain/workflow/graph';
import { namesOutcomes, outLine, type Point, portLine, type Rect } from '../../domain/layout/layout';
import { detour } from '../../domain/layout/route';
import { type Card, cardOf, pillOf } from '../card';

export interface CardView {
  readonly card: Card;
  readonly at: Point;
  readonly parent: string | null;
  readonly label: string;
}

export interface GroupView {
  readonly id: string;
  readonly card: Card;
  readonly rect: Rect;
  /** Distance from the top to the ports. */
  readonly line: number;
  readonly parent: string | null;
  readonly label: string;
}

export interface EdgeView {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly order: boolean;
  readonly implied: boolean;
  readonly active: boolean;
  readonly corners: readonly Point[];
}

export interface PillView {
  readonly id: string;
  readonly name: string;
  readonly line: string;
  readonly icon: string;
  readonly at: Point;
  readonly start: boolean;
}

const NOWHERE: Point = { x: 0, y: 0 };

function labelOf(card: Card): string {
  const parts = [card.name, card.line, ...card.chips.map((chip) => chip.text)];
  if (card.disabled) parts.push('disabled');
  if (card.problem !== null) parts.push(`wrong: ${card.problem}`);
  return parts.filter((part) => part !== '').join(', ');
}

/** The cards of nodes that contain none. */
export function cardViews(graph: WorkflowGraph, positions: Readonly<Record<string, Point>>, problems: ReadonlyMap<string, string>): CardView[] {
  return graph.nodes
    .filter((node) => node.children.length === 0)
    .map((node) => {
      const card = cardOf(graph, node, problems.get(node.id) ?? null);
      return { card, at: positions[node.id] ?? NOWHERE, parent: node.parent, label: labelOf(card) };
    });
}

/** The frames of nodes that contain others, the outer ones first. */
export function groupViews(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, problems: ReadonlyMap<string, string>): GroupView[] {
  return graph.nodes
    .filter((node) => node.children.length > 0)
    .map((node) => {
      const card = cardOf(graph, node, problems.get(node.id) ?? null);
      return { id: node.id, card, line: portLine(graph, rects, node.id), rect: rects.get(node.id) ?? { ...NOWHERE, width: 216, height: 160 }, parent: node.parent, label: labelOf(card) };
    });
}

/** Start and output. */
export function pillViews(graph: WorkflowGraph, positions: Readonly<Record<string, Point>>): PillView[] {
  return [START, OUTPUT].flatMap((id) => {
    const at = positions[id];
    if (!at || graph.nodes.length === 0 || (id === OUTPUT && graph.output === undefined)) return [];
    return [{ id, at, start: id === START, ...pillOf(id, graph) }];
  });
}

/** The connections: those that nothing implies, and of the selected nodes the others too. */
export function edgeViews(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, selected: ReadonlySet<string>, active: string | null): EdgeView[] {
  const drawn = graph.edges
    .filter((edge) => !edge.implied || selected.has(edge.from) || selected.has(edge.to))
    .map((edge) => ({
      id: edge.id,
      source: sourcePort(graph, edge.from, edge.port),
      target: `in:${edge.to}`,
      order: edge.uses.length === 0 && edge.from !== START && edge.to !== OUTPUT,
      implied: edge.implied,
      active: edge.id === active || selected.has(edge.to) || selected.has(edge.from),
      corners: cornersOf(graph, rects, edge),
    }));
  return [...drawn, ...graph.nodes.flatMap((node) => innerEdges(graph, node, selected))];
}

/** The ways around cards, by edge. They change with the layout only, not with what is selected. */
function cornersOf(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, edge: GraphEdge): readonly Point[] {
  const from = rects.get(edge.from);
  const to = rects.get(edge.to);
  if (!from || !to) return [];
  const node = graph.byId.get(edge.from);
  const line = node?.children.length === 0 ? outLine(graph, node, edge.port) : portLine(graph, rects, edge.from);
  const parent = graph.byId.get(edge.from)?.parent ?? graph.byId.get(edge.to)?.parent ?? null;
  const others: Rect[] = [];
  for (const [id, rect] of rects) {
    if (id !== edge.from && id !== edge.to && (graph.byId.get(id)?.parent ?? null) === parent) others.push(rect);
  }
  return detour({ x: from.x + from.width, y: from.y + line }, { x: to.x, y: to.y + portLine(graph, rects, edge.to) }, [from, to], others);
}

/** A node that names its outcomes is left by one of them only: what reads its value leaves by the first. */
function sourcePort(graph: WorkflowGraph, id: string, port: string): string {
  const node = graph.byId.get(id);
  const shown = port === '' && node && namesOutcomes(node) ? (node.outcomes[0] ?? '') : port;
  return `out:${id}${shown === '' ? '' : `.${shown}`}`;
}

/** From the edge of a container to its first nodes, and from its last ones back. */
function innerEdges(graph: WorkflowGraph, node: GraphNode, selected: ReadonlySet<string>): EdgeView[] {
  const children = new Set(node.children);
  const inside = graph.edges.filter((edge) => children.has(edge.from) && children.has(edge.to));
  const plain = { order: false, implied: false, corners: [] };
  return node.children.flatMap((id) => {
    const views: EdgeView[] = [];
    const active = selected.has(id);
    if (!inside.some((edge) => edge.to === id)) views.push({ id: `${node.id}⇒${id}`, source: `first:${node.id}`, target: `in:${id}`, active, ...plain });
    if (!inside.some((edge) => edge.from === id)) views.push({ id: `${id}⇒${node.id}`, source: sourcePort(graph, id, ''), target: `last:${node.id}`, active, ...plain });
    return views;
  });
}
