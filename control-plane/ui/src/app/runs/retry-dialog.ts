import { ChangeDetectionStrategy, Component, computed, inject, signal, viewChild } from '@angular/core';
import { Router } from '@angular/router';

import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { Api, words } from '../data/api/api';
import { PlanOfRetry, type PlanOfRetryData, RetryRun } from '../data/api/operations';

type Plan = Extract<PlanOfRetryData['retryPlan'], { readonly __typename: 'RetryPlan' }>;

/** Shows what a retry would do, what happens again first and in red, and starts exactly that. */
@Component({
  selector: 'ff-retry',
  templateUrl: './retry-dialog.html',
  imports: [Dialog, Icon, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RetryDialog {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  private readonly dialog = viewChild.required(Dialog);
  private run = '';
  protected readonly from = signal('');
  protected readonly newest = signal(false);
  protected readonly nodes = signal<readonly string[]>([]);
  protected readonly plan = signal<Plan | null>(null);
  protected readonly failure = signal<string | null>(null);
  protected readonly busy = signal(false);

  /** What happens outside once more, for the button. */
  protected readonly again = computed(() => {
    const steps = this.plan()?.repeated.map((effect) => effect.step) ?? [];
    return steps.length === 0 ? 'Retry' : steps.length === 1 ? `Retry, and do ${steps[0] ?? ''} again` : `Retry, and do ${String(steps.length)} effects again`;
  });

  async open(run: string, from: string, nodes: readonly string[]): Promise<void> {
    this.run = run;
    this.nodes.set(nodes);
    this.from.set(from);
    this.dialog().open();
    await this.load();
  }

  protected onFrom(event: Event): void {
    if (event.target instanceof HTMLSelectElement) this.from.set(event.target.value);
    void this.load();
  }

  protected choose(newest: boolean): void {
    this.newest.set(newest);
    void this.load();
  }

  private async load(): Promise<void> {
    const [from, newest] = [this.from(), this.newest()];
    this.plan.set(null);
    this.failure.set(null);
    try {
      const { retryPlan } = await this.api.ask(PlanOfRetry, { id: this.run, from, newest });
      // Another choice may have been made meanwhile.
      if (from !== this.from() || newest !== this.newest()) return;
      if (retryPlan.__typename === 'RetryPlan') this.plan.set(retryPlan);
      else this.failure.set(retryPlan.message);
    } catch (error) {
      this.failure.set(words(error));
    }
  }

  protected async start(): Promise<void> {
    const plan = this.plan();
    if (!plan) return;
    this.busy.set(true);
    try {
      const { retryRun } = await this.api.ask(RetryRun, { input: { id: this.run, from: this.from(), newest: this.newest(), plan: plan.digest, clientRequestId: `retry-${this.run}-${plan.digest.slice(-24)}-${String(plan.generation)}` } });
      if (retryRun.__typename === 'StartRunSuccess') {
        this.dialog().close();
        await this.router.navigate(['/runs', retryRun.run.id]);
      } else {
        this.failure.set(retryRun.message);
      }
    } catch (error) {
      this.failure.set(words(error));
    } finally {
      this.busy.set(false);
    }
  }
}
