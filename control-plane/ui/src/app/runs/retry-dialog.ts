import { ChangeDetectionStrategy, Component, inject, signal, viewChild } from '@angular/core';
import { Router } from '@angular/router';

import { Dialog } from '../components/dialog';
import { StateView } from '../components/state-view';
import { Api, words } from '../data/api/api';
import { PlanOfRetry, type PlanOfRetryData, RetryRun } from '../data/api/operations';

type Plan = Extract<PlanOfRetryData['retryPlan'], { readonly __typename: 'RetryPlan' }>;

/** Shows what a retry would do, what happens again first and in red, and starts exactly that. */
@Component({
  selector: 'ff-retry',
  template: `
    <ff-dialog [heading]="'Retry from ' + from()" [width]="560">
      <div class="fields-list">
        <label class="field"><span class="lab">from</span><select class="input" [value]="from()" (change)="onFrom($event)">@for (node of nodes(); track node) {<option [value]="node" [selected]="node === from()">{{ node }}</option>}</select></label>
        <label class="row"><input type="checkbox" [checked]="newest()" (change)="onNewest($event)" />with the newest version of the workflow</label>
        @if (failure(); as why) {<div class="note failed" role="alert"><svg class="sg" aria-hidden="true"><use href="#i-state-failed" /></svg><span>{{ why }}</span></div>}
        @if (plan(); as shown) {
          @if (shown.repeated.length > 0) {
            <section class="note failed" aria-label="Will happen again"><svg class="sg" aria-hidden="true"><use href="#i-state-failed" /></svg><div class="grow"><h3>Will happen again</h3>
              <ul>@for (effect of shown.repeated; track effect.step) {<li><b class="strong">{{ effect.step }}</b>@for (used of effect.used; track $index) {, {{ used.count }} × {{ used.destination }}{{ used.secret ? ' with ' + used.secret : '' }}}<span class="small t2 under">for the {{ effect.times }}. time</span></li>}</ul></div></section>
          } @else {<p class="note quiet"><svg class="sg" aria-hidden="true"><use href="#i-state-done" /></svg><span>Nothing that was done outside is done again.</span></p>}
          <dl class="kv"><dt>runs again</dt><dd>{{ shown.runsAgain.join(', ') || 'nothing' }}</dd><dt>reused</dt><dd>{{ shown.reused.join(', ') || 'nothing' }}</dd>@if (shown.changed.length > 0) {<dt>changed</dt><dd>{{ shown.changed.join(', ') }}</dd>}<dt>version</dt><dd>{{ shown.version }}</dd></dl>
        } @else if (failure() === null) {<ff-state kind="loading" heading="Loading the plan" />}
      </div>
      <button dialogAction type="button" class="btn primary large" [disabled]="plan() === null || busy()" (click)="start()">{{ (plan()?.repeated?.length ?? 0) > 0 ? 'Retry, and do it again' : 'Retry' }}</button>
    </ff-dialog>
  `,
  imports: [Dialog, StateView],
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

  protected onNewest(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.newest.set(event.target.checked);
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
