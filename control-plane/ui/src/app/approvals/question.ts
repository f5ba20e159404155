import { ChangeDetectionStrategy, Component, computed, effect, type ElementRef, inject, input, signal, untracked, viewChild } from '@angular/core';
import { RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { InputFields } from '../components/input-fields';
import { Lacks, Needs } from '../components/needs';
import { StateView } from '../components/state-view';
import { ValueView } from '../components/value-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { DecideApproval, OneQuestion, RunVersion, WorkflowText } from '../data/api/operations';
import { asked } from '../data/resource';
import { fieldsOfForm, mistakesOfForm, readInput } from '../domain/runs/input-form';
import { lastName } from '../domain/runs/records';
import { consequencesOf, type Consequence } from '../domain/workflow/consequences';
import { readWorkflow } from '../domain/workflow/read';
import { readYaml } from '../domain/yaml/tree';
import { shortId } from '../runs/run-words';
import { Messages } from '../state/messages';
import { approversWords, expiryWords, quorumWords, reminderWords } from './approval-words';

const EVERY_MS = 3000;

/** One question: what is shown with it first, then what each answer leads to, then the answer. */
@Component({
  selector: 'ff-question',
  templateUrl: './question.html',
  imports: [AskedState, Icon, InputFields, Lacks, Needs, RouterLink, StateView, ValueView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'question', '(document:keydown)': 'onKey($event)' },
})
export class Question {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  /** From the address: an id, a unique prefix of one, or `last`. */
  readonly id = input.required<string>();
  protected readonly found = asked(() => this.api.ask(OneQuestion, { id: untracked(this.id) }), EVERY_MS);
  protected readonly approval = computed(() => this.found.value()?.approval ?? null);
  protected readonly comment = signal('');
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);
  /** What each answer leads to; null where the text of the workflow is not known. */
  protected readonly leads = signal<{ readonly yes: readonly Consequence[]; readonly no: readonly Consequence[] | null } | null>(null);
  /** What is to be filled in; made anew for another question only, so that nothing that was typed is lost. */
  protected readonly fields = computed(() => fieldsOfForm(this.approval()?.form ?? []), { equal: (a, b) => a.map(({ name }) => name).join() === b.map(({ name }) => name).join() });
  protected readonly texts = signal<ReadonlyMap<string, string>>(new Map());
  protected readonly mistakes = signal<ReadonlyMap<string, string>>(new Map());
  protected readonly yes = computed(() => (this.approval()?.answers ?? []).filter(({ approved }) => approved).length);
  protected readonly asks = approversWords;
  protected readonly expiry = expiryWords;
  protected readonly quorum = quorumWords;
  protected readonly reminded = reminderWords;
  protected readonly short = shortId;
  protected readonly box = viewChild<ElementRef<HTMLTextAreaElement>>('box');

  constructor() {
    effect(() => {
      this.id();
      untracked(() => {
        this.comment.set('');
        this.mistake.set(null);
        this.found.again();
      });
    });
    const asking = computed(() => this.approval()?.id ?? null);
    effect(() => {
      if (asking() !== null) {
        untracked(() => {
          this.texts.set(new Map(this.fields().map((field) => [field.name, field.initial])));
          this.mistakes.set(new Map());
          void this.readLeads();
        });
      }
    });
  }

  protected onComment(event: Event): void {
    if (event.target instanceof HTMLTextAreaElement) this.comment.set(event.target.value);
  }

  /** A approves, R declines; with R the comment comes first. */
  protected onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || this.approval()?.state !== 'PENDING' || (event.target instanceof HTMLElement && event.target.closest('input, textarea, select, dialog'))) return;
    if (event.key === 'a') void this.decide(true);
    else if (event.key === 'r' && this.comment().trim() === '') this.box()?.nativeElement.focus();
    else if (event.key === 'r') void this.decide(false);
    else return;
    event.preventDefault();
  }

  protected async decide(approved: boolean): Promise<void> {
    const approval = this.approval();
    if (!approval || this.busy() || approval.signers.length > 0) return;
    const { input: form, mistakes } = readInput(this.fields(), this.texts());
    this.mistakes.set(approved ? mistakes : new Map());
    this.mistake.set(approved && mistakes.size > 0 ? 'Something is still to be filled in.' : null);
    if (approved && mistakes.size > 0) return;
    this.busy.set(true);
    try {
      const comment = this.comment().trim();
      const { decideApproval } = await this.api.ask(DecideApproval, {
        input: { id: approval.id, approved, ...(comment === '' ? {} : { comment }), ...(approved && this.fields().length > 0 ? { form } : {}) },
      });
      if (decideApproval.__typename === 'DecideApprovalSuccess') this.messages.done(!approved ? 'Declined.' : decideApproval.approval.state === 'PENDING' ? 'Your yes counts; others have to answer, too.' : 'Approved.');
      else this.mistake.set(decideApproval.message);
      if (decideApproval.__typename === 'InputProblem') this.mistakes.set(mistakesOfForm(decideApproval.fields));
    } catch (error) {
      this.mistake.set(words(error));
    } finally {
      this.busy.set(false);
      this.found.again();
    }
  }

  private async readLeads(): Promise<void> {
    const approval = this.approval();
    if (!approval) return;
    this.leads.set(null);
    try {
      const [{ run }, { workflow }] = await Promise.all([this.api.ask(RunVersion, { id: approval.run }), this.api.ask(WorkflowText, { name: approval.workflow })]);
      const source = workflow?.versions.find((version) => version.version === run?.version)?.source;
      if (source === undefined || source === null || this.approval()?.id !== approval.id) return;
      const graph = readWorkflow(readYaml(source));
      const node = lastName(approval.step);
      if (graph.byId.has(node)) this.leads.set({ yes: consequencesOf(graph, node, 'approved') ?? [], no: consequencesOf(graph, node, 'rejected') });
    } catch {
      // The question can be answered without.
    }
  }
}
