import { ChangeDetectionStrategy, Component, inject, signal, viewChild } from '@angular/core';
import { Router } from '@angular/router';

import { Dialog } from '../components/dialog';
import { InputFields } from '../components/input-fields';
import { StateView } from '../components/state-view';
import { Api, words } from '../data/api/api';
import { StartRun, WorkflowText } from '../data/api/operations';
import { fieldsOfSchema, type InputField, mistakesBy, readInput } from '../domain/runs/input-form';

/** Asks for the input of a workflow, with what its schema says of each value, and starts a run. */
@Component({
  selector: 'ff-start-run',
  templateUrl: './start-run.html',
  imports: [Dialog, InputFields, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class StartRunDialog {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  private readonly dialog = viewChild.required(Dialog);
  protected readonly workflow = signal('');
  protected readonly title = signal('');
  protected readonly fields = signal<readonly InputField[] | null>(null);
  protected readonly texts = signal<ReadonlyMap<string, string>>(new Map());
  protected readonly mistakes = signal<ReadonlyMap<string, string>>(new Map());
  protected readonly failure = signal<string | null>(null);
  protected readonly starting = signal(false);
  /** One start, however often it is asked for: a second click, or one after an answer that was lost. */
  private request = '';

  async open(workflow: string): Promise<void> {
    this.workflow.set(workflow);
    this.fields.set(null);
    this.failure.set(null);
    this.mistakes.set(new Map());
    this.request = crypto.randomUUID();
    this.dialog().open();
    try {
      const found = (await this.api.ask(WorkflowText, { name: workflow })).workflow;
      if (!found) {
        this.failure.set(`There is no workflow ${workflow}.`);
        return;
      }
      const fields = fieldsOfSchema(found.inputSchema);
      this.title.set(found.title);
      this.texts.set(new Map(fields.map((field) => [field.name, field.initial])));
      this.fields.set(fields);
    } catch (error) {
      this.failure.set(words(error));
    }
  }

  protected onTexts(texts: ReadonlyMap<string, string>): void {
    this.texts.set(texts);
    // Another input is another request.
    this.request = crypto.randomUUID();
  }

  protected async start(): Promise<void> {
    const { input, mistakes } = readInput(this.fields() ?? [], this.texts());
    this.mistakes.set(mistakes);
    this.failure.set(null);
    if (mistakes.size > 0) return;
    this.starting.set(true);
    try {
      const { startRun } = await this.api.ask(StartRun, { input: { workflow: this.workflow(), input, clientRequestId: this.request } });
      if (startRun.__typename === 'StartRunSuccess') {
        this.dialog().close();
        await this.router.navigate(['/runs', startRun.run.id]);
        return;
      }
      this.failure.set(startRun.message);
      if (startRun.__typename === 'InputProblem') this.mistakes.set(mistakesBy(startRun.fields));
    } catch (error) {
      this.failure.set(words(error));
    } finally {
      this.starting.set(false);
    }
  }
}
