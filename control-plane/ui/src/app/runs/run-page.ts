import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked, viewChild } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Icon } from '../components/icon';
import { RunStateView } from '../components/run-state';
import { RunTimelineView } from '../components/run-timeline';
import { StateView } from '../components/state-view';
import { Tabs } from '../components/tabs';
import { ValueView } from '../components/value-view';
import { When } from '../components/when';
import { LocalDrafts } from '../data/local-drafts';
import { NoDrafts } from '../data/no-drafts';
import { outputsOf } from '../domain/runs/records';
import { nodeState } from '../domain/runs/states';
import { duration } from '../domain/timeline/timeline';
import { FlowCanvas } from '../editor/canvas/flow-canvas';
import type { NodeRun } from '../editor/canvas/node-card';
import { EditorStore } from '../state/editor-store';
import { RetryDialog } from './retry-dialog';
import { RunActions } from './run-actions';
import { RunAsks } from './run-asks';
import { RunStore } from './run-store';
import { shortId, startedBy } from './run-words';

/** One run: what it waits for, the graph with the run laid over it, its time, its values, its log. */
@Component({
  selector: 'ff-run',
  templateUrl: './run-page.html',
  imports: [FlowCanvas, Icon, RetryDialog, RouterLink, RunAsks, RunStateView, RunTimelineView, StateView, Tabs, ValueView, When],
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
  protected readonly tab = signal('values');
  protected readonly short = shortId;
  protected readonly by = startedBy;
  protected readonly tabs = computed(() => [{ id: 'values', label: 'Values' }, { id: 'log', label: 'Log', count: this.store.logs().length }, { id: 'receipt', label: 'Receipt' }]);
  protected readonly overlay = computed((): ReadonlyMap<string, NodeRun> => new Map(this.store.rows().map((row) => {
    const shown = nodeState(row.state);
    return [row.node, { state: shown.look, word: shown.word, text: row.what || shown.word, time: row.time === null ? '' : duration(row.time) }];
  })));
  protected readonly hasGraph = computed(() => (this.store.source() ?? '') !== '');
  protected readonly node = computed(() => this.store.rows().find((row) => row.node === this.selected()) ?? null);
  protected readonly outputs = computed(() => {
    const node = this.selected();
    return node === null ? [] : outputsOf(this.store.records(), node).slice(-20);
  });
  protected readonly logs = computed(() => this.store.logs().filter((line) => this.selected() === null || line.step.split(/[.[]/)[0] === this.selected()));
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
    // A card that is chosen chooses its row, and the other way round.
    effect(() => {
      const chosen = this.graph.selectedNode()?.id;
      if (chosen !== undefined) untracked(() => { if (this.store.rows().some((row) => row.node === chosen)) this.selected.set(chosen); });
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
