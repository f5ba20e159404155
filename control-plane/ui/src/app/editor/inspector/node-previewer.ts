import { computed, inject, Injectable, signal } from '@angular/core';

import type { Previewer, Seen } from '../../components/previewer';
import { Api } from '../../data/api/api';
import { Preview } from '../../data/api/operations';
import { Catalogue } from '../../data/catalogue';
import { itemName } from '../../domain/workflow/kinds';
import { scopeOf } from '../../domain/workflow/scope';
import type { Json } from '../../domain/json';
import { EditorStore } from '../../state/editor-store';
import { TryData } from '../try/try-data';

/** Calls for boxes that nobody writes in, at the same time at most. */
const QUIET_MAX = 3;

/** Values of the expressions of the selected node, by the engine, over the data of the last try. */
@Injectable()
export class NodePreviewer implements Previewer {
  private readonly api = inject(Api);
  private readonly store = inject(EditorStore);
  private readonly catalogue = inject(Catalogue);
  private readonly data = inject(TryData);
  private readonly under = signal(0);
  private readonly waiting: (() => void)[] = [];
  readonly version = this.data.version;

  /** What expressions of the node can use that the run alone does not tell: pinned values, elements of loops, rounds. */
  private readonly given = computed((): Json => {
    const node = this.store.selectedNode();
    const graph = this.store.graph();
    const given: Record<string, Json> = Object.fromEntries(this.data.pins());
    const scope = scopeOf(graph, node?.id ?? null, this.catalogue.entries(), this.data.scopeData());
    for (let at = node?.parent ?? null; at !== null; at = graph.byId.get(at)?.parent ?? null) {
      const loop = graph.byId.get(at);
      const item = loop ? itemName(loop.kind, loop.value) : null;
      const names = [...(item === null ? [] : [item]), ...(loop?.children ?? [])];
      for (const name of names) {
        const value = scope.get(name)?.value;
        if (value !== undefined && name !== node?.id) given[name] = value;
      }
    }
    return given;
  });

  async look(text: string, template: boolean, caret: number | null): Promise<Seen | null> {
    void this.data.want();
    // Somebody who writes does not wait for the boxes that nobody writes in.
    if (caret === null) await this.turn();
    this.under.update((count) => count + 1);
    try {
      const node = this.store.selectedNode()?.id ?? null;
      const { previewExpression } = await this.api.ask(Preview, {
        input: { expression: text, template, cursor: caret, source: this.store.text(), node, data: this.given(), run: this.data.runId() },
      });
      return previewExpression;
    } catch {
      return null;
    } finally {
      this.under.update((count) => count - 1);
      this.waiting.shift()?.();
    }
  }

  private async turn(): Promise<void> {
    while (this.under() >= QUIET_MAX) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}
