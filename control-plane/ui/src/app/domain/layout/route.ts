/** The way of a connection around what stands between its ends. */
import type { Point, Rect } from './layout';

/** Room between a connection and a card. */
const CLEAR = 16;
const STUB = 20;

/**
 * The corners that a connection must pass so that it goes behind no card; none if the plain way is free. A connection
 * leaves to the right and arrives from the left.
 */
export function detour(from: Point, to: Point, cards: readonly Rect[]): Point[] {
  const leave = from.x + STUB;
  const arrive = to.x - STUB;
  const left = Math.min(leave, arrive);
  const right = Math.max(leave, arrive);
  const near = cards.filter((rect) => rect.x < right && rect.x + rect.width > left);
  if (leave <= arrive) {
    const middle = (from.x + to.x) / 2;
    if (near.every((rect) => !hits(rect, from.x, middle, from.y, from.y) && !hits(rect, middle, middle, from.y, to.y) && !hits(rect, middle, to.x, to.y, to.y))) return [];
  }
  const heights = [from.y, to.y, (from.y + to.y) / 2, ...near.flatMap((rect) => [rect.y - CLEAR, rect.y + rect.height + CLEAR])];
  let best: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const y of heights) {
    const length = Math.abs(y - from.y) + Math.abs(y - to.y);
    const free = near.every((rect) => !hits(rect, leave, leave, from.y, y) && !hits(rect, leave, arrive, y, y) && !hits(rect, arrive, arrive, y, to.y));
    if (free && length < least) {
      least = length;
      best = y;
    }
  }
  if (best === null) return [];
  return [
    { x: leave, y: best },
    { x: arrive, y: best },
  ];
}

function hits(rect: Rect, x1: number, x2: number, y1: number, y2: number): boolean {
  return Math.min(x1, x2) < rect.x + rect.width + 4 && Math.max(x1, x2) > rect.x - 4 && Math.min(y1, y2) < rect.y + rect.height + 4 && Math.max(y1, y2) > rect.y - 4;
}
