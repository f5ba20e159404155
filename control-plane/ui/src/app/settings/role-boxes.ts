import { ChangeDetectionStrategy, Component, model } from '@angular/core';

import { type RoleName, ROLES } from '../domain/session/rights';

/** Which roles somebody has or is to get, each with what it is for. */
@Component({
  selector: 'ff-role-boxes',
  template: `
    <fieldset class="role-boxes"><legend class="lab">roles</legend>
      @for (role of roles; track role.name) {
        <label class="check role-box"><input type="checkbox" [checked]="chosen().includes(role.name)" (change)="toggle(role.name)" /><span><b class="strong">{{ role.word }}</b><span class="small t2 under">{{ role.does }}</span></span></label>
      }
    </fieldset>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RoleBoxes {
  protected readonly roles = ROLES;
  readonly chosen = model.required<readonly RoleName[]>();

  protected toggle(role: RoleName): void {
    this.chosen.update((chosen) => (chosen.includes(role) ? chosen.filter((other) => other !== role) : ROLES.map(({ name }) => name).filter((name) => name === role || chosen.includes(name))));
  }
}
