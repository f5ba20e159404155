import { ChangeDetectionStrategy, Component, computed, effect, type ElementRef, input, output, untracked, viewChild } from '@angular/core';

import type { Point, Rect } from '../../domain/layout/layout';
import { boundsOf } from '../../domain/layout/sight';

/** The least side of what it shows, so that a small graph does not fill it. */
const LEAST = 1200;
const WIDTH = 156;
const HEIGHT = 88;

/** All of the graph as one small path, and the part of it that is seen. A press goes there. */
@Component({
  selector: 'ff-minimap',
  template: `
    <svg #box [attr.viewBox]="viewBox()" role="img" aria-label="All of the graph, and the part of it that is seen" (pointerdown)="press($event)" (pointermove)="move($event)">
      <path class="minimap-nodes" [attr.d]="nodes()" />
    </svg>
    <i #view class="minimap-view"></i>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'minimap' },
})
export class Minimap {
  readonly rects = input.required<ReadonlyMap<string, Rect>>();
  private seen: Rect | null = null;
  /** A point of the graph that is to be in the middle of the view. */
  readonly wanted = output<Point>();
  private readonly box = viewChild.required<ElementRef<SVGSVGElement>>('box');
  private readonly view = viewChild.required<ElementRef<HTMLElement>>('view');
  protected readonly nodes = computed(() => [...this.rects().values()].map((rect) => `M${String(rect.x)} ${String(rect.y)}h${String(rect.width)}v${String(rect.height)}h${String(-rect.width)}z`).join(''));
  private readonly shown = computed((): Rect => {
    const bounds = boundsOf(this.rects().values()) ?? { x: 0, y: 0, width: 1, height: 1 };
    const scale = Math.max(LEAST / WIDTH, bounds.width / WIDTH, bounds.height / HEIGHT) * 1.08;
    return { x: bounds.x + bounds.width / 2 - (WIDTH * scale) / 2, y: bounds.y + bounds.height / 2 - (HEIGHT * scale) / 2, width: WIDTH * scale, height: HEIGHT * scale };
  });
  protected readonly viewBox = computed(() => {
    const { x, y, width, height } = this.shown();
    return [x, y, width, height].map((value) => value.toFixed(1)).join(' ');
  });

  constructor() {
    // Another graph, another measure.
    effect(() => {
      this.shown();
      untracked(() => { if (this.seen) this.mark(this.seen); });
    });
  }

  /** Marks what is seen. Written at once, as a movement of a layer: it changes with every movement of the view. */
  mark(seen: Rect): void {
    this.seen = seen;
    const { x, y, width } = this.shown();
    const scale = WIDTH / width;
    const { style } = this.view().nativeElement;
    const [wide, high] = [`${(seen.width * scale).toFixed(1)}px`, `${(seen.height * scale).toFixed(1)}px`];
    if (style.width !== wide) style.width = wide;
    if (style.height !== high) style.height = high;
    style.transform = `translate(${((seen.x - x) * scale).toFixed(1)}px, ${((seen.y - y) * scale).toFixed(1)}px)`;
  }

  protected press(event: PointerEvent): void {
    this.box().nativeElement.setPointerCapture(event.pointerId);
    this.go(event);
  }

  protected move(event: PointerEvent): void {
    if (event.buttons === 1) this.go(event);
  }

  private go(event: PointerEvent): void {
    const box = this.box().nativeElement.getBoundingClientRect();
    const shown = this.shown();
    this.wanted.emit({ x: shown.x + ((event.clientX - box.x) / box.width) * shown.width, y: shown.y + ((event.clientY - box.y) / box.height) * shown.height });
  }
}
