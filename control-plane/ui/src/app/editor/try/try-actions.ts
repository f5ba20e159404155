import { computed, inject, Injectable, signal } from '@angular/core';

import { Api, words } from '../../data/api/api';
import { InputOf, TryDraft, type TryDraftInput } from '../../data/api/operations';
import { fieldsOfSchema, type InputField, mistakesBy, readInput } from '../../domain/runs/input-form';
import { EditorStore } from '../../state/editor-store';
import { Messages } from '../../state/messages';
import { TryData } from './try-data';

/** What is tried: everything, as far as a node, or one node alone. */
export type TryScope = { readonly kind: 'all' } | { readonly kind: 'to' | 'only'; readonly node: string };

/** Trying the document as it stands: a run that is marked as a draft's, with the results that were pinned. */
@Injectable()
export class TryActions {
  private readonly api = inject(Api);
  private readonly store = inject(EditorStore);
  private readonly data = inject(TryData);
  private readonly messages = inject(Messages);
  /** What was typed for the input, by the name of the workflow. */
  readonly texts = signal<ReadonlyMap<string, string>>(new Map());
  readonly fields = signal<readonly InputField[]>([]);
  readonly mistakes = signal<ReadonlyMap<string, string>>(new Map());
  readonly failure = signal<string | null>(null);
  readonly busy = signal(false);
  /** What waits for its input. */
  readonly asking = signal<TryScope | null>(null);
  readonly running = computed(() => this.busy() || (this.data.tried() && this.data.run() !== null && !['DONE', 'FAILED', 'REJECTED', 'EXPIRED', 'CANCELLED'].includes(this.data.run()?.state ?? '')));
  private known = '';

  /** Tries; first asks for the input, where a value is needed that nobody has given. Gives whether a run was started. */
  async start(scope: TryScope): Promise<boolean> {
    if (this.busy()) return false;
    this.failure.set(null);
    this.busy.set(true);
    try {
      if (!(await this.loadFields())) return false;
      const { mistakes } = readInput(this.fields(), this.texts());
      if (mistakes.size > 0 && scope.kind !== 'only') {
        this.asking.set(scope);
        return false;
      }
      return await this.run(scope);
    } catch (error) {
      this.refuse(words(error));
      return false;
    } finally {
      this.busy.set(false);
    }
  }

  /** Shows the fields of the input, to try with other values. */
  async ask(scope: TryScope): Promise<void> {
    this.failure.set(null);
    try {
      if (await this.loadFields()) this.asking.set(scope);
    } catch (error) {
      this.refuse(words(error));
    }
  }

  /** Tries with what was typed; gives whether a run was started. */
  async answered(): Promise<boolean> {
    const scope = this.asking();
    const { mistakes } = readInput(this.fields(), this.texts());
    this.mistakes.set(mistakes);
    if (scope === null || mistakes.size > 0) return false;
    const started = await this.start(scope);
    if (started) this.asking.set(null);
    return started;
  }

  private async loadFields(): Promise<boolean> {
    const { workflowGraph } = await this.api.ask(InputOf, { of: { source: this.store.text() } });
    if (workflowGraph.__typename !== 'WorkflowGraph') {
      this.refuse('message' in workflowGraph ? workflowGraph.message : 'The text cannot be read; the problems say why.');
      return false;
    }
    const fields = fieldsOfSchema(workflowGraph.inputSchema);
    this.fields.set(fields);
    const name = this.store.graph().name;
    const typed = this.known === name ? this.texts() : new Map<string, string>();
    this.known = name;
    this.texts.set(new Map(fields.map((field) => [field.name, typed.get(field.name) ?? field.initial])));
    return true;
  }

  private async run(scope: TryScope): Promise<boolean> {
    const { input } = readInput(this.fields(), this.texts());
    const own = scope.kind === 'all' ? {} : scope.kind === 'to' ? { to: scope.node } : { node: scope.node };
    // One node alone takes what it needs from the last try.
    const before = scope.kind === 'only' && this.data.runId() !== null ? { pinnedFrom: this.data.runId() } : {};
    const pins = Object.fromEntries([...this.data.pins()].filter(([node]) => scope.kind === 'all' || node !== scope.node));
    const request: TryDraftInput = { source: this.store.text(), ...own, ...before, ...(Object.keys(pins).length > 0 ? { pins } : {}), ...(scope.kind === 'only' && 'pinnedFrom' in before ? {} : { input }) };
    const { tryDraft } = await this.api.ask(TryDraft, { input: request });
    if (tryDraft.__typename === 'StartRunSuccess') {
      this.data.follow(tryDraft.run.id);
      return true;
    }
    if (tryDraft.__typename === 'InputProblem') this.mistakes.set(mistakesBy(tryDraft.fields));
    const fields = tryDraft.__typename === 'InputProblem' ? `: ${tryDraft.fields.map((field) => `${field.path} ${field.message}`).join('; ')}` : tryDraft.__typename === 'WorkflowProblem' && tryDraft.diagnostics[0] ? `; line ${String(tryDraft.diagnostics[0].line)}: ${tryDraft.diagnostics[0].message}` : '';
    this.refuse(`${tryDraft.message}${fields}`);
    return false;
  }

  private refuse(why: string): void {
    this.failure.set(why);
    this.messages.refused(why);
  }
}
