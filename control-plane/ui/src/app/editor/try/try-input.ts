import { ChangeDetectionStrategy, Component, effect, inject, untracked, viewChild } from '@angular/core';

import { Dialog } from '../../components/dialog';
import { InputFields } from '../../components/input-fields';
import { TryActions } from './try-actions';

/** Asks for the input of a try. */
@Component({
  selector: 'ff-try-input',
  template: `
    <ff-dialog heading="Input of the try" [width]="480" (closed)="actions.asking.set(null)">
      <form id="try-input" (submit)="$event.preventDefault(); start()">
        @if (actions.failure(); as why) {<div class="note failed" role="alert"><svg class="sg" aria-hidden="true"><use href="#i-state-failed" /></svg><span>{{ why }}</span></div>}
        <ff-input-fields [fields]="actions.fields()" [mistakes]="actions.mistakes()" [(texts)]="actions.texts" />
      </form>
      <button dialogAction type="submit" form="try-input" class="btn primary large" [disabled]="actions.busy()">Try</button>
    </ff-dialog>
  `,
  imports: [Dialog, InputFields],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class TryInput {
  protected readonly actions = inject(TryActions);
  private readonly dialog = viewChild.required(Dialog);

  constructor() {
    effect(() => {
      const asking = this.actions.asking() !== null;
      untracked(() => { if (asking) this.dialog().open(); });
    });
  }

  protected async start(): Promise<void> {
    if (await this.actions.answered()) this.dialog().close();
  }
}
