import { ChangeDetectionStrategy, Component, input } from '@angular/core';

import { Icon } from './icon';

/** What a view shows when it has nothing to show yet, nothing at all, no way, or no right. */
@Component({
  selector: 'ff-state',
  template: `
    @if (kind() === 'loading') {
      <div class="skel" role="status" [attr.aria-label]="heading()">
        <i [style.width.%]="62"></i><i [style.width.%]="84"></i><i [style.width.%]="48"></i><i [style.width.%]="70"></i>
      </div>
    } @else {
      <div class="state" [class.failed]="kind() === 'error'" [attr.role]="kind() === 'error' ? 'alert' : null">
        @if (kind() === 'error') {
          <svg class="sg" aria-hidden="true"><use href="#i-state-failed" /></svg>
        } @else {
          <ff-icon [name]="kind() === 'denied' ? 'lock' : icon()" />
        }
        <span class="strong">{{ heading() }}</span>
        @if (text(); as sentence) {
          <p>{{ sentence }}</p>
        }
        <span class="row"><ng-content /></span>
      </div>
    }
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class StateView {
  readonly kind = input.required<'loading' | 'empty' | 'error' | 'denied'>();
  readonly heading = input.required<string>();
  readonly text = input('');
  readonly icon = input('list');
}
