import { ChangeDetectionStrategy, Component, inject, output, signal } from '@angular/core';

import { Api, words } from '../data/api/api';
import { ChangePassword } from '../data/api/operations';
import { Messages } from '../state/messages';

/** Another password for this account. What is typed stays in no store, and the boxes are empty afterwards. */
@Component({
  selector: 'ff-account-password',
  template: `
    <section class="panel" aria-labelledby="password"><header><h2 id="password" class="grow">Password</h2></header>
      <form class="body once-form" (submit)="$event.preventDefault(); change(old, next, again)">
        @if (mistake(); as why) {<div class="note failed" role="alert"><svg class="sg" aria-hidden="true"><use href="#i-state-failed" /></svg><span>{{ why }}</span></div>}
        <label class="field"><span class="lab">the one you have</span><input #old class="input" type="password" autocomplete="current-password" required /></label>
        <label class="field"><span class="lab">the new one <span class="type">12 to 256 characters</span></span><input #next class="input" type="password" autocomplete="new-password" required /></label>
        <label class="field"><span class="lab">the new one, once more</span><input #again class="input" type="password" autocomplete="new-password" required /></label>
        <p class="row wrap"><button type="submit" class="btn large" [disabled]="busy()">Change it</button><span class="small t2">Every other session of yours ends.</span></p>
      </form>
    </section>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class AccountPassword {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  readonly changed = output();
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);

  protected async change(old: HTMLInputElement, next: HTMLInputElement, again: HTMLInputElement): Promise<void> {
    if (next.value !== again.value) {
      this.mistake.set('The new password is not the same in both boxes.');
      return;
    }
    this.busy.set(true);
    this.mistake.set(null);
    try {
      const { changePassword } = await this.api.ask(ChangePassword, { input: { old: old.value, new: next.value } });
      if (changePassword.__typename === 'ChangePasswordSuccess') {
        for (const box of [old, next, again]) box.value = '';
        this.messages.done('The new password counts from now on.');
        this.changed.emit();
      } else {
        this.mistake.set(changePassword.__typename === 'InputProblem' ? changePassword.fields.map((field) => field.message).join('; ') : changePassword.message);
      }
    } catch (error) {
      this.mistake.set(words(error));
    } finally {
      this.busy.set(false);
    }
  }
}
