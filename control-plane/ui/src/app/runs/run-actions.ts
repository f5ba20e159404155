import { inject, Injectable } from '@angular/core';

import { saveText } from '../components/save';
import { Api, words } from '../data/api/api';
import { CancelRun, DecideApproval, type Operation, PauseRun, ResumeRun, type ReviewAction, ReviewStep, SendSignal } from '../data/api/operations';
import type { Json } from '../domain/json';
import { jsonText } from '../domain/json-text';
import { Messages } from '../state/messages';
import { RunStore } from './run-store';

/** What a person can do with a run. Each says what came of it and shows the run as it is then. */
@Injectable()
export class RunActions {
  private readonly api = inject(Api);
  private readonly store = inject(RunStore);
  private readonly messages = inject(Messages);

  pause(): void {
    void this.tell(PauseRun, { input: { id: this.id() } }, (data) => data.pauseRun, 'It pauses: no step begins until it goes on.');
  }

  resume(): void {
    void this.tell(ResumeRun, { input: { id: this.id() } }, (data) => data.resumeRun, 'It goes on.');
  }

  cancel(): void {
    void this.tell(CancelRun, { input: { id: this.id(), reason: 'cancelled in the browser' } }, (data) => data.cancelRun, 'It was told to stop.');
  }

  async decide(approval: string, approved: boolean, comment: string): Promise<void> {
    await this.tell(DecideApproval, { input: { id: approval, approved, ...(comment === '' ? {} : { comment }) } }, (data) => data.decideApproval, approved ? 'Approved.' : 'Declined.');
  }

  async signal(name: string, correlation: string | null, payload: Json): Promise<void> {
    await this.tell(SendSignal, { input: { run: this.id(), name, correlation, payload } }, (data) => data.sendSignal, `The signal ${name} was sent.`);
  }

  async review(step: string, action: ReviewAction, output: Json | undefined): Promise<void> {
    await this.tell(ReviewStep, { input: { run: this.id(), step, action, ...(output === undefined ? {} : { output }) } }, (data) => data.reviewStep, 'The run was told.');
  }

  async saveEvidence(): Promise<void> {
    try {
      const evidence = await this.store.evidence();
      if (!evidence) {
        this.messages.refused('The release of this run is gone.');
        return;
      }
      saveText(`${evidence.name}.json`, jsonText(evidence.parts, 1), 'application/json');
    } catch (error) {
      this.messages.refused(words(error));
    }
  }

  private id(): string {
    return this.store.run()?.id ?? '';
  }

  private async tell<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables, payload: (data: Data) => { readonly __typename: string; readonly message?: string }, done: string): Promise<void> {
    try {
      const answer = payload(await this.api.ask(operation, variables));
      if (answer.message === undefined) this.messages.done(done);
      else this.messages.refused(answer.message);
    } catch (error) {
      this.messages.refused(words(error));
    }
    await this.store.refresh();
  }
}
