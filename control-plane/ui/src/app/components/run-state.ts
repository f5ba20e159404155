import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import { RUN_STATES, type RunStateName } from '../domain/runs/states';
import { Status } from './status';

/** The state of a run. */
@Component({
  selector: 'ff-run-state',
  template: `<ff-status [state]="shown().look" [label]="shown().word" [tag]="tag()" />`,
  imports: [Status],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunStateView {
  readonly state = input.required<RunStateName>();
  readonly tag = input(true);
  protected readonly shown = computed(() => RUN_STATES[this.state()]);
}
