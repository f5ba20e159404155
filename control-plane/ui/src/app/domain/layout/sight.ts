/** What of a large graph is in sight, and how much of a card can be seen at a scale. */
import type { Point, Rect } from './layout';

/** `small` is a tile, `middle` has names, `full` has everything. */
export type Detail = 'small' | 'middle' | 'full';

/** The least scale of each. */
const FULL = 0.75;
const MIDDLE = 0.4;
/** Screen pixels around the view that are drawn as well, and how near to their edge the view comes before more is drawn. */
const MARGIN = 320;
const NEAR = 120;

/** How the graph lies under the view: a point times the scale, plus the shift. */
export interface Camera {
  readonly scale: number;
  readonly shift: Point;
}

/** How much of a card can be seen. */
export function detailAt(scale: number): Detail {
  return scale >= FULL ? 'full' : scale >= MIDDLE ? 'middle' : 'small';
}

/** The part of the graph that a view shows. */
export function seen(camera: Camera, width: number, height: number): Rect {
  return { x: -camera.shift.x / camera.scale, y: -camera.shift.y / camera.scale, width: width / camera.scale, height: height / camera.scale };
}

/**
 * The part of the graph that is drawn: what the view shows, and some more. The known part stays as long as it is wide
 * enough, so that most movements draw nothing anew.
 */
export function drawnPart(view: Rect, scale: number, known: Rect | null): Rect {
  const wanted = grown(view, MARGIN / scale);
  const enough = known !== null && holds(known, grown(view, NEAR / scale)) && known.width < 2 * wanted.width && known.height < 2 * wanted.height;
  return enough ? known : wanted;
}

/** Whether two rectangles have a point in common. */
export function touches(a: Rect, b: Rect): boolean {
  return a.x <= b.x + b.width && b.x <= a.x + a.width && a.y <= b.y + b.height && b.y <= a.y + a.height;
}

/** The rectangle around others; null around none. */
export function boundsOf(rects: Iterable<Rect>): Rect | null {
  let [left, top, right, bottom] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const rect of rects) {
    left = Math.min(left, rect.x);
    top = Math.min(top, rect.y);
    right = Math.max(right, rect.x + rect.width);
    bottom = Math.max(bottom, rect.y + rect.height);
  }
  return left > right ? null : { x: left, y: top, width: right - left, height: bottom - top };
}

function holds(outer: Rect, inner: Rect): boolean {
  return outer.x <= inner.x && outer.y <= inner.y && outer.x + outer.width >= inner.x + inner.width && outer.y + outer.height >= inner.y + inner.height;
}

function grown(rect: Rect, by: number): Rect {
  return { x: rect.x - by, y: rect.y - by, width: rect.width + 2 * by, height: rect.height + 2 * by };
}
