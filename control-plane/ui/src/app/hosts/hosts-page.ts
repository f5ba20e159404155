import { ChangeDetectionStrategy, Component, computed, type ElementRef, inject, signal, viewChild } from '@angular/core';

import { AskedState } from '../components/asked-state';
import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { Lacks, Needs } from '../components/needs';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { DecideHost, HostList } from '../data/api/operations';
import { asked } from '../data/resource';
import { ago } from '../runs/run-words';
import { Messages } from '../state/messages';
import { EnrolDialog } from './enrol-dialog';

const EVERY_MS = 2000;
/** What was decided about a host, where that is not that it works. */
const DECIDED: Readonly<Record<string, string>> = { DRAINING: 'draining', REVOKED: 'revoked', CLONED: 'revoked: its certificate was shown by two machines', LEFT: 'has left' };

type Decision = 'DRAIN' | 'UNDRAIN' | 'REVOKE';

/** A decision that somebody is about to make, with what follows from it. */
interface Wanted {
  readonly host: string;
  readonly decision: Decision;
  readonly heading: string;
  readonly means: string;
  readonly button: string;
}

const MEANS = {
  DRAIN: 'It gets no new work. What it has accepted goes on to its end there. It can take work again at any time.',
  REVOKE: 'Its calls are refused from now on, and this cannot be taken back: it would have to be enrolled anew. Work that it has accepted may go on there, and its results do not come back.',
} as const;


/** Where runs are done: which hosts are heard, since when not, and what they had when they were. */
@Component({
  selector: 'ff-hosts',
  templateUrl: './hosts-page.html',
  imports: [AskedState, Dialog, EnrolDialog, Icon, Lacks, Needs, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class HostsPage {
  private readonly api = inject(Api);
  protected readonly list = asked(() => this.api.ask(HostList, {}), EVERY_MS);
  protected readonly rows = computed(() => {
    const data = this.list.value();
    if (!data) return [];
    // By the server's clock, which heard them.
    const now = data.server.timeMs;
    return [...data.hosts]
      .sort((a, b) => Number(a.connected) - Number(b.connected) || a.name.localeCompare(b.name))
      .map((host) => ({
        ...host,
        decided: DECIDED[host.standing] ?? null,
        look: host.connected ? 'done' : 'offline',
        heard: host.lastHeardMs === null ? 'never heard' : host.connected ? `heard ${ago(host.lastHeardMs, now)}` : `last heard ${ago(host.lastHeardMs, now)}`,
        link: host.connected ? (host.busy ? 'connected, takes nothing new' : 'connected') : 'not heard from',
        silentFor: host.connected || host.lastHeardMs === null ? null : ago(host.lastHeardMs, now).replace(/ ago$/, ''),
      }));
  });
  /** Those whose silence nobody decided. */
  protected readonly silent = computed(() => this.rows().filter((host) => !host.connected && (host.standing === 'ACTIVE' || host.standing === 'DRAINING')));
  private readonly messages = inject(Messages);
  protected readonly enrolling = viewChild.required(EnrolDialog);
  private readonly deciding = viewChild.required<Dialog>('deciding');
  private readonly reason = viewChild<ElementRef<HTMLInputElement>>('reason');
  protected readonly wanted = signal<Wanted | null>(null);
  protected readonly mistake = signal<string | null>(null);
  protected readonly busy = signal(false);

  protected decide(host: string, decision: 'DRAIN' | 'REVOKE'): void {
    const word = decision === 'DRAIN' ? 'Drain' : 'Revoke';
    this.wanted.set({ host, decision, heading: `${word} ${host}`, means: MEANS[decision], button: `${word} ${host}` });
    this.mistake.set(null);
    this.deciding().open();
  }

  protected undrain(host: string): void {
    this.wanted.set(null);
    void this.send(host, 'UNDRAIN', null);
  }

  protected reasonText(): string | null {
    const text = this.reason()?.nativeElement.value.trim() ?? '';
    return text === '' ? null : text;
  }

  protected confirm(reason: string | null): void {
    const ask = this.wanted();
    if (ask) void this.send(ask.host, ask.decision, reason);
  }

  private async send(host: string, decision: Decision, reason: string | null): Promise<void> {
    this.busy.set(true);
    try {
      const { decideHost } = await this.api.ask(DecideHost, { input: { host, decision, reason } });
      if (decideHost.__typename === 'DecideHostSuccess') {
        this.deciding().close();
        this.messages.done(decision === 'REVOKE' ? `${host} is revoked.` : decision === 'DRAIN' ? `${host} gets no new work.` : `${host} takes work again.`);
      } else {
        this.fail(decideHost.message);
      }
    } catch (error) {
      this.fail(words(error));
    } finally {
      this.busy.set(false);
      this.list.again();
    }
  }

  private fail(why: string): void {
    if (this.wanted()) this.mistake.set(why);
    else this.messages.refused(why);
  }
}
