import { ChangeDetectionStrategy, Component } from '@angular/core';
import { RouterLink, RouterLinkActive } from '@angular/router';

/** The parts of the settings, each with an address of its own. */
@Component({
  selector: 'ff-settings-nav',
  template: `
    <nav class="segm" aria-label="Settings">
      @for (part of parts; track part.path) {<a [routerLink]="part.path" routerLinkActive ariaCurrentWhenActive="page" [routerLinkActiveOptions]="exactly">{{ part.label }}</a>}
    </nav>
  `,
  imports: [RouterLink, RouterLinkActive],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SettingsNav {
  /** Filters in the address do not make it another part. */
  protected readonly exactly = { paths: 'exact', queryParams: 'ignored', matrixParams: 'ignored', fragment: 'ignored' } as const;
  protected readonly parts = [{ path: '/settings', label: 'General' }, { path: '/settings/members', label: 'Members' }, { path: '/settings/audit', label: 'Audit' }];
}
