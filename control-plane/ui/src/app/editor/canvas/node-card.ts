import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { Icon } from '../../components/icon';
import { type RunState, STATE_WORDS } from '../../components/status';
import type { Card } from '../card';

/** How a node did in a run. */
export interface NodeRun {
  readonly state: RunState;
  /** What the state is called, where that is not the word of its look. */
  readonly word?: string;
  /** What came out, or why nothing did. */
  readonly text: string;
  readonly time: string;
  /** How much of it is done, from 0 to 1. */
  readonly share?: number;
}

/** The classes of a card: what it is in, as its border and foot show it. */
export function cardClasses(card: Card, selected: boolean, run: NodeRun | null): string {
  const classes = ['node'];
  if (selected) classes.push('sel');
  if (card.disabled) classes.push('off');
  // In a run the state of the run is what counts.
  if (card.problem !== null && !run) classes.push('wrong', 'failed');
  if (run) classes.push('ov', run.state);
  return classes.join(' ');
}

/** A node's card: what it is, what it calls, what it may reach; in a run, what came of it. */
@Component({
  selector: 'ff-node-card',
  templateUrl: './node-card.html',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { '[class]': 'classes()' },
})
export class NodeCard {
  readonly card = input.required<Card>();
  readonly selected = input(false);
  readonly run = input<NodeRun | null>(null);
  /** Whether its result is pinned for tries. */
  readonly pinned = input(false);
  protected readonly classes = computed(() => cardClasses(this.card(), this.selected(), this.run()));
  protected readonly word = computed(() => {
    const run = this.run();
    return run ? (run.word ?? STATE_WORDS[run.state]) : '';
  });
}
