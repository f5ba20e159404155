/**
 * What the canvas draws, from graph and layout: of a large graph the part in sight, and at a small scale no more of a card
 * than can be seen. Pure, so that the drawing changes only where these change.
 */
import { OUTPUT, START, type WorkflowGraph } from '../../domain/workflow/graph';
import { movedWith, type Point, portLine, type Rect } from '../../domain/layout/layout';
import { touches } from '../../domain/layout/sight';
import { distanceTo, type Ways, type Wire } from '../../domain/layout/wire';
import { type Card, cardOf, pillOf } from '../card';

export interface CardView {
  readonly id: string;
  readonly card: Card;
  readonly at: Point;
  readonly height: number;
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

/** A connection that stands out: it is selected, or leads to or from what is. */
export interface EdgeView {
  readonly id: string;
  readonly path: string;
  readonly order: boolean;
  readonly implied: boolean;
}

/** The connections in sight: those that do not stand out as one path for each look. */
export interface EdgeViews {
  readonly plain: string;
  readonly order: string;
  readonly active: readonly EdgeView[];
}

/** Cards that are too small for words, as one path for each look. */
export interface TileView {
  readonly look: string;
  readonly path: string;
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

/** The cards of a graph. Each is made when it is first drawn and then stays the same. */
export class CardBook {
  private readonly known = new Map<string, { readonly card: Card; readonly label: string }>();

  constructor(private readonly graph: WorkflowGraph, private readonly problems: ReadonlyMap<string, string>) {}

  of(id: string): { readonly card: Card; readonly label: string } | null {
    const known = this.known.get(id);
    if (known) return known;
    const node = this.graph.byId.get(id);
    if (!node) return null;
    const card = cardOf(this.graph, node, this.problems.get(id) ?? null);
    const made = { card, label: labelOf(card) };
    this.known.set(id, made);
    return made;
  }
}

function labelOf(card: Card): string {
  const parts = [card.name, card.line, ...card.chips.map((chip) => chip.text)];
  if (card.disabled) parts.push('disabled');
  if (card.problem !== null) parts.push(`wrong: ${card.problem}`);
  return parts.filter((part) => part !== '').join(', ');
}

/**
 * The ids of what has an element of its own: what touches the part in sight, and what is selected or under the pointer with
 * all that it contains, because that is what a drag moves. From far only frames and these; the others are tiles.
 */
export function drawnIds(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, part: Rect | null, far: boolean, selection: readonly string[]): Set<string> {
  const drawn = new Set<string>();
  if (part === null) return drawn;
  for (const [id, rect] of rects) if (touches(rect, part) && (!far || graph.byId.get(id)?.children.length !== 0)) drawn.add(id);
  for (const id of selection) {
    drawn.add(id);
    for (const inner of movedWith(graph, id)) drawn.add(inner);
  }
  return drawn;
}

/** The cards of nodes that contain none. */
export function cardViews(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, positions: Readonly<Record<string, Point>>, drawn: ReadonlySet<string>, book: CardBook): CardView[] {
  return graph.nodes.flatMap((node) => {
    const made = node.children.length === 0 && drawn.has(node.id) ? book.of(node.id) : null;
    return made === null ? [] : [{ id: node.id, ...made, at: positions[node.id] ?? NOWHERE, height: rects.get(node.id)?.height ?? 0, parent: node.parent }];
  });
}

/** The frames of nodes that contain others, the outer ones first. */
export function groupViews(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, drawn: ReadonlySet<string>, book: CardBook): GroupView[] {
  return graph.nodes.flatMap((node) => {
    const made = node.children.length > 0 && drawn.has(node.id) ? book.of(node.id) : null;
    return made === null ? [] : [{ id: node.id, ...made, line: portLine(graph, rects, node.id), rect: rects.get(node.id) ?? { ...NOWHERE, width: 216, height: 160 }, parent: node.parent }];
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

/** The connections in sight: those that nothing implies, and of the selected nodes the others too. */
export function edgeViews(wires: readonly Wire[], ways: Ways, part: Rect | null, selected: ReadonlySet<string>, active: string | null): EdgeViews {
  const paths: Record<'plain' | 'order', string[]> = { plain: [], order: [] };
  const standing: EdgeView[] = [];
  for (const wire of part === null ? [] : wires) {
    const near = selected.has(wire.from) || selected.has(wire.to) || wire.id === active;
    if (wire.implied && !near) continue;
    const way = ways.of(wire);
    if (way === null || (part !== null && !near && !touches(way.box, part))) continue;
    if (near) standing.push({ id: wire.id, path: way.path, order: wire.order, implied: wire.implied });
    else paths[wire.order ? 'order' : 'plain'].push(way.path);
  }
  return { plain: paths.plain.join(''), order: paths.order.join(''), active: standing };
}

/** Tiles for the cards in sight, by their look. `lookOf` gives the classes of a card. */
export function tileViews(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, part: Rect | null, lookOf: (id: string) => string): TileView[] {
  const looks = new Map<string, string[]>();
  for (const [id, rect] of part === null ? [] : rects) {
    const node = graph.byId.get(id);
    if ((node && node.children.length > 0) || (part !== null && !touches(rect, part))) continue;
    const look = node ? lookOf(id) : 'node';
    const path = `M${String(rect.x)} ${String(rect.y)}h${String(rect.width)}v${String(rect.height)}h${String(-rect.width)}z`;
    const list = looks.get(look);
    if (list) list.push(path);
    else looks.set(look, [path]);
  }
  return [...looks].map(([look, paths]) => ({ look, path: paths.join('') }));
}

/** The innermost node at a point of the graph; null if none stands there. */
export function nodeAt(graph: WorkflowGraph, rects: ReadonlyMap<string, Rect>, at: Point): string | null {
  let found: string | null = null;
  for (const [id, rect] of rects) {
    const inside = at.x >= rect.x && at.x <= rect.x + rect.width && at.y >= rect.y && at.y <= rect.y + rect.height;
    if (inside && (found === null || graph.byId.get(found)?.children.length !== 0)) found = id;
  }
  return found;
}

/** The connection nearest to a point, if one is near. */
export function wireAt(wires: readonly Wire[], ways: Ways, at: Point, most: number): string | null {
  let found: string | null = null;
  let least = most;
  for (const wire of wires) {
    const way = wire.implied ? null : ways.of(wire);
    const far = way === null ? most : distanceTo(way, at, most);
    if (far < least) [found, least] = [wire.id, far];
  }
  return found;
}
