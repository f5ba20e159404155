import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { AuditList, type AuditListData, type AuditOutcome } from '../data/api/operations';
import { asked } from '../data/resource';
import { shortId } from '../runs/run-words';
import { SettingsNav } from './settings-nav';

const EVERY_MS = 5000;
const PAGE = 50;

type Entries = AuditListData['auditEvents']['nodes'];

/** How an outcome is called and looks. */
const OUTCOMES: Readonly<Record<AuditOutcome, { readonly word: string; readonly look: string }>> = {
  DONE: { word: 'done', look: 'done' },
  DENIED: { word: 'denied', look: 'failed' },
  REFUSED: { word: 'refused', look: 'review' },
};
/** What an entry is about, with the way to it where there is one. */
const PLACES: Readonly<Record<string, (id: string) => readonly string[]>> = {
  run: (id) => ['/runs', id],
  workflow: (name) => ['/workflows', name],
  approval: (id) => ['/approvals', id],
  connector: (name) => ['/marketplace', name],
};
const KINDS = ['run', 'workflow', 'draft', 'approval', 'secret', 'group', 'host', 'connector', 'account', 'session', 'token', 'invitation', 'delivery', 'publisher', 'project'];

/** Who did what, newest first, what was denied among it. The filters stand in the address. */
@Component({
  selector: 'ff-audit',
  templateUrl: './audit-page.html',
  imports: [AskedState, Icon, RouterLink, SettingsNav, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class AuditPage {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  /** From the address. */
  readonly who = input<string>();
  readonly about = input<string>();
  readonly outcome = input<string>();
  protected readonly kinds = KINDS;
  protected readonly outcomes = Object.entries(OUTCOMES).map(([name, shown]) => ({ name, ...shown }));
  protected readonly filtered = computed(() => [this.who(), this.about(), this.outcome()].some((word) => word !== undefined));
  protected readonly first = asked(() => this.page(null), EVERY_MS);
  private readonly older = signal<Entries>([]);
  private readonly cursor = signal<string | null | undefined>(undefined);
  protected readonly loading = signal(false);
  protected readonly failure = signal<string | null>(null);
  protected readonly rows = computed(() =>
    [...(this.first.value()?.nodes ?? []), ...this.older()].map((entry) => ({
      ...entry,
      shown: entry.outcome === null ? { word: 'unknown', look: 'offline' } : OUTCOMES[entry.outcome],
      link: entry.object === '' ? null : (PLACES[entry.objectKind]?.(entry.object) ?? null),
      name: ['run', 'approval', 'session', 'token', 'invitation', 'delivery'].includes(entry.objectKind) ? shortId(entry.object) : entry.object,
    })),
  );
  protected readonly next = computed(() => {
    const cursor = this.cursor();
    if (cursor !== undefined) return cursor;
    const page = this.first.value()?.pageInfo;
    return page?.hasNextPage === true ? page.endCursor : null;
  });

  constructor() {
    effect(() => {
      this.who();
      this.about();
      this.outcome();
      untracked(() => {
        this.older.set([]);
        this.cursor.set(undefined);
        this.first.again();
      });
    });
  }

  protected filter(key: 'who' | 'about' | 'outcome', event: Event): void {
    const { target } = event;
    if (!(target instanceof HTMLInputElement || target instanceof HTMLSelectElement)) return;
    const value = target.value.trim();
    void this.router.navigate([], { queryParams: { [key]: value === '' ? null : value }, queryParamsHandling: 'merge' });
  }

  protected async more(): Promise<void> {
    this.loading.set(true);
    this.failure.set(null);
    try {
      const page = await this.page(this.next());
      this.older.update((rows) => [...rows, ...page.nodes]);
      this.cursor.set(page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null);
    } catch (error) {
      this.failure.set(words(error));
    } finally {
      this.loading.set(false);
    }
  }

  private async page(after: string | null): Promise<AuditListData['auditEvents']> {
    const word = this.outcome()?.toUpperCase();
    const filter = { actor: this.who() ?? null, objectKind: this.about() ?? null, outcome: word !== undefined && word in OUTCOMES ? (word as AuditOutcome) : null };
    return (await this.api.ask(AuditList, { first: PAGE, after, filter })).auditEvents;
  }
}
