import { computed, effect, Injectable, signal } from '@angular/core';

export type ThemeName = 'light' | 'dark';
export type ThemeChoice = ThemeName | 'system';
const KEY = 'ff-theme';

/** Light or dark: as chosen, else as the system has it. */
@Injectable({ providedIn: 'root' })
export class Theme {
  private readonly system = signal<ThemeName>('light');
  private readonly chosen = signal<ThemeChoice>(remembered());
  readonly choice = this.chosen.asReadonly();
  readonly current = computed((): ThemeName => {
    const chosen = this.chosen();
    return chosen === 'system' ? this.system() : chosen;
  });
  readonly next = computed<ThemeName>(() => (this.current() === 'dark' ? 'light' : 'dark'));

  constructor() {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    this.system.set(dark.matches ? 'dark' : 'light');
    dark.addEventListener('change', () => {
      this.system.set(dark.matches ? 'dark' : 'light');
    });
    effect(() => {
      const chosen = this.chosen();
      if (chosen === 'system') delete document.documentElement.dataset['theme'];
      else document.documentElement.dataset['theme'] = chosen;
    });
  }

  choose(choice: ThemeChoice): void {
    this.chosen.set(choice);
    if (choice === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  }

  toggle(): void {
    this.choose(this.next());
  }
}

function remembered(): ThemeChoice {
  const found = localStorage.getItem(KEY);
  return found === 'light' || found === 'dark' ? found : 'system';
}
