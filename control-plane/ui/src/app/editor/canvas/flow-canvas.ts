import { afterNextRender, ChangeDetectionStrategy, Component, computed, DestroyRef, effect, ElementRef, inject, input, output, signal, untracked, viewChild } from '@angular/core';
import { F_SCROLL_PAN_CONTROL_SCHEME, FCanvasComponent, FControlSchemeController, FFlowComponent, FFlowModule, FZoomDirective, provideFFlow, withControlScheme } from '@foblex/flow';
import type { FCreateConnectionEvent, FDragNodeStartEventData, FDragStartedEvent, FMoveNodesEvent, FSelectionChangeEvent } from '@foblex/flow';

import { Icon } from '../../components/icon';
import type { Note, Point, Rect } from '../../domain/layout/layout';
import { type Camera, seen } from '../../domain/layout/sight';
import { connect, moveNodes, setNote } from '../../domain/workflow/operations';
import { EditorStore } from '../../state/editor-store';
import { isPill } from '../card';
import { CanvasScene, sameIds } from './canvas-scene';
import { DragFollower } from './drag-follower';
import { Minimap } from './minimap';
import { NodeCard, type NodeRun } from './node-card';
import { Wires } from './wires';

/** Where a drag from a port ended on empty canvas: what is added comes after this node. */
export interface PortDrop {
  readonly node: string;
  readonly outcome: string;
  readonly at: Point;
  /** Where on the screen, for what opens there. */
  readonly screen: Point;
}

const SCALE_MIN = 0.1;
/** Room around the graph when all of it is shown. */
const MARGIN = 48;
/** How long after a change of the scale the drawing is sharp again. */
const SHARP_AFTER_MS = 200;

/**
 * The graph as a drawing. Shows the store's document; what is dragged becomes an operation on it.
 *
 * A movement of the view or of a card writes transforms and paths and nothing else: change detection runs only when other
 * cards come into sight, when the scale shows more or less of them, and when the document changes.
 */
@Component({
  selector: 'ff-flow-canvas',
  templateUrl: './flow-canvas.html',
  imports: [FFlowModule, Icon, Minimap, NodeCard, Wires],
  providers: [CanvasScene, provideFFlow(withControlScheme(F_SCROLL_PAN_CONTROL_SCHEME))],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'flow-canvas', '[attr.data-detail]': 'scene.detail()', '[class.wire-met]': 'scene.metWire() !== null', '(pointerdown)': 'onPointerDown($event)' },
})
export class FlowCanvas {
  protected readonly store = inject(EditorStore);
  private readonly scheme = inject(FControlSchemeController);
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  private readonly flow = viewChild.required(FFlowComponent);
  private readonly canvas = viewChild.required(FCanvasComponent);
  private readonly zoom = viewChild.required(FZoomDirective);
  private readonly minimap = viewChild(Minimap);
  private shown = false;
  private scale = 0;
  private sharpen: ReturnType<typeof setTimeout> | undefined;
  private follower: DragFollower | null = null;
  private selecting = false;
  /** What the flow library was told is selected, or told us. */
  private told: readonly string[] = [];
  private readonly size = signal({ width: 0, height: 0 });
  /** Where the pointer was pressed and where it is, in the graph. */
  private pressed: Point = { x: 0, y: 0 };
  private pointer: Point = { x: 0, y: 0 };
  protected readonly scene = inject(CanvasScene);

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

  protected readonly notes = computed(() => this.store.layout().notes);
  protected readonly few = computed(() => this.store.graph().nodes.length < 4);

  constructor() {
    const destroyed = inject(DestroyRef);
    afterNextRender(() => {
      const host = this.host.nativeElement;
      const observer = new ResizeObserver(() => { this.measure(); });
      observer.observe(host);
      // Not in the template: an event that a template listens to is followed by a round of change detection.
      const changes = this.canvas().fCanvasChange.subscribe(() => { this.onCanvas(); });
      const onMove = (event: PointerEvent): void => { this.onPointer(event); };
      host.addEventListener('pointermove', onMove);
      destroyed.onDestroy(() => {
        observer.disconnect();
        changes.unsubscribe();
        host.removeEventListener('pointermove', onMove);
        this.follower?.stop();
        clearTimeout(this.sharpen);
      });
      this.measure();
    });
    // What is shown first: all of it, where it is larger than the view.
    effect(() => {
      const { width, height } = this.size();
      const bounds = this.scene.bounds();
      if (this.shown || width === 0 || !bounds) return;
      this.shown = true;
      untracked(() => { if (bounds.x + bounds.width > width || bounds.y + bounds.height > height) this.fit(false); });
    });
    effect(() => { this.scene.runs.set(this.runs()); });
    // The store decides what is selected; the drawing follows.
    effect(() => {
      const nodes = [...this.store.selection()];
      this.size();
      if (!this.shown) return;
      untracked(() => {
        const known = this.flow().getSelection();
        // What it was told last it may not have done yet.
        if (sameIds(this.told, nodes) && sameIds([...known.fNodeIds, ...known.fGroupIds], nodes)) return;
        this.told = nodes;
        queueMicrotask(() => { this.flow().select(nodes, [], false); });
      });
    });
  }

  private measure(): void {
    const { width, height } = this.host.nativeElement.getBoundingClientRect();
    if (width === 0 || height === 0) return;
    this.size.set({ width, height });
    this.onCanvas();
  }

  private camera(): Camera {
    const { scale, position, scaledPosition } = this.canvas().transform;
    return { scale, shift: { x: position.x + scaledPosition.x, y: position.y + scaledPosition.y } };
  }

  /** Shows the whole graph, never larger than its own size. */
  fit(animated = true): void {
    const bounds = this.scene.bounds();
    const { width, height } = this.host.nativeElement.getBoundingClientRect();
    if (!bounds || width === 0) return;
    const scale = Math.max(SCALE_MIN, Math.min(1, width / (bounds.width + 2 * MARGIN), height / (bounds.height + 2 * MARGIN)));
    this.look(scale, { x: bounds.x + bounds.width / 2, y: bounds.y + bounds.height / 2 }, animated);
  }

  /** Shows the graph at its own size, around what was in the middle, or what is nearest to it. */
  actualSize(): void {
    this.look(1, this.scene.worthSeeing(this.middle(), this.size()), true);
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
    this.onCanvas();
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
    const { width, height } = this.size();
    const { scale, shift } = this.camera();
    const x = rect.x * scale + shift.x;
    const y = rect.y * scale + shift.y;
    if (x < 0 || y < 0 || x + rect.width * scale > width || y + rect.height * scale > height) {
      this.look(scale, { x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 }, true);
    }
  }

  /** The point of the graph in the middle of the view. */
  middle(): Point {
    const view = this.sight();
    return { x: view.x + view.width / 2, y: view.y + view.height / 2 };
  }

  private sight(): Rect {
    const { width, height } = this.size();
    return seen(this.camera(), width, height);
  }

  /** While the space bar is down, a drag on empty canvas moves it instead of selecting. */
  grab(held: boolean): void {
    this.scheme.setScheme(held ? { canvasMove: () => true, selection: () => false } : F_SCROLL_PAN_CONTROL_SCHEME);
    this.host.nativeElement.classList.toggle('grabbing', held);
  }

  focus(): void {
    this.host.nativeElement.querySelector<HTMLElement>('f-flow')?.focus({ preventScroll: true });
  }

  protected onPointerDown(event: PointerEvent): void {
    this.onPointer(event);
    this.pressed = this.pointer;
    const active = document.activeElement;
    if (!(active instanceof HTMLTextAreaElement && this.host.nativeElement.contains(active))) setTimeout(() => { this.focus(); });
  }

  private onPointer(event: PointerEvent): void {
    const box = this.host.nativeElement.getBoundingClientRect();
    const { scale, shift } = this.camera();
    this.pointer = { x: (event.clientX - box.x - shift.x) / scale, y: (event.clientY - box.y - shift.y) / scale };
    const onCard = event.target instanceof Element && event.target.closest('.f-node, .tools, .minimap') !== null;
    if (event.buttons === 0) this.scene.meet(this.pointer, !onCard, scale);
  }

  protected onClick(): void {
    const wire = this.scene.metWire();
    if (wire !== null) this.store.select([], wire);
  }

  /** The view was moved, made larger or smaller. Signals are set only where something else is to be drawn. */
  private onCanvas(): void {
    const { scale, shift } = this.camera();
    const view = this.scene.show({ scale, shift }, this.size());
    this.minimap()?.mark(view);
    if (scale === this.scale) return;
    this.scale = scale;
    const { classList, style } = this.host.nativeElement;
    style.setProperty('--scale', String(scale));
    this.scaled.emit(scale);
    // A layer of its own keeps the sharpness that it began with: it begins anew when the scale rests.
    classList.add('scaling');
    clearTimeout(this.sharpen);
    this.sharpen = setTimeout(() => { classList.remove('scaling'); }, SHARP_AFTER_MS);
  }

  /** Puts a point that was pressed in the small picture into the middle. */
  protected go(at: Point): void {
    this.look(this.camera().scale, at, false);
  }

  protected onDragStarted(event: FDragStartedEvent): void {
    const data = event.data as Partial<FDragNodeStartEventData> | undefined;
    const ids = event.kind === 'drag-node' ? (data?.fNodeIds ?? []) : [];
    this.selecting = event.kind === 'selection-area';
    if (ids.length > 0) this.follower = new DragFollower({ host: this.host.nativeElement, graph: this.store.graph(), rects: this.store.rects(), ids, wires: this.scene.wires() });
  }

  protected onDragEnded(): void {
    this.follower?.stop();
    this.follower = null;
    // From far there are no elements that the flow library could find in an area.
    if (!this.selecting || !this.scene.far()) return;
    const found = this.scene.within(this.pressed, this.pointer);
    setTimeout(() => { this.store.select(found); });
  }

  protected onSelection(event: FSelectionChangeEvent): void {
    this.told = [...event.groupIds, ...event.nodeIds];
    this.store.select(this.told);
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
    const [node = '', outcome = ''] = event.sourceId.replace(/^out:/, '').split('.', 2);
    if (event.targetId !== undefined) {
      const target = event.targetId.replace(/^in:/, '');
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
