import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';

import { AskedState } from '../components/asked-state';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api } from '../data/api/api';
import { HostList } from '../data/api/operations';
import { asked } from '../data/resource';
import { ago } from '../runs/run-words';

const EVERY_MS = 2000;

/** Where runs are done: which hosts are heard, since when not, and what they had when they were. */
@Component({
  selector: 'ff-hosts',
  templateUrl: './hosts-page.html',
  imports: [AskedState, StateView, When],
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
        look: host.connected ? 'done' : 'offline',
        heard: host.lastHeardMs === null ? 'never heard' : host.connected ? `heard ${ago(host.lastHeardMs, now)}` : `last heard ${ago(host.lastHeardMs, now)}`,
        link: host.connected ? (host.busy ? 'connected, takes nothing new' : 'connected') : 'not heard from',
        silentFor: host.connected || host.lastHeardMs === null ? null : ago(host.lastHeardMs, now).replace(/ ago$/, ''),
      }));
  });
  protected readonly silent = computed(() => this.rows().filter((host) => !host.connected));
}
