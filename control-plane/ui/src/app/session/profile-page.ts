import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { Api, words } from '../data/api/api';
import { OwnAccount } from '../data/api/operations';
import { asked } from '../data/resource';
import { Session } from '../data/session';
import { rightWords } from '../domain/session/rights';
import { AccountPassword } from './account-password';
import { AccountSessions } from './account-sessions';
import { AccountTokens } from './account-tokens';

/** Who is signed in here, what they may do, where else they are, their tokens and password, and the way out. */
@Component({
  selector: 'ff-profile',
  templateUrl: './profile-page.html',
  imports: [AccountPassword, AccountSessions, AccountTokens, AskedState, Icon, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class ProfilePage {
  private readonly session = inject(Session);
  private readonly api = inject(Api);
  protected readonly state = this.session.state;
  protected readonly account = computed(() => this.state()?.account ?? null);
  /** Sessions and tokens: only who signs in has them. */
  protected readonly own = asked(() => this.api.ask(OwnAccount, {}), 0, true);
  protected readonly rightWords = rightWords;
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);

  constructor() {
    void this.session.look().then(() => {
      if (this.state()?.needed === true) this.own.again();
    });
  }

  protected async leave(): Promise<void> {
    this.busy.set(true);
    try {
      await this.session.signOut();
    } catch (error) {
      this.mistake.set(words(error));
    } finally {
      this.busy.set(false);
    }
  }
}
