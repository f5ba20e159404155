import { ChangeDetectionStrategy, Component, computed, effect, inject, untracked, viewChild } from '@angular/core';
import { toSignal } from '@angular/core/rxjs-interop';
import { NavigationEnd, Router, RouterLink, RouterLinkActive, RouterOutlet } from '@angular/router';
import { filter, map } from 'rxjs';

import { CommandPalette } from './components/command-palette';
import { Icon } from './components/icon';
import { Toasts } from './components/toasts';
import { Api } from './data/api/api';
import { Waiting } from './data/api/operations';
import { asked } from './data/resource';
import { Session } from './data/session';
import { SignIn } from './session/sign-in';
import { type Place, PLACES } from './shell/places';
import { Commands } from './state/commands';
import { Theme } from './state/theme';

const EVERY_MS = 5000;

/** The frame: navigation, the palette that finds every action, and messages. */
@Component({
  selector: 'ff-app',
  templateUrl: './app.html',
  imports: [CommandPalette, Icon, RouterLink, RouterLinkActive, RouterOutlet, SignIn, Toasts],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { '(document:keydown)': 'onKey($event)' },
})
export class App {
  protected readonly theme = inject(Theme);
  private readonly router = inject(Router);
  private readonly api = inject(Api);
  private readonly palette = viewChild(CommandPalette);
  protected readonly session = inject(Session);
  protected readonly online = this.api.online;
  /** Whether views may ask: somebody is signed in, or nobody has to be. */
  protected readonly open = computed(() => this.session.settled() && !this.session.away());
  private readonly waiting = asked(async () => (this.open() ? this.api.ask(Waiting, {}) : null), EVERY_MS);
  protected readonly places = PLACES;
  private readonly path = toSignal(this.router.events.pipe(filter((event) => event instanceof NavigationEnd), map((event) => event.urlAfterRedirects.replace(/[?#].*$/, ''))), { initialValue: location.pathname });
  /** Whether the navigation has room for names: not beside a graph, which needs the width. */
  protected readonly named = computed(() => !/^\/(?:editor|workflows\/|runs\/)/.test(this.path()));

  constructor() {
    void this.session.look();
    effect(() => { if (this.open()) untracked(() => { this.waiting.again(); }); });
    // Who was signed in may not be any more: the door is asked before anybody is sent to it.
    effect(() => {
      if (this.api.turnedAway()) untracked(() => { if (this.session.state() === null) void this.session.look(); });
    });
    inject(Commands).provide('app', () => [
      ...PLACES.map((place) => ({ id: `go-${place.label.toLowerCase()}`, title: `Show ${place.label === 'Editor' ? 'the editor' : place.label.toLowerCase()}`, icon: place.icon, group: 'Go to', run: () => void this.router.navigateByUrl(place.path) })),
      { id: 'go-profile', title: 'Show your profile', icon: 'approval', group: 'Go to', run: () => void this.router.navigateByUrl('/profile') },
      { id: 'go-components', title: 'Show all components', icon: 'marketplace', group: 'Go to', run: () => void this.router.navigateByUrl('/components') },
      ...(this.session.account() === null || this.session.state()?.needed !== true ? [] : [{ id: 'sign-out', title: 'Sign out', icon: 'lock', group: 'Do', run: () => { this.signOut(); } }]),
      { id: 'theme', title: `Use the ${this.theme.next()} theme`, icon: 'sun', group: 'Do', run: () => { this.theme.toggle(); } },
    ]);
  }

  protected count(place: Place): number {
    const found = this.waiting.value();
    if (!found || !place.count) return 0;
    return place.count === 'waiting' ? found.approvals.nodes.length : found.hosts.filter((host) => !host.connected).length;
  }

  protected signOut(): void {
    void this.session.signOut();
  }

  protected find(): void {
    this.palette()?.open();
  }

  protected onKey(event: KeyboardEvent): void {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      this.find();
    }
  }
}
