import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { Router } from '@angular/router';

import { words } from '../data/api/api';
import { Session, SignInError } from '../data/session';

/** The part of an address that is the secret of a one-time link: behind the `#`, which no server and no log sees. */
const LINK = /^#(ff-link-1\..+)$/;

/** Signs somebody in; with a one-time link in the address, makes their account first. */
@Component({
  selector: 'ff-sign-in',
  templateUrl: './sign-in.html',
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'sign-in', '(window:hashchange)': 'link.set(linkHere())' },
})
export class SignIn {
  private readonly session = inject(Session);
  private readonly router = inject(Router);
  protected readonly workspace = computed(() => this.session.state()?.workspace ?? '');
  /** Whether somebody was signed in here before: then this is not the beginning but an end that needs a word. */
  protected readonly ended = computed(() => this.session.account() !== null);
  protected readonly link = signal(this.linkHere());
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);
  protected readonly field = signal<string | null>(null);

  protected linkHere(): string | null {
    return LINK.exec(location.hash)?.[1] ?? null;
  }

  protected async send(name: string, password: string, again: string): Promise<void> {
    const link = this.link();
    if (link !== null && password !== again) {
      this.fail('The two passwords are not the same.', 'again');
      return;
    }
    this.busy.set(true);
    this.fail(null, null);
    try {
      if (link === null) await this.session.signIn(name.trim(), password);
      else await this.session.join(link, name.trim(), password);
      if (link !== null) await this.router.navigateByUrl('/', { replaceUrl: true });
    } catch (error) {
      this.fail(words(error), error instanceof SignInError ? error.field : null);
    } finally {
      this.busy.set(false);
    }
  }

  /** What stands in the second field for the password, where there is one. */
  protected repeated(event: Event): string {
    const box = event.target instanceof HTMLFormElement ? event.target.elements.namedItem('again') : null;
    return box instanceof HTMLInputElement ? box.value : '';
  }

  private fail(why: string | null, field: string | null): void {
    this.mistake.set(why);
    this.field.set(field);
  }
}
