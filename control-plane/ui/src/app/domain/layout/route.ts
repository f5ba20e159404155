/** The way of a connection around what stands between its ends. */
import type { Point, Rect } from './layout';

/** Room between a connection and a card. */
const CLEAR = 16;
const STUB = 20;
/** How much longer the way below may be. */
const ABOVE = 80;

/**
 * The corners that a connection must pass so that it goes behind no card; none if the plain way is free. A connection
 * leaves its card to the right and arrives from the left. Below is better than above: there is the room between rows.
 */
export function detour(from: Point, to: Point, ends: readonly Rect[], others: readonly Rect[]): Point[] {
  const leave = from.x + STUB;
  const arrive = to.x - STUB;
  const left = Math.min(leave, arrive);
  const right = Math.max(leave, arrive);
  if (to.x > from.x && leave > arrive) return [];
  const near = others.filter((rect) => rect.x < right + CLEAR && rect.x + rect.width > left - CLEAR);
  if (leave <= arrive) {
    const middle = (from.x + to.x) / 2;
    if (near.every((rect) => !hits(rect, from.x, middle, from.y, from.y) && !hits(rect, middle, middle, from.y, to.y) && !hits(rect, middle, to.x, to.y, to.y))) return [];
  }
  const all = [...near, ...ends];
  const heights = [(from.y + to.y) / 2, from.y, to.y, ...all.flatMap((rect) => [rect.y + rect.height + CLEAR, rect.y - CLEAR])];
  let best: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const y of heights) {
    const above = y < Math.min(from.y, to.y) ? ABOVE : 0;
    const length = Math.abs(y - from.y) + Math.abs(y - to.y) + above;
    if (length >= least) continue;
    const free = all.every((rect) => !hits(rect, leave, arrive, y, y)) && near.every((rect) => !hits(rect, leave, leave, from.y, y) && !hits(rect, arrive, arrive, y, to.y));
    if (free) {
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
