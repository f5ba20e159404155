import { ChangeDetectionStrategy, Component, computed, inject, signal, viewChild } from '@angular/core';

import { AskedState } from '../components/asked-state';
import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { Lacks, Needs } from '../components/needs';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { DeleteSecret, SecretList } from '../data/api/operations';
import { asked } from '../data/resource';
import { destinationName } from '../domain/workflow/read';
import { Messages } from '../state/messages';
import { SecretDialog } from './secret-dialog';

/** Every secret: its name, its kind, where it may be sent. A value goes in and never comes out. */
@Component({
  selector: 'ff-secrets',
  templateUrl: './secrets-page.html',
  imports: [AskedState, Dialog, Icon, Lacks, Needs, SecretDialog, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class SecretsPage {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  protected readonly list = asked(() => this.api.ask(SecretList, {}), 0);
  protected readonly word = signal('');
  protected readonly rows = computed(() => {
    const wanted = this.word().trim().toLowerCase();
    return (this.list.value()?.secrets ?? []).filter((row) => wanted === '' || `${row.name} ${row.kind} ${row.destinations.join(' ')}`.toLowerCase().includes(wanted));
  });
  protected readonly going = signal<string | null>(null);
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);
  protected readonly place = destinationName;
  protected readonly editor = viewChild.required(SecretDialog);
  private readonly leaving = viewChild.required<Dialog>('leaving');

  protected filter(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.word.set(event.target.value);
  }

  protected forget(name: string): void {
    this.going.set(name);
    this.mistake.set(null);
    this.leaving().open();
  }

  protected async remove(): Promise<void> {
    const name = this.going();
    if (name === null) return;
    this.busy.set(true);
    try {
      const { deleteSecret } = await this.api.ask(DeleteSecret, { input: { name } });
      if (deleteSecret.__typename === 'DeleteSecretSuccess') {
        this.leaving().close();
        this.messages.done(`The value of ${name} is forgotten.`);
      } else {
        this.mistake.set(deleteSecret.message);
      }
    } catch (error) {
      this.mistake.set(words(error));
    } finally {
      this.busy.set(false);
      this.list.again();
    }
  }
}
