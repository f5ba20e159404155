import { computed, effect, Injectable, signal } from '@angular/core';

export type ThemeName = 'light' | 'dark';
const KEY = 'ff-theme';

/** Light or dark: as chosen, else as the system has it. */
@Injectable({ providedIn: 'root' })
export class Theme {
  private readonly system = signal<ThemeName>('light');
  private readonly chosen = signal<ThemeName | null>(remembered());
  readonly current = computed(() => this.chosen() ?? this.system());
  readonly next = computed<ThemeName>(() => (this.current() === 'dark' ? 'light' : 'dark'));

  constructor() {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    this.system.set(dark.matches ? 'dark' : 'light');
    dark.addEventListener('change', () => {
      this.system.set(dark.matches ? 'dark' : 'light');
    });
    effect(() => {
      const chosen = this.chosen();
      if (chosen) document.documentElement.dataset['theme'] = chosen;
      else delete document.documentElement.dataset['theme'];
    });
  }

  toggle(): void {
    const next = this.next();
    this.chosen.set(next);
    localStorage.setItem(KEY, next);
  }
}

function remembered(): ThemeName | null {
  const found = localStorage.getItem(KEY);
  return found === 'light' || found === 'dark' ? found : null;
}
