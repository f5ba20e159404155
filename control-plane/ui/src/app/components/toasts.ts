import { ChangeDetectionStrategy, Component, type ElementRef, effect, inject, viewChild } from '@angular/core';

import { Messages } from '../state/messages';
import { Icon } from './icon';

/** Short messages at the foot of the window. Each says what happened and, where it can be, how to take it back. */
@Component({
  selector: 'ff-toasts',
  template: `
    <div #host class="toasts" popover="manual" role="status" aria-live="polite">
      @for (message of messages.shown(); track message.id) {
        <div class="toast pop" [class.failed]="message.kind === 'refused'">
          @if (message.kind === 'refused') {
            <svg class="sg" [style.color]="'var(--failed-fg)'" aria-hidden="true"><use href="#i-state-failed" /></svg>
          }
          <span class="grow">{{ message.text }}</span>
          @if (message.action; as action) {
            <button type="button" class="btn quiet" (click)="messages.act(message)">{{ action.label }}</button>
          }
          <button type="button" class="btn quiet icon" aria-label="Dismiss" (click)="messages.dismiss(message.id)"><ff-icon name="x" size="s" /></button>
        </div>
      }
    </div>
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Toasts {
  protected readonly messages = inject(Messages);
  private readonly host = viewChild.required<ElementRef<HTMLElement>>('host');

  constructor() {
    // As a popover they stand above a dialog too.
    effect(() => {
      const element = this.host().nativeElement;
      const some = this.messages.shown().length > 0;
      if (element.matches(':popover-open')) element.hidePopover();
      if (some) element.showPopover();
    });
  }
}
