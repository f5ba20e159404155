import { ChangeDetectionStrategy, Component, computed, effect, inject, input, linkedSignal, signal, untracked } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { ChangeList, type Difference } from '../components/change-list';
import { Icon } from '../components/icon';
import { Needs } from '../components/needs';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { CompareTexts, WorkflowText, WorkflowVersions, type WorkflowTextInput } from '../data/api/operations';
import { asked } from '../data/resource';
import { modelOf } from '../domain/document/model';
import { EMPTY_LAYOUT, type Layout, rectangles } from '../domain/layout/layout';
import { readLayout } from '../domain/layout/layout-json';
import type { NodeRun } from '../editor/canvas/node-card';
import { Restore } from './restore';
import { VersionGraph } from './version-graph';

const EVERY_MS = 10_000;
const DRAFT = 'draft';
/** A graph that is so much wider than high stands above the other instead of beside it. */
const LONG = 1.4;

interface Row {
  /** The number of the version, or `draft`. */
  readonly id: string;
  readonly title: string;
  readonly verb: string;
  readonly at: number;
  readonly who: string;
  readonly short: string;
  readonly digest: string;
  readonly live: boolean;
}

/** The versions of a workflow: who signed each and when, what differs between two of them, and making one the draft again. */
@Component({
  selector: 'ff-versions',
  templateUrl: './versions-page.html',
  imports: [AskedState, ChangeList, Icon, Needs, RouterLink, StateView, VersionGraph, When],
  providers: [Restore],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class VersionsPage {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  private readonly restorer = inject(Restore);
  /** From the address: the workflow, and the two versions that are compared. */
  readonly name = input.required<string>();
  readonly from = input<string>();
  readonly to = input<string>();
  protected readonly found = asked(() => this.api.ask(WorkflowVersions, { name: this.name() }), EVERY_MS);
  protected readonly faces = [{ id: 'graph', label: 'Graph' }, { id: 'properties', label: 'By property' }, { id: 'text', label: 'Text' }] as const;
  protected readonly shown = signal<'graph' | 'properties' | 'text'>(matchMedia('(max-width: 720px)').matches ? 'properties' : 'graph');
  protected readonly difference = signal<Difference | null>(null);
  protected readonly failure = signal<string | null>(null);
  protected readonly busy = this.restorer.busy;
  private readonly sources = signal<ReadonlyMap<string, string>>(new Map());
  protected readonly draft = computed(() => this.found.value()?.draft ?? null);
  protected readonly live = computed(() => this.found.value()?.workflow?.version ?? null);
  protected readonly missing = computed(() => this.found.value() !== null && this.draft() === null && this.live() === null);
  protected readonly rows = computed((): readonly Row[] => {
    const draft = this.draft();
    const versions = this.found.value()?.workflow?.versions ?? [];
    return [
      ...(draft ? [{ id: DRAFT, title: 'Draft', verb: 'saved', at: draft.savedAtMs, who: draft.savedBy, short: draft.savedBy, digest: '', live: false }] : []),
      ...versions.map((version): Row => ({ id: String(version.version), title: `v${String(version.version)}`, verb: 'signed', at: version.publishedAtMs, who: version.signedBy ?? '', short: shortened(version.signedBy ?? ''), digest: version.release, live: version.version === this.live() })),
    ];
  });
  protected readonly after = computed(() => this.known(this.to()) ?? this.rows()[0]?.id ?? '');
  protected readonly before = computed(() => this.known(this.from()) ?? this.rows().find((row) => row.id !== this.after() && this.rows().indexOf(row) > this.rows().findIndex((other) => other.id === this.after()))?.id ?? this.rows().find((row) => row.id !== this.after())?.id ?? '');
  protected readonly words = computed(() => {
    const found = this.difference();
    const count = found ? found.nodes.length + (found.settings.length > 0 ? 1 : 0) : 0;
    return `${this.title(this.before())} → ${this.title(this.after())}${found ? (found.same ? ': they do the same' : `: ${count === 1 ? '1 change' : `${String(count)} changes`}`) : ''}`;
  });
  protected readonly begun = computed(() => {
    const base = this.draft()?.baseVersion ?? null;
    return base === null ? '' : `begun from v${String(base)}`;
  });
  protected readonly texts = computed(() => {
    const [before, after] = [this.sources().get(this.before()), this.sources().get(this.after())];
    if (before === undefined || after === undefined) return null;
    const draft = this.draft();
    const known: Layout = draft ? readLayout(draft.layout) : EMPTY_LAYOUT;
    // The same node stands at the same place in both.
    const { graph, layout } = modelOf(before, modelOf(after, known).layout);
    const rects = [...rectangles(graph, layout.positions).values()];
    const [width, height] = (['x', 'y'] as const).map((axis) => Math.max(...rects.map((rect) => rect[axis] + rect[axis === 'x' ? 'width' : 'height'])) - Math.min(...rects.map((rect) => rect[axis])));
    return { before, after, layout, long: (width ?? 0) > LONG * (height ?? 1) };
  });
  protected readonly chosen = linkedSignal({ source: this.difference, computation: (): string | null => null });
  protected readonly one = computed((): Difference | null => {
    const [found, chosen] = [this.difference(), this.chosen()];
    return found === null || chosen === null ? null : { ...found, nodes: found.nodes.filter((node) => node.node === chosen), settings: [] };
  });
  protected readonly marks = computed(() => {
    const before = new Map<string, NodeRun>();
    const after = new Map<string, NodeRun>();
    for (const { node, change, properties } of this.difference()?.nodes ?? []) {
      if (change === 'ADDED') after.set(node, { state: 'done', word: 'New', text: 'new', time: '' });
      else if (change === 'REMOVED') before.set(node, { state: 'failed', word: 'Gone', text: 'gone', time: '' });
      else for (const side of [before, after]) side.set(node, { state: 'review', word: 'Changed', text: properties.map((property) => property.path).join(', '), time: '' });
    }
    return { before, after };
  });

  constructor() {
    // Another workflow, another version or another revision of the draft is compared anew.
    const pair = computed(() => `${this.name()} ${this.before()} ${this.after()} ${String(this.draft()?.revision ?? 0)}`);
    effect(() => {
      pair();
      untracked(() => void this.compare());
    });
    effect(() => {
      this.name();
      untracked(() => { this.found.again(); });
    });
  }

  protected title(id: string): string {
    return id === DRAFT ? 'the draft' : `v${id}`;
  }

  protected choose(side: 'before' | 'after', id: string): void {
    const other = side === 'before' ? this.after() : this.before();
    const swapped = other === id ? (side === 'before' ? this.before() : this.after()) : other;
    void this.router.navigate([], { queryParams: side === 'before' ? { from: id, to: swapped } : { from: swapped, to: id }, replaceUrl: true });
  }

  protected async restore(id: string): Promise<void> {
    if (await this.restorer.restore(this.name(), Number(id))) await this.router.navigate(['/editor'], { queryParams: { workflow: this.name() } });
  }

  protected async discard(): Promise<void> {
    const draft = this.draft();
    if (draft && (await this.restorer.discard(draft))) this.found.again();
  }

  private known(id: string | undefined): string | null {
    return id !== undefined && this.rows().some((row) => row.id === id) ? id : null;
  }

  private async compare(): Promise<void> {
    const [before, after] = [this.before(), this.after()];
    this.difference.set(null);
    this.failure.set(null);
    if (before === '' || after === '') return;
    try {
      const [{ compareWorkflows }, { workflow }] = await Promise.all([
        this.api.ask(CompareTexts, { before: this.wanted(before), after: this.wanted(after) }),
        this.api.ask(WorkflowText, { name: this.name() }),
      ]);
      if (before !== this.before() || after !== this.after()) return;
      const texts = new Map(workflow?.versions.flatMap((version) => (version.source === null ? [] : [[String(version.version), version.source] as const])));
      const draft = this.draft();
      if (draft) texts.set(DRAFT, draft.source);
      this.sources.set(texts);
      if (compareWorkflows.__typename === 'WorkflowComparison') this.difference.set(compareWorkflows);
      else this.failure.set(compareWorkflows.message);
    } catch (error) {
      this.failure.set(words(error));
    }
  }

  private wanted(id: string): WorkflowTextInput {
    return id === DRAFT ? { workflow: this.name(), draft: true } : { workflow: this.name(), version: Number(id) };
  }
}

function shortened(key: string): string {
  return key.length > 14 ? `${key.slice(0, 12)}…` : key;
}
