import { ChangeDetectionStrategy, Component, inject, input, output } from '@angular/core';

import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { EndSession, type OwnAccountData } from '../data/api/operations';
import { Messages } from '../state/messages';

/** Where this account is signed in, and an end to each of the others. */
@Component({
  selector: 'ff-account-sessions',
  template: `
    <section class="panel" aria-labelledby="sessions"><header><h2 id="sessions" class="grow">Signed in</h2></header>
      <ul class="needs">
        @for (one of sessions(); track one.id) {
          <li><span class="grow"><span class="need-text">{{ one.agent }}</span><span class="small t2">since <ff-when [at]="one.beganAtMs" />, used <ff-when [at]="one.usedAtMs" /></span></span>
            @if (one.current) {<span class="chip">this one</span>} @else {<button type="button" class="btn" (click)="end(one.id)">End it<span class="sr">: {{ one.agent }}</span></button>}</li>
        }
      </ul>
    </section>
  `,
  imports: [When],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class AccountSessions {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  readonly sessions = input.required<OwnAccountData['viewer']['sessions']>();
  readonly changed = output();

  protected async end(id: string): Promise<void> {
    try {
      const { endSession } = await this.api.ask(EndSession, { input: { id } });
      if (endSession.__typename === 'EndSessionSuccess') this.messages.done('That session is over.');
      else this.messages.refused(endSession.message);
    } catch (error) {
      this.messages.refused(words(error));
    }
    this.changed.emit();
  }
}
