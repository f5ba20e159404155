import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import type { Look } from '../domain/runs/states';

/** The looks that the state of a run, a step or a host can have. */
export type RunState = Look;

/** What each is called, where the state has no word of its own. */
export const STATE_WORDS: Readonly<Record<RunState, string>> = {
  queued: 'Queued',
  running: 'Running',
  waiting: 'Waiting',
  paused: 'Paused',
  done: 'Done',
  failed: 'Failed',
  review: 'Needs review',
  skipped: 'Skipped',
  offline: 'Not heard from',
};

/** A state: shape and word first, colour last. */
@Component({
  selector: 'ff-status',
  template: `
    <span [class]="classes()">
      <svg class="sg" aria-hidden="true"><use [attr.href]="'#i-state-' + state()" /></svg>{{ label() ?? word() }}
    </span>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Status {
  readonly state = input.required<RunState>();
  readonly label = input<string>();
  readonly tag = input(true);
  protected readonly word = computed(() => STATE_WORDS[this.state()]);
  protected readonly classes = computed(() => `st ${this.state()}${this.tag() ? ' tag' : ''}`);
}
