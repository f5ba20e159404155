import { ChangeDetectionStrategy, Component, computed, DestroyRef, effect, inject, input, signal, untracked, viewChild } from '@angular/core';
import { Router } from '@angular/router';

import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { Lacks } from '../components/needs';
import { StateView } from '../components/state-view';
import { Catalogue } from '../data/catalogue';
import { outputOf, scopeOf } from '../domain/workflow/scope';
import type { Problem } from '../domain/workflow/problems';
import { addTrigger } from '../domain/workflow/sections';
import { overlayOf } from '../runs/overlay';
import { RunStore } from '../runs/run-store';
import { StartRunDialog } from '../runs/start-run';
import { Commands } from '../state/commands';
import { EditorStore } from '../state/editor-store';
import { AddPicker, type Picked } from './canvas/add-picker';
import { NodePreviewer } from './inspector/node-previewer';
import { isPill } from './card';
import { KEY_TABLE } from './canvas/canvas-keys';
import { FlowCanvas, type PortDrop } from './canvas/flow-canvas';
import type { NodeRun } from './canvas/node-card';
import { ConflictDialog } from './drafts/conflict-dialog';
import { DraftKeeper } from './drafts/draft-keeper';
import { EditorActions } from './editor-actions';
import { EditorStart } from './editor-start';
import { Inspector } from './inspector/inspector';
import { Outline } from './outline';
import { PlaneLint } from './plane-lint';
import { ProblemsPanel } from './problems-panel';
import { PublishDialog } from './publish-dialog';
import { EditorTop } from './editor-top';
import { TextView } from './text/text-view';
import { DataPane } from './try/data-pane';
import { TryActions, type TryScope } from './try/try-actions';
import { TryData } from './try/try-data';
import { TryInput } from './try/try-input';

const NO_OVERLAY: ReadonlyMap<string, NodeRun> = new Map();

export type ViewName = 'canvas' | 'split' | 'text' | 'list';

/** The editor: canvas, text and list as views of one document, the form beside them, problems below. */
@Component({
  selector: 'ff-editor-page',
  templateUrl: './editor-page.html',
  imports: [AddPicker, ConflictDialog, DataPane, Dialog, EditorStart, EditorTop, FlowCanvas, Icon, Inspector, Lacks, Outline, ProblemsPanel, PublishDialog, StartRunDialog, StateView, TextView, TryInput],
  providers: [EditorActions, PlaneLint, NodePreviewer, RunStore, TryActions, TryData],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'editor', '(document:keydown)': 'onKey($event)', '(document:keyup)': 'onKeyUp($event)', '(document:copy)': 'actions.copy($event)', '(document:cut)': 'actions.cut($event)', '(document:paste)': 'actions.paste($event)' },
})
export class EditorPage {
  protected readonly store = inject(EditorStore);
  protected readonly actions = inject(EditorActions);
  private readonly catalogue = inject(Catalogue);
  private readonly keeper = inject(DraftKeeper);
  /** From the address: the published workflow to open. */
  readonly workflow = input<string>();
  /** From the address: whether to begin anew. */
  readonly new = input<string>();
  private readonly router = inject(Router);
  private begun = false;
  /** The published workflow of the same name and text, which a run can be started of. */
  protected readonly runnable = this.keeper.same;
  private readonly publishing = viewChild.required(PublishDialog);
  private readonly conflict = viewChild.required(ConflictDialog);
  private readonly starter = viewChild.required(StartRunDialog);
  protected readonly view = signal<ViewName>(matchMedia('(max-width: 720px)').matches ? 'list' : 'canvas');
  protected readonly formOpen = signal(false);
  /** What stands below the views. */
  protected readonly below = signal<'nothing' | 'problems' | 'data'>('nothing');
  protected readonly tries = inject(TryActions);
  protected readonly data = inject(TryData);
  private readonly runs = inject(RunStore);
  /** The last try laid over the canvas, as long as its data is open. */
  protected readonly overlay = computed(() => (this.data.run() === null ? NO_OVERLAY : overlayOf(this.runs, null)));
  protected readonly shownRuns = computed(() => (this.below() === 'data' && this.data.tried() ? this.overlay() : null));
  protected readonly pinned = computed(() => new Set(this.data.pins().keys()));
  protected readonly scale = signal(1);
  protected readonly connecting = signal<string | null>(null);
  private readonly drop = signal<PortDrop | null>(null);
  protected readonly keys = KEY_TABLE;
  protected readonly pickerSource = computed(() => this.drop()?.node ?? this.store.selectedNode()?.id ?? null);
  protected readonly pickerGiven = computed(() => {
    const drop = this.drop();
    const node = drop ? this.store.graph().byId.get(drop.node) : undefined;
    if (!node) return null;
    const type = outputOf(this.store.graph(), node, scopeOf(this.store.graph(), node.id, this.catalogue.entries()), this.catalogue.entries());
    return type.kind === 'any' ? null : type;
  });
  private readonly canvas = viewChild(FlowCanvas);
  private readonly picker = viewChild(AddPicker);
  private readonly inspector = viewChild(Inspector);
  private readonly help = viewChild.required<Dialog>('help');

  constructor() {
    inject(PlaneLint);
    void this.catalogue.load();
    const watched = this.keeper.watch();
    inject(DestroyRef).onDestroy(() => {
      watched();
      void this.keeper.flush();
    });
    effect(() => {
      const [name, fresh] = [this.workflow(), this.new()];
      untracked(() => { this.begin(name, fresh); });
    });
    // The address names what is open, so that it can be loaded again, kept and sent.
    effect(() => {
      const mark = this.store.mark();
      const opening = this.keeper.opening();
      untracked(() => { if (!opening && this.begun) this.address(mark?.workflow); });
    });
    // Whoever saved later is told at once.
    effect(() => {
      const told = this.keeper.state().kind === 'conflict';
      untracked(() => { if (told) this.conflict().open(); });
    });
    const remove = inject(Commands).provide('editor', () => (this.store.document() ? this.actions.commands() : []));
    inject(DestroyRef).onDestroy(remove);
    this.actions.attach({
      view: (name) => { this.setView(name); },
      current: () => this.view(),
      add: () => { this.openPicker(null); },
      form: (part) => { this.openForm(part); },
      workflow: () => { this.openWorkflow(); },
      fit: () => { this.canvas()?.fit(); },
      actual: () => { this.canvas()?.actualSize(); },
      zoom: (direction) => { this.canvas()?.step(direction); },
      reveal: (id) => { this.canvas()?.reveal(id); },
      help: () => { this.help().open(); },
      connect: (id) => { this.connecting.set(id); },
      middle: () => this.canvas()?.middle() ?? { x: 40, y: 60 },
      focusCanvas: () => { this.focusView(); },
      tryIt: (scope) => { void this.tryIt(scope); },
      data: () => { this.toggle('data'); },
      publish: () => { this.publish(); },
      run: () => { this.run(); },
    });
    // Whoever opens a document can go on with the keys at once.
    effect(() => {
      if (this.store.document() !== null) untracked(() => { setTimeout(() => { if (document.activeElement === document.body) this.focusView(); }); });
    });
    // Selecting with the pointer or the keys opens the form; its own close button keeps it closed until then.
    effect(() => {
      const chosen = this.store.selectedNode()?.id ?? this.store.selection().find((id) => isPill(id));
      untracked(() => {
        if (chosen !== undefined && window.innerWidth > 1000) this.formOpen.set(true);
      });
    });
  }

  private begin(name: string | undefined, fresh: string | undefined): void {
    this.begun = true;
    const mark = this.store.mark();
    if (name !== undefined) void this.keeper.open(name);
    else if (fresh !== undefined) {
      if (this.store.document()) this.actions.closeDocument();
      this.address(undefined);
    } else if (mark !== null) {
      this.address(mark.workflow);
    }
  }

  private address(workflow: string | undefined): void {
    if (this.workflow() !== workflow || this.new() !== undefined) void this.router.navigate([], { queryParams: workflow === undefined ? {} : { workflow }, replaceUrl: true });
  }

  protected showConflict(): void {
    this.conflict().open();
  }

  protected publish(): void {
    void this.publishing().open();
  }

  protected run(): void {
    void this.starter().open(this.store.graph().name);
  }

  protected toggle(part: 'problems' | 'data'): void {
    this.below.update((now) => (now === part ? 'nothing' : part));
  }

  protected async tryIt(scope: TryScope): Promise<void> {
    this.below.set('data');
    await this.tries.start(scope);
  }

  protected setView(name: ViewName): void {
    this.view.set(name);
    setTimeout(() => { this.focusView(); });
  }

  protected openPicker(drop: PortDrop | null): void {
    this.drop.set(drop);
    this.picker()?.open();
  }

  protected onPicked({ offer, connected }: Picked): void {
    if (offer.type === 'trigger') {
      this.drop.set(null);
      this.store.run((model) => addTrigger(model, offer.trigger));
      this.openWorkflow();
      return;
    }
    const drop = this.drop();
    this.actions.add(offer, connected ? (drop ?? null) : null, connected, drop?.at ?? null);
    this.drop.set(null);
    this.focusView();
  }

  protected onProblem(problem: Problem): void {
    if (problem.node !== null) {
      this.store.select([problem.node]);
      this.canvas()?.reveal(problem.node);
    }
    if (this.view() === 'canvas' && problem.node !== null) this.openForm('first');
    else if (this.view() === 'canvas' || this.view() === 'list') this.setView('split');
    setTimeout(() => { this.store.show(problem.from, problem.to); });
  }

  protected onKey(event: KeyboardEvent): void {
    const target = event.target instanceof HTMLElement ? event.target : null;
    if (!this.store.document() || target?.closest('dialog')) return;
    const onCanvas = Boolean(target?.closest('f-flow')) && !(target instanceof HTMLTextAreaElement);
    if (event.key === ' ' && onCanvas) {
      event.preventDefault();
      this.canvas()?.grab(true);
      return;
    }
    if (this.connecting() !== null && onCanvas && this.actions.connectKey(event, this.connecting)) return;
    this.actions.onKey(event, onCanvas, target);
  }

  protected onKeyUp(event: KeyboardEvent): void {
    if (event.key === ' ') this.canvas()?.grab(false);
  }

  private openForm(part: 'name' | 'first' | 'open'): void {
    if (part === 'name' && !this.store.selectedNode()) return;
    this.formOpen.set(true);
    setTimeout(() => {
      if (part === 'name') this.inspector()?.rename();
      else if (part === 'first') this.inspector()?.focusFirst();
    });
  }

  /** The form of the workflow itself: of no node. */
  protected openWorkflow(): void {
    this.store.select([]);
    this.openForm('first');
  }

  protected openText(): void {
    const node = this.store.selectedNode();
    this.setView(window.innerWidth > 1000 ? 'split' : 'text');
    if (node) setTimeout(() => { this.store.show(node.keyFrom, node.keyTo); });
  }

  private focusView(): void {
    const view = this.view();
    if (view === 'text') document.querySelector<HTMLElement>('.cm-content')?.focus();
    else if (view === 'list') document.querySelector<HTMLElement>('.outline button[aria-pressed="true"], .outline button')?.focus();
    else this.canvas()?.focus();
  }
}
