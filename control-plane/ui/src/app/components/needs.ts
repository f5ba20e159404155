import { ChangeDetectionStrategy, Component, computed, Directive, inject, input } from '@angular/core';

import { Session } from '../data/session';
import type { Right } from '../domain/session/rights';
import { Icon } from './icon';

/** A button that does what needs a right: without it, it cannot be pressed. The reason stands in the view, in `ff-lacks`. */
@Directive({
  selector: 'button[ffNeeds]',
  host: { '[disabled]': 'missing() !== null || unless()', '[attr.title]': 'missing()' },
})
export class Needs {
  private readonly session = inject(Session);
  readonly ffNeeds = input.required<Right>();
  /** Whether it cannot be pressed for another reason. */
  readonly unless = input(false);
  protected readonly missing = computed(() => this.session.lacks(this.ffNeeds()));
}

/** Says, where it is so, that whoever looks may not do what this view is for. */
@Component({
  selector: 'ff-lacks',
  template: `@if (missing(); as why) {<div class="note quiet" [class.strip]="strip()"><ff-icon name="lock" /><span>{{ why }}</span></div>}`,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { style: 'display: contents' },
})
export class Lacks {
  private readonly session = inject(Session);
  readonly right = input.required<Right>();
  /** Whether it stands between bars and not in a page, and needs its own margin. */
  readonly strip = input(false);
  protected readonly missing = computed(() => this.session.lacks(this.right()));
}
