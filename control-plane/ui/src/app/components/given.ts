import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';

import { Icon } from './icon';
import { When } from './when';
import { words } from '../data/api/api';
import { Messages } from '../state/messages';

/** Something that is told once: a one-time link, or the secret of a token. It can be copied, and nothing here keeps it. */
@Component({
  selector: 'ff-given',
  template: `
    <div class="enrol-command"><pre tabindex="0" [attr.aria-label]="label()">{{ text() }}</pre><button type="button" class="btn" (click)="copy()"><ff-icon name="copy" size="s" />Copy</button></div>
    <div class="note review"><svg class="sg" aria-hidden="true"><use href="#i-state-review" /></svg><span>It is shown only now, and is good{{ once() ? ' once,' : '' }} until <ff-when [at]="until()" />. {{ means() }}</span></div>
  `,
  imports: [Icon, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Given {
  private readonly messages = inject(Messages);
  readonly label = input.required<string>();
  readonly text = input.required<string>();
  /** Milliseconds since 1970. */
  readonly until = input.required<number>();
  readonly once = input(true);
  /** What whoever has it can do. */
  readonly means = input.required<string>();

  protected async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.text());
      this.messages.done('It is in the clipboard.');
    } catch (error) {
      this.messages.refused(words(error));
    }
  }
}
