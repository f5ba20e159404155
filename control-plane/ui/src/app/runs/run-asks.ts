import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { RouterLink } from '@angular/router';

import { quorumWords } from '../approvals/approval-words';
import { Needs } from '../components/needs';
import { ValueView } from '../components/value-view';
import { When } from '../components/when';
import { isList, type Json } from '../domain/json';
import { readJson } from '../domain/typed-json';
import { ReviewForm, type Verdict } from './review-form';
import { RunActions } from './run-actions';
import { RunStore } from './run-store';

/** What the run waits for from people: questions, signals, steps whose outcome is unknown. */
@Component({
  selector: 'ff-run-asks',
  templateUrl: './run-asks.html',
  imports: [Needs, ReviewForm, RouterLink, ValueView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'asks' },
})
export class RunAsks {
  protected readonly store = inject(RunStore);
  private readonly actions = inject(RunActions);
  protected readonly pending = computed(() => (this.store.over() ? [] : (this.store.run()?.approvals ?? []).filter((approval) => approval.state === 'PENDING')));
  protected readonly decided = computed(() => (this.store.run()?.approvals ?? []).filter((approval) => approval.state !== 'PENDING'));
  protected readonly waits = computed(() => (this.store.over() ? [] : (this.store.run()?.waits ?? [])));
  protected readonly quorum = quorumWords;
  protected readonly texts = signal<ReadonlyMap<string, string>>(new Map());
  protected readonly mistake = signal<string | null>(null);
  protected readonly busy = signal(false);

  /** A form is filled in and a signature is told of on the question's own page. */
  protected onItsPage(approval: { readonly form: Json; readonly signers: readonly string[] }): boolean {
    return approval.signers.length > 0 || (isList(approval.form) && approval.form.length > 0);
  }

  protected onText(key: string, event: Event): void {
    const target = event.target;
    if (target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement) this.texts.update((texts) => new Map(texts).set(key, target.value));
  }

  protected async decide(id: string, approved: boolean): Promise<void> {
    await this.once(() => this.actions.decide(id, approved, this.texts().get(id) ?? ''));
  }

  protected async signal(step: string, name: string, correlation: string | null): Promise<void> {
    const payload = this.json(step);
    if (payload !== undefined) await this.once(() => this.actions.signal(name, correlation, payload));
  }

  protected async review(step: string, { action, output }: Verdict): Promise<void> {
    await this.once(() => this.actions.review(step, action, output));
  }

  private async once(act: () => Promise<void>): Promise<void> {
    if (this.busy()) return;
    this.busy.set(true);
    this.mistake.set(null);
    await act();
    this.busy.set(false);
  }

  /** What was typed, null if nothing; undefined, and a message, if it is not JSON. */
  private json(key: string): Json | undefined {
    const text = this.texts().get(key) ?? '';
    if (text.trim() === '') return null;
    const { value, mistake } = readJson(text);
    if (mistake !== undefined) this.mistake.set(mistake);
    return value;
  }
}
