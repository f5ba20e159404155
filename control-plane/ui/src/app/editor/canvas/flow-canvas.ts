import { ChangeDetectionStrategy, Component, computed, effect, ElementRef, inject, input, output, untracked, viewChild } from '@angular/core';
import { F_SCROLL_PAN_CONTROL_SCHEME, FCanvasComponent, FControlSchemeController, FFlowComponent, FFlowModule, FZoomDirective, provideFFlow, withA11y, withControlScheme } from '@foblex/flow';
import type { FCanvasChangeEvent, FCreateConnectionEvent, FMoveNodesEvent, FSelectionChangeEvent } from '@foblex/flow';

import { Icon } from '../../components/icon';
import type { Note, Point, Rect } from '../../domain/layout/layout';
import { connect, moveNodes, setNote } from '../../domain/workflow/operations';
import { EditorStore } from '../../state/editor-store';
import { isPill } from '../card';
import { cardViews, edgeViews, groupViews, pillViews } from './canvas-views';
import { NodeCard, type NodeRun } from './node-card';

/** Where a drag from a port ended on empty canvas: what is added comes after this node. */
export interface PortDrop {
  readonly node: string;
  readonly outcome: string;
  readonly at: Point;
  /** Where on the screen, for what opens there. */
  readonly screen: Point;
}

const MIDDLE_SCALE = 0.75;
const SMALL_SCALE = 0.4;
const SCALE_MIN = 0.1;
/** Room around the graph when all of it is shown. */
const MARGIN = 48;

/** The graph as a drawing. Shows the store's document; what is dragged becomes an operation on it. */
@Component({
  selector: 'ff-flow-canvas',
  templateUrl: './flow-canvas.html',
  imports: [FFlowModule, Icon, NodeCard],
  providers: [provideFFlow(withControlScheme(F_SCROLL_PAN_CONTROL_SCHEME), withA11y({ keyboard: false, messages: { flow: 'graph', node: 'node', group: 'loop', connection: 'connection', instructions: 'Arrow keys go along the connections. Tab adds a node. F6 leaves the canvas.' } }))],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'flow-canvas', '(pointerdown)': 'onPointerDown()' },
})
export class FlowCanvas {
  private readonly store = inject(EditorStore);
  private readonly scheme = inject(FControlSchemeController);
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  private readonly flow = viewChild.required(FFlowComponent);
  private readonly canvas = viewChild.required(FCanvasComponent);
  private readonly zoom = viewChild.required(FZoomDirective);
  private shown = false;

  /** How the nodes did in a run. */
  readonly runs = input<ReadonlyMap<string, NodeRun> | null>(null);
  /** Whether the graph is only shown: a drag moves a card here and changes nothing else. */
  readonly fixed = input(false);
  /** Nodes whose results are pinned for tries. */
  readonly pinned = input<ReadonlySet<string>>(new Set());
  /** A connection was dropped where nothing stands. */
  readonly dropped = output<PortDrop>();
  /** A node was opened with a double click. */
  readonly opened = output();
  /** The scale changed. */
  readonly scaled = output<number>();

  protected readonly selected = computed(() => new Set(this.store.selection()));
  protected readonly groups = computed(() => groupViews(this.store.graph(), this.store.rects(), this.store.problemsByNode()));
  protected readonly cards = computed(() => cardViews(this.store.graph(), this.store.layout().positions, this.store.problemsByNode()));
  protected readonly pills = computed(() => pillViews(this.store.graph(), this.store.layout().positions));
  protected readonly edges = computed(() => edgeViews(this.store.graph(), this.store.rects(), this.selected(), this.store.edge()));
  protected readonly notes = computed(() => this.store.layout().notes);
  protected readonly few = computed(() => this.store.graph().nodes.length < 4);

  constructor() {
    // The store decides what is selected; the drawing follows.
    effect(() => {
      const nodes = [...this.store.selection()];
      const edge = this.store.edge();
      if (!this.shown) return;
      untracked(() => {
        const known = this.flow().getSelection();
        const now = [...known.fNodeIds, ...known.fGroupIds];
        const same = now.length === nodes.length && now.every((id) => nodes.includes(id)) && known.fConnectionIds.length === (edge === null ? 0 : 1);
        if (!same) queueMicrotask(() => { this.flow().select(nodes, edge === null ? [] : [edge], false); });
      });
    });
  }

  /** Shows the whole graph, never larger than its own size. */
  fit(animated = true): void {
    const bounds = this.bounds();
    const { width, height } = this.host.nativeElement.getBoundingClientRect();
    if (!bounds || width === 0) return;
    const scale = Math.max(SCALE_MIN, Math.min(1, width / (bounds.width + 2 * MARGIN), height / (bounds.height + 2 * MARGIN)));
    this.look(scale, { x: bounds.x + bounds.width / 2, y: bounds.y + bounds.height / 2 }, animated);
  }

  /** Shows the graph at its own size, around what was in the middle. */
  actualSize(): void {
    this.look(1, this.middle(), true);
  }

  private bounds(): Rect | null {
    const all = [...this.store.rects().values(), ...this.store.layout().notes];
    if (all.length === 0) return null;
    const x = Math.min(...all.map((rect) => rect.x));
    const y = Math.min(...all.map((rect) => rect.y));
    return { x, y, width: Math.max(...all.map((rect) => rect.x + rect.width)) - x, height: Math.max(...all.map((rect) => rect.y + rect.height)) - y };
  }

  /** Puts a point of the graph into the middle of the view. */
  private look(scale: number, at: Point, animated: boolean): void {
    const { width, height } = this.host.nativeElement.getBoundingClientRect();
    const canvas = this.canvas();
    const position = { x: Math.round(width / 2 - at.x * scale), y: Math.round(height / 2 - at.y * scale) };
    canvas.transform.scale = scale;
    canvas.transform.position = position;
    canvas.transform.scaledPosition = { x: 0, y: 0 };
    if (animated) canvas.redrawWithAnimation();
    else canvas.redraw();
    this.onCanvas({ position, scale });
  }

  /** Larger or smaller. */
  step(direction: 1 | -1): void {
    const box = this.host.nativeElement.getBoundingClientRect();
    const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    if (direction > 0) this.zoom().zoomIn(middle);
    else this.zoom().zoomOut(middle);
  }

  /** Moves a node into view, if it is not there. */
  reveal(id: string): void {
    const rect = this.store.rects().get(id);
    if (!rect) return;
    const { width, height } = this.host.nativeElement.getBoundingClientRect();
    const { scale, position, scaledPosition } = this.canvas().transform;
    const x = rect.x * scale + position.x + scaledPosition.x;
    const y = rect.y * scale + position.y + scaledPosition.y;
    if (x < 0 || y < 0 || x + rect.width * scale > width || y + rect.height * scale > height) {
      this.look(scale, { x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 }, true);
    }
  }

  /** The point of the graph in the middle of the view. */
  middle(): Point {
    const { width, height } = this.host.nativeElement.getBoundingClientRect();
    const { scale, position, scaledPosition } = this.canvas().transform;
    return { x: (width / 2 - position.x - scaledPosition.x) / scale, y: (height / 2 - position.y - scaledPosition.y) / scale };
  }

  /** While the space bar is down, a drag on empty canvas moves it instead of selecting. */
  grab(held: boolean): void {
    this.scheme.setScheme(held ? { canvasMove: () => true, selection: () => false } : F_SCROLL_PAN_CONTROL_SCHEME);
    this.host.nativeElement.classList.toggle('grabbing', held);
  }

  focus(): void {
    this.host.nativeElement.querySelector<HTMLElement>('f-flow')?.focus({ preventScroll: true });
  }

  protected onPointerDown(): void {
    const active = document.activeElement;
    if (!(active instanceof HTMLTextAreaElement && this.host.nativeElement.contains(active))) setTimeout(() => { this.focus(); });
  }

  protected onRendered(): void {
    if (this.shown) return;
    this.shown = true;
    const { width, height } = this.host.nativeElement.getBoundingClientRect();
    const all = [...this.store.rects().values()];
    const right = Math.max(0, ...all.map((rect) => rect.x + rect.width));
    if (right > width || all.some((rect) => rect.y + rect.height > height)) this.fit(false);
  }

  protected onCanvas(event: Pick<FCanvasChangeEvent, 'position' | 'scale'>): void {
    const element = this.host.nativeElement;
    element.style.setProperty('--scale', String(event.scale));
    element.dataset['detail'] = event.scale >= MIDDLE_SCALE ? 'full' : event.scale >= SMALL_SCALE ? 'middle' : 'small';
    this.scaled.emit(event.scale);
  }

  protected onSelection(event: FSelectionChangeEvent): void {
    this.store.select([...event.groupIds, ...event.nodeIds], event.connectionIds[0] ?? null);
  }

  protected onMoved(event: FMoveNodesEvent): void {
    const graph = this.store.graph();
    const moves = new Map<string, Point>();
    const notes: Note[] = [];
    for (const { id, position } of event.nodes) {
      const note = this.store.layout().notes.find((candidate) => candidate.id === id);
      if (note) notes.push({ ...note, x: position.x, y: position.y });
      else if (isPill(id) || graph.byId.get(id)?.children.length === 0) moves.set(id, position);
    }
    for (const note of notes) this.store.run((model) => setNote(model, note));
    if (moves.size > 0) this.store.run((model) => moveNodes(model, moves));
  }

  protected onConnect(event: FCreateConnectionEvent): void {
    if (this.fixed()) return;
    const [node = '', outcome = ''] = event.sourceId.replace(/^(out|first):/, '').split('.', 2);
    if (event.targetId !== undefined) {
      const target = event.targetId.replace(/^(in|last):/, '');
      this.store.run((model) => ({ ...connect(model, node, outcome, target), select: [target] }));
      return;
    }
    const rect = this.flow().getPositionInFlow(event.dropPosition);
    this.dropped.emit({ node, outcome, at: { x: rect.x, y: rect.y - 20 }, screen: event.dropPosition });
  }

  protected onNote(note: Note, event: Event): void {
    if (event.target instanceof HTMLTextAreaElement) {
      const text = event.target.value;
      this.store.run((model) => setNote(model, { ...note, text }));
    }
  }
}
