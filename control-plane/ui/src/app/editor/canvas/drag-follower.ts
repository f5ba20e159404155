import type { Rect } from '../../domain/layout/layout';
import { type Wire, Ways } from '../../domain/layout/wire';
import type { WorkflowGraph } from '../../domain/workflow/graph';

/** What a drag begins with. */
export interface DragStart {
  /** The element that holds cards and connections. */
  readonly host: HTMLElement;
  readonly graph: WorkflowGraph;
  readonly rects: ReadonlyMap<string, Rect>;
  /** The nodes that are dragged. */
  readonly ids: readonly string[];
  readonly wires: readonly Wire[];
}

/**
 * While cards are dragged, their connections follow: the paths of these alone, written as they are, without a round of
 * change detection. The flow library moves the cards; what it writes is read back from their elements.
 */
export class DragFollower {
  private readonly cards = new Map<string, HTMLElement>();
  private readonly touched: ReadonlyMap<string, Wire>;
  private readonly observer = new MutationObserver(() => { this.follow(); });

  constructor(private readonly start: DragStart) {
    const { host, ids, wires } = start;
    const moved = new Set(ids);
    for (const card of host.querySelectorAll<HTMLElement>('[data-node]')) {
      const id = card.dataset['node'];
      if (id !== undefined && moved.has(id)) this.cards.set(id, card);
    }
    this.touched = new Map(wires.filter((wire) => moved.has(wire.from) || moved.has(wire.to)).map((wire) => [wire.id, wire]));
    for (const card of this.cards.values()) this.observer.observe(card, { attributes: true, attributeFilter: ['style'] });
  }

  /** Ends it. The paths stay as they are until the layout says otherwise. */
  stop(): void {
    this.observer.disconnect();
  }

  private follow(): void {
    const { graph, rects } = this.start;
    const now = new Map(rects);
    for (const [id, card] of this.cards) {
      const [, x, y] = /translate\((-?[\d.]+)px,\s*(-?[\d.]+)px\)/.exec(card.style.transform) ?? [];
      const rect = rects.get(id);
      if (rect && x !== undefined && y !== undefined) now.set(id, { ...rect, x: Number(x), y: Number(y) });
    }
    const ways = new Ways(graph, now);
    // What is dragged is selected, and what leads to it is drawn by itself as soon as that is known.
    for (const path of this.start.host.querySelectorAll<SVGElement>('[data-edge]')) {
      const wire = this.touched.get(path.dataset['edge'] ?? '');
      const way = wire ? ways.of(wire) : null;
      if (way) path.setAttribute('d', way.path);
    }
  }
}
