import { ChangeDetectionStrategy, Component, inject, viewChild } from '@angular/core';
import { Router, RouterLink, RouterLinkActive, RouterOutlet } from '@angular/router';

import { CommandPalette } from './components/command-palette';
import { Icon } from './components/icon';
import { Toasts } from './components/toasts';
import { Commands } from './state/commands';
import { Theme } from './state/theme';

/** The frame: navigation, the palette that finds every action, and messages. */
@Component({
  selector: 'ff-app',
  templateUrl: './app.html',
  imports: [CommandPalette, Icon, RouterLink, RouterLinkActive, RouterOutlet, Toasts],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { '(document:keydown)': 'onKey($event)' },
})
export class App {
  protected readonly theme = inject(Theme);
  private readonly router = inject(Router);
  private readonly palette = viewChild.required(CommandPalette);

  constructor() {
    inject(Commands).provide('app', () => [
      { id: 'go-home', title: 'Show the workflows', icon: 'home', group: 'Go to', run: () => void this.router.navigateByUrl('/') },
      { id: 'go-runs', title: 'Show the runs', icon: 'runs', group: 'Go to', run: () => void this.router.navigateByUrl('/runs') },
      { id: 'go-editor', title: 'Open the editor', icon: 'workflows', group: 'Go to', run: () => void this.router.navigateByUrl('/editor') },
      { id: 'go-components', title: 'Show all components', icon: 'marketplace', group: 'Go to', run: () => void this.router.navigateByUrl('/components') },
      { id: 'theme', title: `Use the ${this.theme.next()} theme`, icon: 'sun', group: 'Do', run: () => { this.theme.toggle(); } },
    ]);
  }

  protected find(): void {
    this.palette().open();
  }

  protected onKey(event: KeyboardEvent): void {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      this.find();
    }
  }
}
