import { Injectable, signal } from '@angular/core';

/** A short message. */
export interface Message {
  readonly id: number;
  readonly kind: 'done' | 'refused';
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const SHOWN_MS = 6000;
const SHOWN_MAX = 3;

/** The messages that are shown now. */
@Injectable({ providedIn: 'root' })
export class Messages {
  private readonly all = signal<readonly Message[]>([]);
  private next = 1;
  readonly shown = this.all.asReadonly();

  /** Says that something was done. */
  done(text: string, action?: Message['action']): void {
    this.add({ id: this.next++, kind: 'done', text, ...(action ? { action } : {}) });
  }

  /** Says why something was not done. */
  refused(text: string): void {
    this.add({ id: this.next++, kind: 'refused', text });
  }

  act(message: Message): void {
    message.action?.run();
    this.dismiss(message.id);
  }

  dismiss(id: number): void {
    this.all.update((messages) => messages.filter((message) => message.id !== id));
  }

  private add(message: Message): void {
    this.all.update((messages) => [...messages.filter((other) => other.text !== message.text), message].slice(-SHOWN_MAX));
    setTimeout(() => {
      this.dismiss(message.id);
    }, SHOWN_MS);
  }
}
