import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { Api, words } from '../data/api/api';
import { ConnectorCards, type ConnectorCardsData } from '../data/api/operations';
import { asked } from '../data/resource';
import { isPure, reachOf, sizeWords } from '../domain/marketplace/reach';

/** How long after the last key the search is asked for, milliseconds. */
const TYPED_MS = 250;
const CATEGORIES = ['transform', 'data', 'messaging', 'files', 'ai', 'devices', 'other'] as const;
const REACHES = ['http', 'secrets', 'artefacts'] as const;

type Filter = 'search' | 'category' | 'capability' | 'publisher';

/** Published connectors: found by words, kind, reach and publisher. What is looked for stands in the address. */
@Component({
  selector: 'ff-marketplace',
  templateUrl: './marketplace-page.html',
  imports: [AskedState, Icon, RouterLink, StateView],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class MarketplacePage {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  readonly search = input<string>();
  readonly category = input<string>();
  readonly capability = input<string>();
  readonly publisher = input<string>();
  private readonly variables = computed(() => ({ after: null, search: this.search() ?? null, category: this.category() ?? null, capability: this.capability() ?? null, publisher: this.publisher() ?? null }));
  protected readonly list = asked(() => this.api.ask(ConnectorCards, this.variables()), 0, true);
  private readonly more = signal<readonly ConnectorCardsData['connectors'][]>([]);
  protected readonly mistake = signal<string | null>(null);
  private readonly pages = computed(() => {
    const first = this.list.value()?.connectors;
    return first ? [first, ...this.more()] : [];
  });
  protected readonly next = computed(() => {
    const last = this.pages().at(-1)?.pageInfo;
    return last?.hasNextPage ? last.endCursor : null;
  });
  protected readonly cards = computed(() =>
    this.pages().flatMap((page) => page.nodes).map((one) => ({
      ...one,
      publisher: one.name.split(':')[0] ?? '',
      pure: isPure(one.capabilities),
      reach: one.capabilities.map(reachOf).filter((reach) => reach.outside || reach.icon === 'file'),
      size: sizeWords(one.sizeBytes),
    })),
  );
  protected readonly publishers = computed(() => [...new Set([...this.cards().map((card) => card.publisher), ...(this.publisher() === undefined ? [] : [this.publisher() ?? ''])])].sort());
  protected readonly filtered = computed(() => [this.search(), this.category(), this.capability(), this.publisher()].some((one) => one !== undefined));
  protected readonly groups: readonly { readonly key: Filter; readonly label: string; readonly options: () => readonly { readonly value: string; readonly label: string }[] }[] = [
    { key: 'category', label: 'Kind', options: () => CATEGORIES.map((value) => ({ value, label: value === 'ai' ? 'AI' : `${value.charAt(0).toUpperCase()}${value.slice(1)}` })) },
    { key: 'capability', label: 'Reach', options: () => REACHES.map((value) => ({ value, label: `${reachOf(value).title.charAt(0).toUpperCase()}${reachOf(value).title.slice(1)}` })) },
    { key: 'publisher', label: 'Publisher', options: () => this.publishers().map((value) => ({ value, label: value })) },
  ];
  private typed: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    effect(() => {
      this.variables();
      untracked(() => {
        this.more.set([]);
        this.list.again();
      });
    });
  }

  protected chosen(key: Filter): string {
    return (key === 'category' ? this.category() : key === 'capability' ? this.capability() : key === 'publisher' ? this.publisher() : this.search()) ?? '';
  }

  protected type(event: Event): void {
    if (!(event.target instanceof HTMLInputElement)) return;
    const value = event.target.value.trim();
    clearTimeout(this.typed);
    this.typed = setTimeout(() => { this.narrow('search', value); }, TYPED_MS);
  }

  protected choose(key: Filter, event: Event): void {
    if (event.target instanceof HTMLSelectElement) this.narrow(key, event.target.value);
  }

  protected narrow(key: Filter, value: string): void {
    void this.router.navigate([], { queryParams: { [key]: value === '' ? null : value }, queryParamsHandling: 'merge', replaceUrl: key === 'search' });
  }

  protected async further(): Promise<void> {
    try {
      const { connectors } = await this.api.ask(ConnectorCards, { ...this.variables(), after: this.next() });
      this.more.update((pages) => [...pages, connectors]);
      this.mistake.set(null);
    } catch (error) {
      this.mistake.set(words(error));
    }
  }
}
