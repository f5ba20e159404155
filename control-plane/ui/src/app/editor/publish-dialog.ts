import { ChangeDetectionStrategy, Component, computed, inject, output, signal, viewChild } from '@angular/core';

import { ChangeList, type Difference } from '../components/change-list';
import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { Api, words } from '../data/api/api';
import { CompareTexts, PrepareRelease, type PrepareReleaseData } from '../data/api/operations';
import { readWorkflow } from '../domain/workflow/read';
import { reachesMore, summaryOf, summaryText } from '../domain/workflow/summary';
import { readYaml } from '../domain/yaml/tree';
import { EditorStore } from '../state/editor-store';
import { Messages } from '../state/messages';
import { DraftCalls } from './drafts/draft-calls';
import { DraftKeeper } from './drafts/draft-keeper';
import { EditorActions } from './editor-actions';
import type { Finding } from './findings';

type Prepared = Extract<PrepareReleaseData['prepareRelease'], { readonly __typename: 'PreparedRelease' }>;

/** What would be published, for people: what it may do, what differs from the version that is live; and publishing it. */
@Component({
  selector: 'ff-publish',
  templateUrl: './publish-dialog.html',
  imports: [ChangeList, Dialog, Icon, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PublishDialog {
  private readonly api = inject(Api);
  private readonly calls = inject(DraftCalls);
  private readonly keeper = inject(DraftKeeper);
  private readonly messages = inject(Messages);
  protected readonly store = inject(EditorStore);
  protected readonly actions = inject(EditorActions);
  private readonly dialog = viewChild.required(Dialog);
  /** Something was published. */
  readonly published = output();
  protected readonly prepared = signal<Prepared | null>(null);
  protected readonly difference = signal<Difference | null>(null);
  protected readonly failure = signal<string | null>(null);
  /** Why this server does not sign, if it does not. */
  protected readonly unsigned = signal<string | null>(null);
  protected readonly busy = signal(false);
  protected readonly heading = computed(() => {
    const release = this.prepared();
    return `Publish ${this.store.graph().name}${release ? ` v${String(release.version)}` : ''}`;
  });
  protected readonly before = computed(() => this.keeper.published()?.version ?? null);
  protected readonly triggered = computed(() => this.store.graph().triggers.length > 0);
  protected readonly parts = computed(() => {
    const release = this.prepared();
    const before = this.keeper.published();
    return release ? summaryOf(this.store.graph(), release.summary, before ? readWorkflow(readYaml(before.text)) : null) : [];
  });
  protected readonly more = computed(() => reachesMore(this.parts()));

  async open(): Promise<void> {
    this.prepared.set(null);
    this.difference.set(null);
    this.failure.set(null);
    this.unsigned.set(null);
    this.dialog().open();
    const source = this.store.text();
    const before = this.keeper.published();
    try {
      const [release, compared] = await Promise.all([
        this.api.ask(PrepareRelease, { input: { source } }),
        before ? this.api.ask(CompareTexts, { before: { workflow: before.name, version: before.version }, after: { source } }) : null,
      ]);
      if (compared?.compareWorkflows.__typename === 'WorkflowComparison') this.difference.set(compared.compareWorkflows);
      if (release.prepareRelease.__typename === 'PreparedRelease') this.prepared.set(release.prepareRelease);
      else this.failure.set(withFindings(release.prepareRelease.message, release.prepareRelease.diagnostics));
    } catch (error) {
      this.failure.set(words(error));
    }
  }

  protected async publish(): Promise<void> {
    this.busy.set(true);
    this.failure.set(null);
    const text = this.store.text();
    try {
      const saved = await this.keeper.flush();
      const mark = this.store.mark();
      if (!saved || mark === null) {
        const state = this.keeper.state();
        this.failure.set('why' in state ? state.why : 'It could not be saved first: somebody else saved it. Close this, and decide what counts.');
        return;
      }
      const answer = await this.calls.publish(mark.workflow, mark.revision);
      if (answer.__typename === 'PublishReleaseSuccess') {
        this.keeper.publishedAs(answer.workflow.version, text);
        this.dialog().close();
        this.messages.done(`${answer.workflow.name} v${String(answer.workflow.version)} is live.`);
        this.published.emit();
      } else if (answer.__typename === 'SigningProblem') {
        this.unsigned.set(answer.message);
      } else {
        this.failure.set('diagnostics' in answer ? withFindings(answer.message, answer.diagnostics) : answer.message);
      }
    } catch (error) {
      this.failure.set(words(error));
    } finally {
      this.busy.set(false);
    }
  }

  protected async copy(): Promise<void> {
    await navigator.clipboard.writeText(summaryText(`${this.heading()}: ${this.prepared()?.summary.title ?? ''}`, this.parts()));
    this.messages.done('The summary is in the clipboard.');
  }
}

function withFindings(message: string, findings: readonly Finding[]): string {
  return findings.length === 0 ? message : `It cannot be published yet. ${findings.slice(0, 3).map((finding) => `Line ${String(finding.line)}: ${finding.message}.`).join(' ')}${findings.length > 3 ? ` And ${String(findings.length - 3)} more.` : ''}`;
}
