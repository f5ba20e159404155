import { ChangeDetectionStrategy, Component, effect, inject, input, untracked } from '@angular/core';

import { LocalDrafts } from '../data/local-drafts';
import { NoDrafts } from '../data/no-drafts';
import type { Layout } from '../domain/layout/layout';
import { FlowCanvas } from '../editor/canvas/flow-canvas';
import type { NodeRun } from '../editor/canvas/node-card';
import { EditorStore } from '../state/editor-store';

/** One version as a graph that is only shown, with what differs laid over its cards. */
@Component({
  selector: 'ff-version-graph',
  template: `<ff-flow-canvas [runs]="marks()" [fixed]="true" />`,
  imports: [FlowCanvas],
  providers: [EditorStore, { provide: LocalDrafts, useClass: NoDrafts }],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'version-graph' },
})
export class VersionGraph {
  private readonly store = inject(EditorStore);
  readonly text = input.required<string>();
  readonly layout = input.required<Layout>();
  /** What is said of each node that differs. */
  readonly marks = input.required<ReadonlyMap<string, NodeRun>>();
  /** The node that is looked at in both graphs. */
  readonly chosen = input<string | null>(null);

  constructor() {
    effect(() => {
      const [text, layout] = [this.text(), this.layout()];
      untracked(() => { this.store.open(text, layout); });
    });
    effect(() => {
      const chosen = this.chosen();
      const known = this.store.graph().byId;
      untracked(() => { this.store.select(chosen !== null && known.has(chosen) ? [chosen] : []); });
    });
  }
}
