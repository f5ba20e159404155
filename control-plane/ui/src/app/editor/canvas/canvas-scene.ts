import { computed, inject, Injectable, signal } from '@angular/core';

import type { Point, Rect } from '../../domain/layout/layout';
import { boundsOf, type Camera, type Detail, detailAt, drawnPart, seen, touches } from '../../domain/layout/sight';
import { Ways, wiresOf } from '../../domain/layout/wire';
import { EditorStore } from '../../state/editor-store';
import { CardBook, cardViews, drawnIds, edgeViews, groupViews, nodeAt, pillViews, tileViews, wireAt } from './canvas-views';
import { cardClasses, type NodeRun } from './node-card';

/** How near a pointer must be to a connection, in screen pixels. */
const NEAR = 7;

/** What a canvas draws of the store's document, seen through its camera. Its signals change only where the drawing does. */
@Injectable()
export class CanvasScene {
  private readonly store = inject(EditorStore);
  /** The part of the graph that is drawn; null before the size of the view is known. */
  private readonly part = signal<Rect | null>(null);
  readonly detail = signal<Detail>('full');
  /** Whether cards are tiles: too small for ports and words. */
  readonly far = computed(() => this.detail() === 'small');
  /** How the nodes did in a run. */
  readonly runs = signal<ReadonlyMap<string, NodeRun> | null>(null);
  /** What is under the pointer: from far a tile, which becomes a card that can be pressed and dragged; else a connection. */
  private readonly met = signal<{ readonly node: string | null; readonly wire: string | null }>({ node: null, wire: null });

  readonly selected = computed(() => new Set(this.store.selection()));
  private readonly book = computed(() => new CardBook(this.store.graph(), this.store.problemsByNode()));
  private readonly kept = computed(() => [...this.store.selection(), ...(this.met().node === null ? [] : [this.met().node ?? ''])]);
  private readonly drawn = computed(() => drawnIds(this.store.graph(), this.store.rects(), this.part(), this.far(), this.kept()));
  readonly groups = computed(() => groupViews(this.store.graph(), this.store.rects(), this.drawn(), this.book()));
  readonly cards = computed(() => cardViews(this.store.graph(), this.store.rects(), this.store.layout().positions, this.drawn(), this.book()));
  readonly pills = computed(() => pillViews(this.store.graph(), this.store.layout().positions));
  readonly tiles = computed(() => (this.far() ? tileViews(this.store.graph(), this.store.rects(), this.part(), (id) => this.lookOf(id)) : []));
  readonly wires = computed(() => wiresOf(this.store.graph()));
  private readonly ways = computed(() => new Ways(this.store.graph(), this.store.rects()));
  readonly edges = computed(() => edgeViews(this.wires(), this.ways(), this.part(), this.selected(), this.store.edge()));
  readonly metWire = computed(() => this.met().wire);
  readonly metWay = computed(() => {
    const wire = this.wires().find(({ id }) => id === this.met().wire && id !== this.store.edge());
    return wire ? (this.ways().of(wire)?.path ?? null) : null;
  });

  /** The classes of a card. */
  lookOf(id: string): string {
    const card = this.book().of(id)?.card;
    return card ? cardClasses(card, this.selected().has(id), this.runs()?.get(id) ?? null) : 'node';
  }

  /** All that the graph takes up; null if that is nothing. */
  bounds(): Rect | null {
    return boundsOf([...this.store.rects().values(), ...this.store.layout().notes]);
  }

  /** The view was moved, made larger or smaller; gives what it shows. */
  show(camera: Camera, size: { readonly width: number; readonly height: number }): Rect {
    const view = seen(camera, size.width, size.height);
    this.part.update((known) => drawnPart(view, camera.scale, known));
    this.detail.set(detailAt(camera.scale));
    return view;
  }

  /** The pointer is at a point of the graph; `free` where no card is under it. */
  meet(at: Point, free: boolean, scale: number): void {
    const node = this.far() ? nodeAt(this.store.graph(), this.store.rects(), at) : null;
    const wire = !this.far() && free ? wireAt(this.wires(), this.ways(), at, NEAR / scale) : null;
    const known = this.met();
    if (known.node !== node || known.wire !== wire) this.met.set({ node, wire });
  }

  /** The point nearest to another around which something is to be seen in a view of this size. */
  worthSeeing(at: Point, size: { readonly width: number; readonly height: number }): Point {
    const rects = [...this.store.rects().values()];
    const view = { x: at.x - size.width / 2, y: at.y - size.height / 2, ...size };
    if (rects.some((rect) => touches(rect, view))) return at;
    const centres = rects.map((rect) => ({ x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 }));
    const far = (point: Point): number => Math.hypot(point.x - at.x, point.y - at.y);
    return centres.reduce<Point | null>((best, point) => (best && far(best) <= far(point) ? best : point), null) ?? at;
  }

  /** The nodes that touch an area. */
  within(a: Point, b: Point): string[] {
    const [left, right, top, bottom] = [Math.min(a.x, b.x), Math.max(a.x, b.x), Math.min(a.y, b.y), Math.max(a.y, b.y)];
    const { byId } = this.store.graph();
    return [...this.store.rects()].filter(([id, rect]) => byId.has(id) && rect.x < right && rect.x + rect.width > left && rect.y < bottom && rect.y + rect.height > top).map(([id]) => id);
  }
}

/** Whether two lists name the same, in whatever order. */
export function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}
