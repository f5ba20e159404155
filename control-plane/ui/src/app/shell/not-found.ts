import { ChangeDetectionStrategy, Component } from '@angular/core';
import { RouterLink } from '@angular/router';

import { StateView } from '../components/state-view';

/** Nothing stands at this address. */
@Component({
  selector: 'ff-not-found',
  template: `
    <ff-state kind="empty" icon="search" heading="There is nothing at this address" text="It may have been renamed, or the link was cut.">
      <a class="btn" routerLink="/editor">Open the editor</a>
    </ff-state>
  `,
  imports: [RouterLink, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NotFound {}
