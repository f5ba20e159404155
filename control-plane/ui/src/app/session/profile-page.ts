import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';

import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { words } from '../data/api/api';
import { Session } from '../data/session';

/** Who is signed in here, what they may do, and the way out. */
@Component({
  selector: 'ff-profile',
  templateUrl: './profile-page.html',
  imports: [Icon, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class ProfilePage {
  private readonly session = inject(Session);
  protected readonly state = this.session.state;
  protected readonly account = computed(() => this.state()?.account ?? null);
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);

  constructor() {
    void this.session.look();
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
