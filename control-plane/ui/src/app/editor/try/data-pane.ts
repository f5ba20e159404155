import { ChangeDetectionStrategy, Component, computed, effect, inject, input, linkedSignal, output, signal, untracked } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Icon } from '../../components/icon';
import { ValueView } from '../../components/value-view';
import { Catalogue } from '../../data/catalogue';
import type { Json } from '../../domain/json';
import { jsonText } from '../../domain/json-text';
import { readJson } from '../../domain/typed-json';
import { scopeOf } from '../../domain/workflow/scope';
import { RunStore } from '../../runs/run-store';
import { shortId } from '../../runs/run-words';
import { EditorStore } from '../../state/editor-store';
import type { NodeRun } from '../canvas/node-card';
import { NodePreviewer } from '../inspector/node-previewer';
import { givenTo } from './given';
import { TryActions } from './try-actions';
import { TryData } from './try-data';

/** What the selected node was given and what it gave in the last try; both can be looked through, pinned, edited and dragged. */
@Component({
  selector: 'ff-data-pane',
  templateUrl: './data-pane.html',
  imports: [Icon, RouterLink, ValueView],
  changeDetection: ChangeDetectionStrategy.OnPush,
  // A drag of data is the browser's own; the canvas, which listens on the whole page, is not to take it for one of its own.
  host: { class: 'data-pane', '(mousedown)': '$event.stopPropagation()', '(touchstart)': '$event.stopPropagation()' },
})
export class DataPane {
  private readonly store = inject(EditorStore);
  private readonly catalogue = inject(Catalogue);
  private readonly previewer = inject(NodePreviewer);
  private readonly runs = inject(RunStore);
  protected readonly data = inject(TryData);
  protected readonly actions = inject(TryActions);
  /** How the nodes did in the try. */
  readonly overlay = input.required<ReadonlyMap<string, NodeRun>>();
  readonly closed = output();
  protected readonly short = shortId;
  protected readonly node = this.store.selectedNode;
  protected readonly name = computed(() => this.node()?.id ?? 'Output');
  protected readonly state = computed(() => this.overlay().get(this.node()?.id ?? '') ?? null);
  protected readonly pinned = computed(() => this.data.pins().has(this.node()?.id ?? ''));
  protected readonly out = computed((): Json | undefined => {
    const node = this.node();
    return node ? this.data.values().get(node.id) : (this.data.run()?.output ?? undefined);
  });
  private readonly scope = computed(() => scopeOf(this.store.graph(), this.node()?.id ?? null, this.catalogue.entries(), this.data.scopeData()));
  /** What can be looked at on the left: what the node is given, and every name that it can use. */
  protected readonly sources = computed(() => {
    const used = new Set(this.node()?.uses.map((use) => use.name));
    const names = [...this.scope()].filter(([, meaning]) => meaning.value !== undefined).map(([name]) => name);
    names.sort((a, b) => Number(used.has(b)) - Number(used.has(a)));
    return [{ id: '', label: 'what it is given' }, ...names.map((name) => ({ id: name, label: used.has(name) ? `${name} (used)` : name }))];
  });
  protected readonly from = computed(() => this.scope().get(this.source())?.value);
  protected readonly source = linkedSignal({ source: computed(() => this.node()?.id ?? ''), computation: () => '' });
  /** How many elements or rounds there are to look at. */
  protected readonly rounds = computed(() => {
    const parent = this.node()?.parent ?? null;
    if (parent === null) return 0;
    const list = this.data.values().get(parent);
    return Array.isArray(list) ? list.length : 0;
  });
  protected readonly failure = computed(() => {
    const id = this.node()?.id;
    if (id === undefined || this.pinned() || this.state()?.state !== 'failed') return null;
    return [...this.runs.steps().values()].filter((step) => step.node === id).flatMap((step) => step.attempts).findLast((attempt) => attempt.failure !== null)?.failure ?? null;
  });
  protected readonly absent = computed(() => (this.data.run() === null ? 'Nothing was tried yet.' : 'It gave nothing in this try, or too much to be kept beside its records.'));
  protected readonly given = signal<Json | undefined>(undefined);
  /** The output as it is edited; null while it is not. */
  protected readonly draft = linkedSignal({ source: computed(() => this.node()?.id ?? ''), computation: (): string | null => null });
  protected readonly mistake = signal<string | null>(null);

  constructor() {
    void this.data.want();
    let asked = 0;
    effect(() => {
      const node = this.node();
      this.data.version();
      asked += 1;
      const own = asked;
      untracked(() => {
        if (!node) {
          this.given.set(undefined);
          return;
        }
        void givenTo(node, this.previewer).then((value) => { if (own === asked) this.given.set(value); });
      });
    });
  }

  protected choose(event: Event): void {
    if (event.target instanceof HTMLSelectElement) this.source.set(event.target.value);
  }

  protected pin(): void {
    const [node, value] = [this.node(), this.out()];
    if (node && value !== undefined) this.data.pin(node.id, value);
  }

  protected edit(): void {
    this.mistake.set(null);
    this.draft.set(jsonText(this.out() ?? null, 2));
  }

  protected onDraft(event: Event): void {
    if (event.target instanceof HTMLTextAreaElement) this.draft.set(event.target.value);
  }

  protected keep(): void {
    const node = this.node();
    const read = readJson(this.draft() ?? '');
    if (read.mistake !== undefined) {
      this.mistake.set(read.mistake);
      return;
    }
    if (node) this.data.pin(node.id, read.value ?? null);
    this.draft.set(null);
  }
}
