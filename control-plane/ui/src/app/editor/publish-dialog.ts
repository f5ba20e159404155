import { ChangeDetectionStrategy, Component, inject, signal, viewChild } from '@angular/core';

import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { Api, words } from '../data/api/api';
import { PrepareRelease, type PrepareReleaseData } from '../data/api/operations';
import { EditorStore } from '../state/editor-store';
import { EditorActions } from './editor-actions';

type Prepared = Extract<PrepareReleaseData['prepareRelease'], { readonly __typename: 'PreparedRelease' }>;

/** What would be published, for people, and how: a release is signed with a key that no browser has. */
@Component({
  selector: 'ff-publish',
  template: `
    <ff-dialog [heading]="'Publish ' + store.graph().name" [width]="560">
      <div class="fields-list">
        @if (failure(); as why) {<div class="note failed" role="alert"><svg class="sg" aria-hidden="true"><use href="#i-state-failed" /></svg><span>{{ why }}</span></div>}
        @if (prepared(); as release) {
          <p>It can be published as <b class="strong">version {{ release.version }}</b>. {{ release.summary.title }}</p>
          <dl class="kv">
            <dt>may reach</dt><dd>{{ release.summary.destinations.join(', ') || 'nothing outside' }}</dd>
            <dt>secrets</dt><dd>{{ release.summary.secrets.join(', ') || 'none' }}</dd>
            <dt>connectors</dt><dd>@for (item of release.summary.connectors; track item.name) {<span class="under">{{ item.name }} {{ item.version }}</span>} @empty {none}</dd>
          </dl>
          <div class="note quiet"><ff-icon name="key" /><span>A release is signed, and what it may reach is granted, with keys that stay on your machine. This page has none, so it does not publish. Download the file and type:</span></div>
          <pre class="value-json">flowforge workflow publish {{ store.graph().name }}.yaml</pre>
        } @else if (failure() === null) {<ff-state kind="loading" heading="The control plane compiles it" />}
      </div>
      <button dialogAction type="button" class="btn primary large" (click)="actions.download()"><ff-icon name="download" size="s" />Download the file</button>
    </ff-dialog>
  `,
  imports: [Dialog, Icon, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PublishDialog {
  private readonly api = inject(Api);
  protected readonly store = inject(EditorStore);
  protected readonly actions = inject(EditorActions);
  private readonly dialog = viewChild.required(Dialog);
  protected readonly prepared = signal<Prepared | null>(null);
  protected readonly failure = signal<string | null>(null);

  async open(): Promise<void> {
    this.prepared.set(null);
    this.failure.set(null);
    this.dialog().open();
    try {
      const { prepareRelease } = await this.api.ask(PrepareRelease, { input: { source: this.store.text() } });
      if (prepareRelease.__typename === 'PreparedRelease') this.prepared.set(prepareRelease);
      else this.failure.set(`${prepareRelease.message}${prepareRelease.diagnostics.slice(0, 3).map((finding) => `; line ${String(finding.line)}: ${finding.message}`).join('')}`);
    } catch (error) {
      this.failure.set(words(error));
    }
  }
}
