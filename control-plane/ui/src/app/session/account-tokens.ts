import { ChangeDetectionStrategy, Component, computed, inject, input, output, signal, viewChild } from '@angular/core';

import { Dialog } from '../components/dialog';
import { Given } from '../components/given';
import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { MakeApiToken, type OwnAccountData, type Permission, RevokeApiToken } from '../data/api/operations';
import { rightOf, rightWords } from '../domain/session/rights';
import { Messages } from '../state/messages';

const DAY_MS = 86_400_000;
const LIVES = [{ days: 7, label: 'a week' }, { days: 90, label: '90 days' }, { days: 366, label: 'a year' }] as const;
/** Rights of an account that a token can pass on; keeping the account itself is none of them. */
const PASSED_ON: readonly Permission[] = ['READ', 'READ_AUDIT', 'EDIT', 'PUBLISH', 'RUN', 'OPERATE', 'APPROVE', 'KEEP_SECRETS', 'MANAGE_MEMBERS', 'MANAGE_HOSTS'];

/** The tokens of this account, for its programs: made with fewer rights than the account has, told once, revoked at any time. */
@Component({
  selector: 'ff-account-tokens',
  templateUrl: './account-tokens.html',
  imports: [Dialog, Given, Icon, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class AccountTokens {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  readonly tokens = input.required<OwnAccountData['viewer']['apiTokens']>();
  /** What the account may do, as the door spells it. */
  readonly may = input.required<readonly string[]>();
  readonly changed = output();
  protected readonly lives = LIVES;
  protected readonly rows = computed(() => this.tokens().map((token) => ({ ...token, passes: token.permissions.map((one) => rightWords(rightOf(one))).join(' · ') })));
  protected readonly rights = computed(() => PASSED_ON.filter((one) => this.may().includes(rightOf(one))).map((name) => ({ name, words: rightWords(rightOf(name)) })));
  protected readonly chosen = signal<readonly Permission[]>(['READ']);
  protected readonly given = signal<{ readonly secret: string; readonly name: string; readonly until: number } | null>(null);
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);
  private readonly dialog = viewChild.required(Dialog);

  protected open(): void {
    this.chosen.set(['READ']);
    this.given.set(null);
    this.mistake.set(null);
    this.dialog().open();
  }

  /** The secret is told once and does not stay in the page. */
  protected forget(): void {
    this.given.set(null);
  }

  protected close(): void {
    this.forget();
    this.dialog().close();
  }

  protected toggle(name: Permission): void {
    this.chosen.update((chosen) => (chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name]));
  }

  protected async make(name: string, days: string): Promise<void> {
    this.busy.set(true);
    this.mistake.set(null);
    try {
      const { makeApiToken } = await this.api.ask(MakeApiToken, { input: { name: name.trim(), permissions: [...this.chosen()], lifeMs: Number(days) * DAY_MS } });
      if (makeApiToken.__typename === 'MakeApiTokenSuccess') {
        this.given.set({ secret: makeApiToken.secret, name: makeApiToken.token.name, until: makeApiToken.token.expiresAtMs });
        this.changed.emit();
      } else {
        this.mistake.set(makeApiToken.fields.map((field) => `${field.path}: ${field.message}`).join('; '));
      }
    } catch (error) {
      this.mistake.set(words(error));
    } finally {
      this.busy.set(false);
    }
  }

  protected async revoke(id: string, name: string): Promise<void> {
    try {
      const { revokeApiToken } = await this.api.ask(RevokeApiToken, { input: { id } });
      if (revokeApiToken.__typename === 'RevokeApiTokenSuccess') this.messages.done(`${name} is good for nothing any more.`);
      else this.messages.refused(revokeApiToken.message);
    } catch (error) {
      this.messages.refused(words(error));
    }
    this.changed.emit();
  }
}
