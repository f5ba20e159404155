import { ChangeDetectionStrategy, Component, computed, inject, input, output, signal, viewChild } from '@angular/core';

import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { Needs } from '../components/needs';
import { StateView } from '../components/state-view';
import { Api, words } from '../data/api/api';
import { CancelRun, PlanOfRetry, type PlanOfRetryData, RetryRun, RunOutcome } from '../data/api/operations';
import { isOver, nodeState, type RunStateName } from '../domain/runs/states';
import { rowsOf } from '../domain/runs/table';
import { Messages } from '../state/messages';
import { shortId } from './run-words';

type Plan = Extract<PlanOfRetryData['retryPlan'], { readonly __typename: 'RetryPlan' }>;

/** A run that is chosen. */
export interface Chosen {
  readonly id: string;
  readonly workflow: string;
  readonly state: RunStateName;
}

interface Planned {
  readonly run: Chosen;
  readonly from: string;
  readonly plan: Plan | null;
  readonly why: string;
}

/** Does the same with several runs: cancels them, or runs them again from where they failed, after it has shown what happens again. */
@Component({
  selector: 'ff-bulk',
  templateUrl: './bulk.html',
  imports: [Dialog, Icon, Needs, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Bulk {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  readonly chosen = input.required<readonly Chosen[]>();
  readonly cleared = output();
  readonly changed = output();
  protected readonly short = shortId;
  protected readonly open = computed(() => this.chosen().filter(({ state }) => !isOver(state)));
  protected readonly over = computed(() => this.chosen().filter(({ state }) => isOver(state) && state !== 'DONE'));
  protected readonly busy = signal(false);
  protected readonly plans = signal<readonly Planned[] | null>(null);
  protected readonly ready = computed(() => (this.plans() ?? []).filter(({ plan }) => plan !== null));
  protected readonly repeats = computed(() => this.ready().flatMap(({ run, plan }) => (plan?.repeated ?? []).map((effect) => ({ run, effect }))));
  private readonly cancelling = viewChild.required<Dialog>('cancelling');
  private readonly retrying = viewChild.required<Dialog>('retrying');

  protected askCancel(): void {
    this.cancelling().open();
  }

  protected async cancel(): Promise<void> {
    const runs = this.open();
    this.cancelling().close();
    await this.each(runs, async ({ id }) => {
      const { cancelRun } = await this.api.ask(CancelRun, { input: { id, reason: 'cancelled in the browser, with others' } });
      return cancelRun.__typename === 'CancelRunSuccess' ? null : cancelRun.message;
    }, (count) => `${String(count)} ${count === 1 ? 'run was' : 'runs were'} told to stop.`);
  }

  protected async askRetry(): Promise<void> {
    const runs = this.over();
    this.plans.set(null);
    this.retrying().open();
    const plans: Planned[] = [];
    for (const run of runs) plans.push(await this.planOf(run));
    this.plans.set(plans);
  }

  protected async retry(): Promise<void> {
    const ready = this.ready();
    this.retrying().close();
    await this.each(ready, async ({ run, from, plan }) => {
      if (!plan) return null;
      const { retryRun } = await this.api.ask(RetryRun, { input: { id: run.id, from, newest: false, plan: plan.digest, clientRequestId: `retry-${run.id}-${plan.digest.slice(-24)}-${String(plan.generation)}` } });
      return retryRun.__typename === 'StartRunSuccess' ? null : retryRun.message;
    }, (count) => `${String(count)} ${count === 1 ? 'run runs' : 'runs run'} again.`);
  }

  /** From the first node that did not end well. */
  private async planOf(run: Chosen): Promise<Planned> {
    try {
      const found = (await this.api.ask(RunOutcome, { id: run.id })).run;
      const rows = rowsOf(found?.view ?? null).filter((row) => row.kind !== 'undo');
      const from = (rows.find((row) => nodeState(row.state).look === 'failed') ?? rows.find((row) => row.state === 'stopped' || row.state === 'not_run') ?? rows[0])?.node ?? '';
      const { retryPlan } = await this.api.ask(PlanOfRetry, { id: run.id, from, newest: false });
      return retryPlan.__typename === 'RetryPlan' ? { run, from, plan: retryPlan, why: '' } : { run, from, plan: null, why: retryPlan.message };
    } catch (error) {
      return { run, from: '', plan: null, why: words(error) };
    }
  }

  private async each<T>(items: readonly T[], act: (item: T) => Promise<string | null>, done: (count: number) => string): Promise<void> {
    this.busy.set(true);
    let count = 0;
    const refused: string[] = [];
    for (const item of items) {
      try {
        const why = await act(item);
        if (why === null) count += 1;
        else refused.push(why);
      } catch (error) {
        refused.push(words(error));
      }
    }
    this.busy.set(false);
    if (count > 0) this.messages.done(done(count));
    if (refused[0] !== undefined) this.messages.refused(refused.length === 1 ? refused[0] : `${String(refused.length)} were refused; the first: ${refused[0]}`);
    this.cleared.emit();
    this.changed.emit();
  }
}
