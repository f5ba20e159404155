import { ChangeDetectionStrategy, Component, input } from '@angular/core';

import type { Asked } from '../data/resource';
import { StateView } from './state-view';

/** What a view shows of something that it asks for, beside its content: that it loads, why it does not come, or that a right is missing. */
@Component({
  selector: 'ff-asked',
  template: `
    @if (of().value() === null) {
      @if (of().denied()) {
        <ff-state kind="denied" heading="You may not see this" [text]="of().failure() ?? ''"><button type="button" class="btn" (click)="of().again()">Try again</button></ff-state>
      } @else if (of().failure(); as why) {
        <ff-state kind="error" heading="It could not be loaded" [text]="why"><button type="button" class="btn" (click)="of().again()">Try again</button></ff-state>
      } @else {
        <ff-state kind="loading" [heading]="loading()" />
      }
    } @else if (of().failure(); as why) {
      <div class="note failed" role="alert"><svg class="sg" aria-hidden="true"><use href="#i-state-failed" /></svg><span class="grow">{{ why }} What is shown was so before.</span><button type="button" class="btn" (click)="of().again()">Try again</button></div>
    }
  `,
  imports: [StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { style: 'display: contents' },
})
export class AskedState {
  readonly of = input.required<Asked<unknown>>();
  readonly loading = input.required<string>();
}
