import { Injectable, signal } from '@angular/core';

import type { DataPart } from '../domain/expression/use';

/** A box that takes an expression. */
export interface Taker {
  readonly label: () => string;
  readonly take: (part: DataPart) => void;
}

/** The box that had the caret last: what somebody chooses from the data goes there. */
@Injectable({ providedIn: 'root' })
export class ExpressionTarget {
  private readonly last = signal<Taker | null>(null);
  readonly taker = this.last.asReadonly();

  focused(taker: Taker): void {
    this.last.set(taker);
  }

  gone(taker: Taker): void {
    this.last.update((known) => (known === taker ? null : known));
  }
}

/** What a part of the data is called while it is dragged. */
export const PART_TYPE = 'application/x-flowforge-part';
