import { ChangeDetectionStrategy, Component, computed, inject, output } from '@angular/core';

import { Icon } from '../components/icon';
import { type GraphNode, OUTPUT, START } from '../domain/workflow/graph';
import { EditorStore } from '../state/editor-store';
import { type Card, cardOf, pillOf } from './card';

interface Row {
  readonly card: Card;
  readonly depth: number;
  /** What it comes after, in words. */
  readonly after: string;
  readonly selected: boolean;
}

/** The graph as a list, in the order of the file: for screen readers, phones, and whoever likes lists. */
@Component({
  selector: 'ff-outline',
  templateUrl: './outline.html',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'outline-view' },
})
export class Outline {
  protected readonly store = inject(EditorStore);
  readonly opened = output();
  protected readonly rows = computed((): Row[] => {
    const graph = this.store.graph();
    const problems = this.store.problemsByNode();
    const selected = new Set(this.store.selection());
    return graph.nodes.map((node) => ({ card: cardOf(graph, node, problems.get(node.id) ?? null), depth: node.path.length / 2 - 1, after: this.after(node), selected: selected.has(node.id) }));
  });
  protected readonly start = computed(() => pillOf(START, this.store.graph()));
  protected readonly end = computed(() => (this.store.graph().output === undefined ? null : pillOf(OUTPUT, this.store.graph())));

  protected choose(id: string, event: MouseEvent): void {
    const known = this.store.selection();
    if (event.ctrlKey || event.metaKey || event.shiftKey) this.store.select(known.includes(id) ? known.filter((other) => other !== id) : [...known, id]);
    else this.store.select([id]);
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) this.opened.emit();
  }

  private after(node: GraphNode): string {
    const edges = this.store.graph().edges.filter((edge) => edge.to === node.id && !edge.implied && edge.from !== START);
    return edges.map((edge) => (edge.port === '' ? edge.from : `${edge.from}.${edge.port}`)).join(' or ');
  }
}
