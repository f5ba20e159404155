import { ChangeDetectionStrategy, Component, computed, DestroyRef, inject, signal } from '@angular/core';
import { toSignal } from '@angular/core/rxjs-interop';
import { ActivatedRoute, NavigationEnd, Router, RouterLink, RouterOutlet } from '@angular/router';
import { filter, map, startWith } from 'rxjs';

import { AskedState } from '../components/asked-state';
import { StateView } from '../components/state-view';
import { Api } from '../data/api/api';
import { Inbox } from '../data/api/operations';
import { asked } from '../data/resource';
import { approversWords, leftShare, leftWords, quorumWords, reminderWords } from './approval-words';

const EVERY_MS = 3000;

/** Questions to people: those that wait, and those that were answered. One of them stands beside the list. */
@Component({
  selector: 'ff-inbox',
  templateUrl: './inbox-page.html',
  imports: [AskedState, RouterLink, RouterOutlet, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'inbox', '[class.one]': 'chosen() !== null', '(document:keydown)': 'onKey($event)' },
})
export class InboxPage {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  private readonly route = inject(ActivatedRoute);
  protected readonly inbox = asked(() => this.api.ask(Inbox, {}), EVERY_MS);
  protected readonly decided = signal(false);
  protected readonly now = signal(Date.now());
  protected readonly share = leftShare;
  protected readonly left = leftWords;
  protected readonly asks = approversWords;
  protected readonly quorum = quorumWords;
  protected readonly reminded = reminderWords;
  /** The id in the address. */
  protected readonly chosen = toSignal(
    this.router.events.pipe(filter((event) => event instanceof NavigationEnd), startWith(null), map(() => this.route.snapshot.firstChild?.paramMap.get('id') ?? null)),
    { initialValue: null },
  );
  protected readonly rows = computed(() => {
    const data = this.inbox.value();
    if (!data) return [];
    return this.decided() ? data.newest.nodes.filter((row) => row.state !== 'PENDING') : data.waiting.nodes;
  });
  protected readonly waiting = computed(() => this.inbox.value()?.waiting.nodes.length ?? 0);

  constructor() {
    const timer = setInterval(() => { this.now.set(Date.now()); }, 1000);
    inject(DestroyRef).onDestroy(() => { clearInterval(timer); });
  }

  /** J and K go through the list. */
  protected onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target instanceof HTMLElement && event.target.closest('input, textarea, select, dialog'))) return;
    const step = { j: 1, k: -1 }[event.key];
    const rows = this.rows();
    if (step === undefined || rows.length === 0) return;
    event.preventDefault();
    const at = rows.findIndex((row) => row.id === this.chosen());
    const next = rows[(at + step + rows.length) % rows.length];
    if (next) void this.router.navigate(['/approvals', next.id]);
  }
}
