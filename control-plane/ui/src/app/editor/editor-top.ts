import { ChangeDetectionStrategy, Component, computed, inject, input, output } from '@angular/core';

import { RouterLink } from '@angular/router';

import { Icon } from '../components/icon';
import { Needs } from '../components/needs';
import { isWorkflowName } from '../domain/document/mark';
import { EditorStore } from '../state/editor-store';
import { DraftKeeper } from './drafts/draft-keeper';
import { EditorActions } from './editor-actions';
import type { ViewName } from './editor-page';

/** The bar above the views: what is edited, how it is looked at, whether it is right, and undo. */
@Component({
  selector: 'ff-editor-top',
  templateUrl: './editor-top.html',
  imports: [Icon, Needs, RouterLink],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class EditorTop {
  protected readonly store = inject(EditorStore);
  protected readonly actions = inject(EditorActions);
  private readonly keeper = inject(DraftKeeper);
  readonly view = input.required<ViewName>();
  readonly scale = input(1);
  readonly problemsOpen = input(false);
  readonly viewChange = output<ViewName>();
  readonly problemsToggle = output();
  /** The published version that this text is, or null. */
  readonly runnable = input<number | null>(null);
  readonly publishWanted = output();
  readonly runWanted = output();
  protected readonly views: readonly { readonly id: ViewName; readonly label: string; readonly wide: boolean }[] = [
    { id: 'canvas', label: 'Canvas', wide: false },
    { id: 'split', label: 'Both', wide: true },
    { id: 'text', label: 'Text', wide: false },
    { id: 'list', label: 'List', wide: false },
  ];
  protected readonly count = computed(() => {
    const { nodes } = this.store.graph();
    const connectors = new Set(nodes.flatMap((node) => (typeof node.value['call'] === 'string' ? [node.value['call'].split('/')[0]] : [])));
    const words = nodes.length === 1 ? '1 node' : `${String(nodes.length)} nodes`;
    return connectors.size === 0 ? words : `${words} · ${connectors.size === 1 ? '1 connector' : `${String(connectors.size)} connectors`}`;
  });
  readonly conflictWanted = output();
  readonly dataOpen = input(false);
  readonly trying = input(false);
  readonly dataToggle = output();
  readonly tryWanted = output();
  readonly inputWanted = output();
  readonly workflowWanted = output();
  protected readonly asks = computed(() => Object.keys(this.store.graph().input).length > 0);
  protected readonly named = computed(() => isWorkflowName(this.store.graph().name) && this.store.mark() !== null);
  /** Which versions there are, in a few words. */
  protected readonly live = computed(() => {
    const published = this.keeper.published();
    return published === null ? '' : `v${String(published.version)} is live`;
  });
  /** Where the document is kept, and since when. */
  protected readonly keeping = computed(() => {
    const state = this.keeper.state();
    const mark = this.store.mark();
    if (state.kind === 'conflict') return { text: 'Not saved: somebody else saved', title: '', bad: true };
    if (state.kind === 'refused') return { text: 'Kept in this browser only', title: state.why, bad: true };
    if (state.kind === 'unreached') return { text: 'Kept in this browser only', title: state.why, bad: false };
    if (state.kind === 'saving' || this.keeper.unsaved()) return { text: 'Saving…', title: '', bad: false };
    if (mark !== null && mark.savedAt > 0) return { text: `Saved ${clock(mark.savedAt)}`, title: `${new Date(mark.savedAt).toISOString()} by ${mark.savedBy}`, bad: false };
    return null;
  });
}

function clock(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}
