import { DestroyRef, inject, type Signal, signal } from '@angular/core';

import { ApiError, words } from './api/api';

/** What a view shows of something that is asked for: the newest answer, and why a newer one did not come. */
export interface Asked<T> {
  readonly value: Signal<T | null>;
  readonly failure: Signal<string | null>;
  /** Whether a right is missing. */
  readonly denied: Signal<boolean>;
  /** Asks now. While an answer is under way it is asked once more after it. */
  readonly again: () => void;
}

/** First and longest pause after a failure, milliseconds. */
const PAUSE_MS = 1000;
const PAUSE_MAX_MS = 15_000;

/**
 * Asks at once and then every so often, while the page is seen; after a failure with a growing pause. Ends with the view
 * that it was made in. `every` is in milliseconds; 0: only when `again` is called. `deferred`: not before `again` is called, for
 * what depends on the address.
 */
export function asked<T>(ask: () => Promise<T>, every: number, deferred = false): Asked<T> {
  const value = signal<T | null>(null);
  const failure = signal<string | null>(null);
  const denied = signal(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let under = false;
  const wanted = signal(false);
  let ended = false;
  let failures = 0;
  const later = (ms: number): void => {
    clearTimeout(timer);
    if (!ended) timer = setTimeout(() => { if (document.hidden) later(ms); else void run(); }, ms);
  };
  const run = async (): Promise<void> => {
    if (under) {
      wanted.set(true);
      return;
    }
    under = true;
    wanted.set(false);
    try {
      const answer = await ask();
      failures = 0;
      value.set(answer);
      failure.set(null);
      denied.set(false);
    } catch (error) {
      failures += 1;
      failure.set(words(error));
      denied.set(error instanceof ApiError && error.denied);
    }
    under = false;
    // A right that is missing does not come by asking again and again, and each time is a line in the audit.
    if (denied()) return;
    if (wanted() && failures === 0) later(0);
    else if (failures > 0) later(Math.min(PAUSE_MS * 2 ** (failures - 1), PAUSE_MAX_MS));
    else if (every > 0) later(every);
  };
  inject(DestroyRef).onDestroy(() => {
    ended = true;
    clearTimeout(timer);
  });
  // The inputs of a view are there when its constructor has ended.
  if (!deferred) queueMicrotask(() => void run());
  return { value: value.asReadonly(), failure: failure.asReadonly(), denied: denied.asReadonly(), again: () => void run() };
}
