import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { RunStateView } from '../components/run-state';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { Runs, type RunsData, WorkflowNames } from '../data/api/operations';
import { asked } from '../data/resource';
import { isRunState, RUN_STATES } from '../domain/runs/states';
import { startedBy } from '../domain/runs/triggers';
import { Bulk } from './bulk';
import { shortId, tookOf } from './run-words';

const EVERY_MS = 3000;
const PAGE = 50;
/** Runs that can be chosen at once: each is asked about and told one by one. */
const CHOSEN_MAX = 50;

type Nodes = RunsData['runs']['nodes'];

/** Runs, newest first. The filters stand in the address, so that a list can be kept and sent. */
@Component({
  selector: 'ff-runs',
  templateUrl: './runs-page.html',
  imports: [AskedState, Bulk, Icon, RouterLink, RunStateView, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class RunsPage {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  /** From the address. */
  readonly state = input<string>();
  readonly workflow = input<string>();
  protected readonly wanted = computed(() => {
    const state = this.state()?.toUpperCase() ?? '';
    return { state: isRunState(state) ? state : null, workflow: this.workflow() ?? null };
  });
  protected readonly first = asked(() => this.api.ask(Runs, { first: PAGE, ...untracked(this.wanted) }), EVERY_MS);
  protected readonly names = asked(() => this.api.ask(WorkflowNames, {}), 0);
  /** Pages after the first, which are not asked for again. */
  private readonly older = signal<Nodes>([]);
  private readonly cursor = signal<string | null | undefined>(undefined);
  protected readonly loadingMore = signal(false);
  protected readonly failure = signal<string | null>(null);
  protected readonly now = signal(Date.now());
  protected readonly states = Object.entries(RUN_STATES).map(([name, shown]) => ({ name, key: name.toLowerCase(), ...shown }));
  protected readonly short = shortId;
  protected readonly by = startedBy;
  protected readonly took = tookOf;

  protected readonly rows = computed(() => {
    const first = this.first.value()?.runs.nodes ?? [];
    const known = new Set(first.map((run) => run.id));
    return [...first, ...this.older().filter((run) => !known.has(run.id))];
  });
  protected readonly next = computed(() => {
    const cursor = this.cursor();
    if (cursor !== undefined) return cursor;
    const page = this.first.value()?.runs.pageInfo;
    return page?.hasNextPage === true ? page.endCursor : null;
  });

  private readonly picked = signal<ReadonlySet<string>>(new Set());
  protected readonly chosen = computed(() => this.rows().filter((run) => this.picked().has(run.id)));
  protected readonly allChosen = computed(() => this.rows().length > 0 && this.chosen().length >= Math.min(this.rows().length, CHOSEN_MAX));

  constructor() {
    effect(() => {
      this.wanted();
      untracked(() => {
        this.older.set([]);
        this.picked.set(new Set());
        this.cursor.set(undefined);
        this.first.again();
      });
    });
    effect(() => {
      if (this.first.value()) this.now.set(Date.now());
    });
  }

  protected filter(key: 'state' | 'workflow', value: string): void {
    void this.router.navigate([], { queryParams: { [key]: value === '' ? null : value }, queryParamsHandling: 'merge' });
  }

  protected pick(id: string, event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const next = new Set(this.picked());
    if (event.target.checked && next.size < CHOSEN_MAX) next.add(id);
    else next.delete(id);
    event.target.checked = next.has(id);
    this.picked.set(next);
  }

  protected pickAll(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.picked.set(new Set(event.target.checked ? this.rows().slice(0, CHOSEN_MAX).map((run) => run.id) : []));
  }

  protected pickNone(): void {
    this.picked.set(new Set());
  }

  protected onChoice(key: 'state' | 'workflow', event: Event): void {
    if (event.target instanceof HTMLSelectElement) this.filter(key, event.target.value);
  }

  protected async more(): Promise<void> {
    this.loadingMore.set(true);
    this.failure.set(null);
    try {
      const { runs } = await this.api.ask(Runs, { first: PAGE, after: this.next(), ...this.wanted() });
      this.older.update((rows) => [...rows, ...runs.nodes]);
      this.cursor.set(runs.pageInfo.hasNextPage ? runs.pageInfo.endCursor : null);
    } catch (error) {
      this.failure.set(words(error));
    } finally {
      this.loadingMore.set(false);
    }
  }
}
