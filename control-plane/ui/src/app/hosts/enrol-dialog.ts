import { ChangeDetectionStrategy, Component, computed, inject, output, signal, viewChild } from '@angular/core';

import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { InviteHost } from '../data/api/operations';
import { Messages } from '../state/messages';

const HOUR_MS = 3_600_000;
/** How long an invitation is good. */
const LIVES = [{ ms: HOUR_MS, label: 'an hour' }, { ms: 24 * HOUR_MS, label: 'a day' }, { ms: 7 * 24 * HOUR_MS, label: 'a week' }] as const;

/** An invitation as it was given; it is shown only now. */
interface Invitation {
  readonly name: string;
  readonly token: string;
  readonly server: string;
  readonly expiresAtMs: number;
}

/** Makes an invitation for a host, and gives the commands to paste on its machine. */
@Component({
  selector: 'ff-enrol-dialog',
  templateUrl: './enrol-dialog.html',
  imports: [Dialog, Icon, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class EnrolDialog {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  readonly enrolled = output();
  protected readonly lives = LIVES;
  protected readonly given = signal<Invitation | null>(null);
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);
  /** Whether the server takes no hosts of other machines at all. */
  protected readonly closed = signal(false);
  protected readonly wrong = signal<string | null>(null);
  private readonly dialog = viewChild.required(Dialog);
  /** The token goes into a file that only its owner reads, and the file goes away when the host has enrolled. */
  protected readonly command = computed(() => {
    const given = this.given();
    return given === null ? '' : `(umask 077; echo ${given.token} > token)\nsudo flowforge-host install --token-file token`;
  });
  protected readonly look = 'flowforge-host --data-dir ./host --token-file token';

  open(): void {
    this.given.set(null);
    this.mistake.set(null);
    this.wrong.set(null);
    this.closed.set(false);
    this.dialog().open();
  }

  protected async invite(box: HTMLInputElement, life: HTMLSelectElement): Promise<void> {
    const name = box.value.trim();
    this.wrong.set(/^[a-z0-9-]{1,64}$/.test(name) ? null : 'A name has 1 to 64 characters of a-z, 0-9 and -.');
    if (this.wrong() !== null) {
      box.focus();
      return;
    }
    this.busy.set(true);
    this.mistake.set(null);
    try {
      const { inviteHost } = await this.api.ask(InviteHost, { input: { name, lifeMs: Number(life.value), labels: [] } });
      if (inviteHost.__typename === 'InviteHostSuccess') {
        this.given.set({ name, token: inviteHost.token, server: inviteHost.server, expiresAtMs: inviteHost.expiresAtMs });
        this.enrolled.emit();
      } else if (inviteHost.__typename === 'InputProblem') {
        this.wrong.set(inviteHost.fields.map((field) => field.message).join('; '));
      } else {
        this.closed.set(true);
        this.mistake.set(inviteHost.message);
      }
    } catch (error) {
      this.mistake.set(words(error));
    } finally {
      this.busy.set(false);
    }
  }

  protected async copy(text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.messages.done('The command is in the clipboard. It holds the invitation: paste it on the machine only.');
    } catch (error) {
      this.messages.refused(words(error));
    }
  }
}
