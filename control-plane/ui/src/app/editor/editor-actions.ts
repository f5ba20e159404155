import { computed, inject, Injectable, type WritableSignal } from '@angular/core';

import { saveText } from '../components/save';
import { copyNodes, duplicateNodes, holdsNodes, pasteNodes } from '../domain/workflow/clipboard';
import { neighbour, stream, type Direction } from '../domain/layout/navigate';
import { movedWith, type Point } from '../domain/layout/layout';
import { nodeFor, type Offer } from '../domain/picker/search';
import type { GraphNode } from '../domain/workflow/graph';
import { addNode, connect, disconnect, freeNoteId, nudge, removeNodes, removeNotes, setNote, setProperty, tidyUp, toggleDisabled } from '../domain/workflow/operations';
import type { Command } from '../state/commands';
import { commandsOf } from './editor-commands';
import { EditorStore } from '../state/editor-store';
import { DraftKeeper } from './drafts/draft-keeper';
import { canvasKey, type CanvasKey } from './canvas/canvas-keys';
import type { PortDrop } from './canvas/flow-canvas';
import type { ViewName } from './editor-page';
import type { TryScope } from './try/try-actions';

/** What the page lets its actions do to its views. */
export interface EditorViews {
  readonly view: (name: ViewName) => void;
  readonly current: () => ViewName;
  readonly add: () => void;
  readonly form: (part: 'name' | 'first' | 'open') => void;
  readonly workflow: () => void;
  readonly fit: () => void;
  readonly actual: () => void;
  readonly zoom: (direction: 1 | -1) => void;
  readonly reveal: (id: string) => void;
  readonly help: () => void;
  readonly connect: (id: string) => void;
  readonly middle: () => Point;
  readonly focusCanvas: () => void;
  readonly tryIt: (scope: TryScope) => void;
  readonly data: () => void;
  readonly publish: () => void;
  readonly run: () => void;
}

const TIDY_WIDTH = 1100;

/** Everything a person can do in the editor, by key, by button or from the palette. */
@Injectable()
export class EditorActions {
  private readonly store = inject(EditorStore);
  private readonly keeper = inject(DraftKeeper);
  private views: EditorViews | null = null;
  private copied: { readonly text: string; readonly positions: Readonly<Record<string, Point>> } | null = null;

  readonly commands = computed((): readonly Command[] => commandsOf(this.store, this, this.views));

  attach(views: EditorViews): void {
    this.views = views;
  }

  /** A key in the editor. Those of the canvas hold only there; the others everywhere but in fields that have their own. */
  onKey(event: KeyboardEvent, onCanvas: boolean, target: HTMLElement | null): void {
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const inText = Boolean(target?.closest('.cm-editor'));
    if (control && (key === 'z' || key === 'y') && !inText) {
      event.preventDefault();
      if (key === 'y' || event.shiftKey) this.store.redo();
      else this.store.undo();
    } else if (control && event.key === 'Enter') {
      event.preventDefault();
      this.tryIt(event.shiftKey);
    } else if (event.key === 'F6') {
      event.preventDefault();
      nextPart(target, event.shiftKey);
    } else if (event.key === 'Escape' && !onCanvas && target?.closest('.insp')) {
      event.preventDefault();
      this.views?.focusCanvas();
    } else if (control && key === 'd' && (onCanvas || target?.closest('.outline'))) {
      event.preventDefault();
      this.duplicate();
    } else if (control && key === 'a' && onCanvas) {
      event.preventDefault();
      this.store.select(this.store.graph().nodes.map((node) => node.id));
    } else if (onCanvas) {
      const action = canvasKey(event);
      if (action !== null) {
        event.preventDefault();
        this.canvasAction(action);
      }
    }
  }

  /** A key while a connection is being made. Gives whether it was one of its keys. */
  connectKey(event: KeyboardEvent, connecting: WritableSignal<string | null>): boolean {
    const from = connecting();
    if (from === null) return false;
    if (event.key === 'Escape') {
      connecting.set(null);
    } else if (event.key === 'Enter') {
      const to = this.store.selectedNode()?.id;
      const [node = '', outcome = ''] = from.split('.', 2);
      connecting.set(null);
      if (to !== undefined && to !== node) this.store.run((model) => ({ ...connect(model, node, outcome, to), select: [to] }));
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  /** Tries all of it, or as far as the selected node. */
  tryIt(toHere: boolean): void {
    const node = this.store.selectedNode()?.id;
    this.views?.tryIt(toHere && node !== undefined ? { kind: 'to', node } : { kind: 'all' });
  }

  private canvasAction(action: CanvasKey): void {
    switch (action) {
      case 'add': this.views?.add(); return;
      case 'open': this.views?.form('first'); return;
      case 'none': this.store.select([]); return;
      case 'rename': this.views?.form('name'); return;
      case 'disable': this.disable(); return;
      case 'delete': this.remove(); return;
      case 'connect': this.beginConnect(); return;
      case 'note': this.addNote(); return;
      case 'help': this.views?.help(); return;
      case 'in': this.zoom(1); return;
      case 'out': this.zoom(-1); return;
      case 'actual': this.actual(); return;
      case 'fit': this.fit(); return;
      case 'list': this.views?.view('list'); return;
      case 'text': this.views?.view('text'); return;
      case 'stream-left':
      case 'stream-right': {
        const id = this.store.selectedNode()?.id;
        if (id !== undefined) this.store.select(stream(this.store.graph(), id, action === 'stream-left' ? 'left' : 'right'));
        return;
      }
      default: this.step(action);
    }
  }

  private step(direction: Direction): void {
    const at = this.store.selectedNode()?.id ?? '';
    const next = neighbour(this.store.graph(), this.store.rects(), at, direction);
    if (next !== null) this.goTo(next);
  }

  goTo(id: string): void {
    this.store.select([id]);
    this.views?.reveal(id);
  }

  /** Adds what was picked: after the node it was dragged from, else after the selected one. */
  add(offer: Offer, drop: PortDrop | null, connected: boolean, at: Point | null): void {
    const made = nodeFor(offer);
    if (!made) return;
    const selected = this.store.selectedNode();
    const from = drop ?? (selected ? { node: selected.id, outcome: '' } : null);
    const source = from ? this.store.graph().byId.get(from.node) : undefined;
    const parent = source?.parent ?? null;
    const outcome = from && source ? (from.outcome === '' ? firstOutcome(source) : from.outcome) : '';
    const spot = at ?? (this.store.graph().nodes.length === 0 ? this.views?.middle() : undefined);
    this.store.run((model) => addNode(model, made.value, { name: made.name, parent, ...(spot ? { at: spot } : {}), ...(connected && source ? { after: { node: source.id, outcome } } : {}) }));
    const id = this.store.selectedNode()?.id;
    if (id !== undefined) setTimeout(() => this.views?.reveal(id));
    const best = offer.type === 'operation' ? offer.port : null;
    if (id !== undefined && connected && source && best !== null) this.store.run((model) => setProperty(model, id, ['with', best], `\${${source.id}}`));
  }

  addNote(): void {
    const at = this.views?.middle() ?? { x: 40, y: 60 };
    this.store.run((model) => {
      const id = freeNoteId(model.layout);
      return { ...setNote(model, { id, x: Math.round(at.x), y: Math.round(at.y), width: 176, height: 60, text: '' }), select: [id] };
    });
  }

  duplicate(): void {
    const ids = this.store.selectedNodes();
    if (ids.length > 0) this.store.run((model) => duplicateNodes(model, ids));
  }

  disable(): void {
    const ids = this.store.selectedNodes();
    if (ids.length > 0) this.store.run((model) => toggleDisabled(model, ids));
  }

  /** Deletes what is selected: nodes, notes, or a connection. */
  remove(): void {
    const edge = this.store.graph().edges.find((candidate) => candidate.id === this.store.edge());
    const ids = this.store.selectedNodes();
    const notes = this.store.selection().filter((id) => this.store.layout().notes.some((note) => note.id === id));
    const undo = { label: 'Undo', run: () => { this.store.undo(); } };
    if (notes.length > 0 && this.store.run((model) => ({ ...removeNotes(model, notes), select: ids }))) this.store.messages.done('Note deleted', undo);
    if (ids.length > 0) {
      if (this.store.run((model) => removeNodes(model, ids))) this.store.messages.done(ids.length === 1 ? `${ids[0] ?? ''} deleted` : `${String(ids.length)} nodes deleted`, undo);
    } else if (edge && edge.from !== '@start' && edge.to !== '@output') {
      this.store.run((model) => ({ ...disconnect(model, edge), select: [] }));
    }
  }

  beginConnect(): void {
    const node = this.store.selectedNode();
    if (node) this.views?.connect(firstOutcome(node) === '' ? node.id : `${node.id}.${firstOutcome(node)}`);
  }

  tidy(): void {
    this.store.run((model) => tidyUp(model, TIDY_WIDTH));
    setTimeout(() => this.views?.fit());
  }

  fit(): void {
    this.views?.fit();
  }

  actual(): void {
    this.views?.actual();
  }

  zoom(direction: 1 | -1): void {
    this.views?.zoom(direction);
  }

  openForm(): void {
    this.views?.form('open');
  }

  focusCanvas(): void {
    this.views?.focusCanvas();
  }

  /** Moves what is selected by one step. */
  nudge(dx: number, dy: number): void {
    const ids = this.store.selectedNodes();
    if (ids.length > 0) this.store.run((model) => nudge(model, ids, dx, dy));
  }

  copy(event: ClipboardEvent): boolean {
    const ids = this.store.selectedNodes();
    if (ids.length === 0 || isField(event.target)) return false;
    const text = copyNodes(this.store.model(), ids);
    this.copied = { text, positions: Object.fromEntries(ids.flatMap((id) => movedWith(this.store.graph(), id)).flatMap((id) => (this.store.layout().positions[id] ? [[id, this.store.layout().positions[id]]] : [])) as [string, Point][]) };
    event.clipboardData?.setData('text/plain', text);
    event.preventDefault();
    return true;
  }

  cut(event: ClipboardEvent): void {
    if (this.copy(event)) this.remove();
  }

  paste(event: ClipboardEvent): void {
    const text = event.clipboardData?.getData('text/plain') ?? '';
    if (isField(event.target) || !this.store.document() || text.trim() === '') return;
    event.preventDefault();
    if (!holdsNodes(text)) {
      this.store.messages.refused('What is in the clipboard has no nodes.');
      return;
    }
    const positions = this.copied?.text === text ? this.copied.positions : undefined;
    this.store.run((model) => pasteNodes(model, text, positions ? { positions } : {}));
  }

  async copyText(): Promise<void> {
    await navigator.clipboard.writeText(this.store.text());
    this.store.messages.done('The text of the workflow is in the clipboard.');
  }

  download(): void {
    saveText(`${this.store.graph().name || 'workflow'}.yaml`, this.store.text(), 'application/yaml');
  }

  /** Closes the document. It can be taken back for a moment. */
  closeDocument(): void {
    const { text, layout } = this.store.current();
    const mark = this.store.mark();
    void this.keeper.flush();
    this.store.close();
    this.store.messages.done('The workflow was closed.', { label: 'Open it again', run: () => { this.store.open(text, layout, mark); } });
  }
}

/** The outcome by which a node is left when none is named; empty where the node itself means it. */
function firstOutcome(node: GraphNode): string {
  const first = node.outcomes[0] ?? '';
  return first === 'done' ? '' : first;
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.closest('.cm-editor, dialog') !== null || target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement);
}

/** Goes to the next part of the window, so that nobody is caught on the canvas. */
function nextPart(target: HTMLElement | null, back: boolean): void {
  const parts = [...document.querySelectorAll<HTMLElement>('.rail, .editor .top, [data-part]')].filter((part) => part.offsetParent !== null);
  const at = parts.findIndex((part) => target && part.contains(target));
  const next = parts[(at + (back ? -1 : 1) + parts.length) % parts.length];
  const first = next?.querySelector<HTMLElement>('f-flow, .cm-content, a[href], button:not(:disabled), input, select, textarea');
  first?.focus();
}
