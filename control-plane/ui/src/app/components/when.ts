import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

/** A moment, in local time; the exact one is shown on hover. */
@Component({
  selector: 'ff-when',
  template: `<time [attr.datetime]="exact()" [title]="exact()">{{ text() }}</time>`,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class When {
  /** Milliseconds since 1970. */
  readonly at = input.required<number>();
  protected readonly exact = computed(() => new Date(this.at()).toISOString());
  protected readonly text = computed(() => {
    const at = new Date(this.at());
    const now = new Date();
    const time = at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
    return at.toDateString() === now.toDateString() ? time : `${at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })}, ${time}`;
  });
}
