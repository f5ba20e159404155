import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked, viewChild } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Icon } from '../components/icon';
import { Lacks, Needs } from '../components/needs';
import { RunStateView } from '../components/run-state';
import { RunTimelineView } from '../components/run-timeline';
import { StateView } from '../components/state-view';
import { ValueView } from '../components/value-view';
import { When } from '../components/when';
import { LocalDrafts } from '../data/local-drafts';
import { NoDrafts } from '../data/no-drafts';
import { nodeOf } from '../domain/runs/records';
import { nodeState } from '../domain/runs/states';
import { startedBy } from '../domain/runs/triggers';
import { roundsOf } from '../domain/runs/steps';
import { FlowCanvas } from '../editor/canvas/flow-canvas';
import type { NodeRun } from '../editor/canvas/node-card';
import { EditorStore } from '../state/editor-store';
import { overlayOf } from './overlay';
import { RetryDialog } from './retry-dialog';
import { RoundPicker } from './round-picker';
import { RunActions } from './run-actions';
import { RunAsks } from './run-asks';
import { RunSide } from './run-side';
import { RunStore } from './run-store';
import { shortId } from './run-words';

/** One run: what it waits for, the graph with the run laid over it, its time, its values, its log. */
@Component({
  selector: 'ff-run',
  templateUrl: './run-page.html',
  imports: [FlowCanvas, Icon, Lacks, Needs, RetryDialog, RoundPicker, RouterLink, RunAsks, RunSide, RunStateView, RunTimelineView, StateView, ValueView, When],
  // The graph is drawn from a document of its own, which is not kept as the draft.
  providers: [RunStore, RunActions, EditorStore, { provide: LocalDrafts, useClass: NoDrafts }],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class RunPage {
  protected readonly store = inject(RunStore);
  protected readonly actions = inject(RunActions);
  private readonly graph = inject(EditorStore);
  private readonly retryDialog = viewChild.required(RetryDialog);
  /** From the address. */
  readonly id = input.required<string>();
  protected readonly selected = signal<string | null>(null);
  /** The round of a loop that is looked at; null: all of them. */
  protected readonly round = signal<string | null>(null);
  protected readonly short = shortId;
  /** Why its host lets the run rest, if it does: it says so in these words, with a code. */
  protected readonly stuck = computed(() => {
    const run = this.store.run();
    return run?.waitingFor != null && !this.store.over() && /\(FF-RUN-\d+\)/.test(run.waitingFor) ? run.waitingFor.replace(/^something to be mended at its host: /, '') : null;
  });
  protected readonly by = startedBy;
  protected readonly overlay = computed((): ReadonlyMap<string, NodeRun> => overlayOf(this.store, this.round()));
  /** The rounds of the loop that is selected, or that the selected node stands in. */
  protected readonly rounds = computed(() => {
    const node = this.selected();
    return node === null ? [] : roundsOf(this.store.steps(), node);
  });
  protected readonly loop = computed(() => this.rounds()[0]?.words.replace(/ \d+$/, '') ?? '');
  /** The row of the timeline that the selected node belongs to. */
  protected readonly row = computed(() => {
    const node = this.selected();
    if (node === null || this.store.rows().some((row) => row.node === node)) return node;
    return nodeOf(this.rounds()[0]?.round ?? node);
  });
  protected readonly hasGraph = computed(() => (this.store.source() ?? '') !== '');
  protected readonly failure = computed(() => this.store.run()?.failure ?? null);

  constructor() {
    effect(() => {
      const id = this.id();
      untracked(() => {
        this.selected.set(null);
        this.store.open(id);
      });
    });
    effect(() => {
      const source = this.store.source();
      if (source !== null && source !== '') untracked(() => { this.graph.open(source); });
    });
    effect(() => {
      const round = this.round();
      if (round !== null && !this.rounds().some((known) => known.round === round)) untracked(() => { this.round.set(null); });
    });
    // A card that is chosen chooses its row, and the other way round.
    effect(() => {
      const chosen = this.graph.selectedNode()?.id;
      if (chosen !== undefined) untracked(() => { this.selected.set(chosen); });
    });
  }

  protected choose(node: string | null): void {
    this.selected.set(node);
    this.graph.select(node === null ? [] : [node]);
  }

  protected retry(): void {
    const failed = this.store.rows().find((row) => nodeState(row.state).look === 'failed') ?? this.store.rows()[0];
    void this.retryDialog().open(this.id(), this.selected() ?? failed?.node ?? '', this.store.rows().filter((row) => row.kind !== 'undo').map((row) => row.node));
  }
}
