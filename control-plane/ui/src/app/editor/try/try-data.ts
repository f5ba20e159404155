import { computed, effect, inject, Injectable, signal, untracked } from '@angular/core';

import { Api } from '../../data/api/api';
import { LastRuns } from '../../data/api/operations';
import type { Json } from '../../domain/json';
import { NO_VALUES, valuesInRound, valuesOf } from '../../domain/runs/values';
import { isWorkflowName } from '../../domain/document/mark';
import type { ScopeData } from '../../domain/workflow/scope';
import { RunStore } from '../../runs/run-store';
import { EditorStore } from '../../state/editor-store';

/** The data that the editor shows and that expressions are tried with: of the last try, or else of the last run; and what was pinned. */
@Injectable()
export class TryData {
  private readonly api = inject(Api);
  private readonly store = inject(EditorStore);
  private readonly runs = inject(RunStore);
  private asked = '';
  private readonly pinned = signal<ReadonlyMap<string, Json>>(new Map());
  /** Results that stand for nodes in the next tries. */
  readonly pins = this.pinned.asReadonly();
  /** Which element of a list, and which round of a loop, is looked at; counted from 0. */
  readonly round = signal(0);
  /** Whether the run was tried from here. */
  readonly tried = signal(false);
  readonly run = this.runs.run;
  readonly runId = computed(() => this.runs.run()?.id ?? null);
  private readonly known = computed(() => (this.runs.run() === null ? NO_VALUES : valuesOf(this.runs.records())));
  /** What each name stands for. */
  readonly values = computed((): ReadonlyMap<string, Json> => {
    const found = new Map(valuesInRound(this.known(), this.round()));
    const input = this.runs.run()?.input;
    if (input !== undefined) found.set('input', input);
    for (const [name, value] of this.pinned()) found.set(name, value);
    return found;
  });
  readonly scopeData = computed((): ScopeData => ({ values: this.values(), round: this.round() }));
  /** Grows whenever values may have changed. */
  readonly version = computed(() => {
    this.values();
    return untracked(() => { this.count += 1; return this.count; });
  });
  private count = 0;

  constructor() {
    // Another workflow has other data.
    const name = computed(() => this.store.graph().name);
    effect(() => {
      name();
      untracked(() => {
        if (this.asked !== '' && this.asked !== name()) this.forget();
      });
    });
  }

  /** Fetches the data of the last try or run, if nobody has yet. */
  async want(): Promise<void> {
    const name = this.store.graph().name;
    if (this.asked === name || !isWorkflowName(name)) return;
    this.asked = name;
    try {
      const { drafts, published } = await this.api.ask(LastRuns, { name });
      const id = drafts.nodes[0]?.id ?? published.nodes[0]?.id;
      if (id !== undefined && this.asked === name && !this.tried()) this.runs.open(id);
    } catch {
      // There is no data then.
    }
  }

  /** Shows a try. */
  follow(run: string): void {
    this.asked = this.store.graph().name;
    this.tried.set(true);
    this.round.set(0);
    this.runs.open(run);
  }

  pin(node: string, value: Json): void {
    this.pinned.update((pins) => new Map(pins).set(node, value));
  }

  unpin(node: string): void {
    this.pinned.update((pins) => {
      const next = new Map(pins);
      next.delete(node);
      return next;
    });
  }

  private forget(): void {
    this.asked = '';
    this.tried.set(false);
    this.pinned.set(new Map());
    this.runs.shut();
  }
}
