import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import type { CompareTextsData } from '../data/api/operations';
import type { Json } from '../domain/json';
import { jsonText } from '../domain/json-text';

/** What differs between two texts of a workflow. */
export type Difference = Extract<CompareTextsData['compareWorkflows'], { readonly __typename: 'WorkflowComparison' }>;
type Change = Difference['settings'][number];

/** Characters of a value that are shown. */
const VALUE_MAX = 160;
/** What every node has, so that it says nothing about one that is new. */
const USUAL = /^(?:kind|retry\.|timeout_ms$)/;
const WORDS: Readonly<Record<string, string>> = { ADDED: 'new', REMOVED: 'gone', CHANGED: 'changed' };

/** Differences by node and property: what stood there before, and what stands there now. */
@Component({
  selector: 'ff-changes',
  template: `
    @for (row of rows(); track row.name) {
      <section class="change" [class]="'change ' + row.kind" [attr.aria-label]="row.name">
        <p class="row"><b class="strong grow cut">{{ row.name }}</b><span class="chip" [class.flat]="row.kind === 'CHANGED'">{{ row.word }}</span></p>
        @if (row.kind !== 'REMOVED') {
          <ul>
            @for (change of row.changes; track change.path) {
              <li><code class="t2">{{ change.path }}</code>
                @if (change.before !== null) {<del><span class="sr">before:&ngsp;</span>{{ change.before }}</del>}
                @if (change.after !== null) {<ins><span class="sr">now:&ngsp;</span>{{ change.after }}</ins>}
              </li>
            }
          </ul>
        }
      </section>
    } @empty {<p class="small t2">Nothing differs in what it does.{{ of().hunks.length > 0 ? ' Its lines do: comments, order, or how values are written.' : '' }}</p>}
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'changes' },
})
export class ChangeList {
  readonly of = input.required<Difference>();
  protected readonly rows = computed(() => {
    const { nodes, settings } = this.of();
    const all: { name: string; kind: string; word: string; changes: ReturnType<typeof shown>[] }[] = nodes.map(({ node, change, properties }) => ({ name: node, kind: change, word: WORDS[change] ?? '', changes: properties.filter(({ path }) => change === 'CHANGED' || !USUAL.test(path)).map(shown) }));
    if (settings.length > 0) all.push({ name: 'the workflow', kind: 'CHANGED', word: 'changed', changes: settings.map(shown) });
    return all;
  });
}

function shown({ path, before, after, hasBefore, hasAfter }: Change): { readonly path: string; readonly before: string | null; readonly after: string | null } {
  return { path, before: hasBefore ? text(before) : null, after: hasAfter ? text(after) : null };
}

function text(value: Json): string {
  const whole = typeof value === 'string' ? value : jsonText(value);
  return whole.length > VALUE_MAX ? `${whole.slice(0, VALUE_MAX)}…` : whole;
}
