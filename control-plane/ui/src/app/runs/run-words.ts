/** What lists of runs say about a run. */
import { isObject, type Json } from '../domain/json';
import { duration } from '../domain/timeline/timeline';

/** What started a run: `by hand`, `webhook web`. */
export function startedBy(trigger: Json): string {
  if (!isObject(trigger)) return 'by hand';
  const type = trigger['type'];
  const name = trigger['name'] ?? trigger['trigger'];
  const word = typeof type === 'string' ? (WORDS[type] ?? type) : 'by hand';
  return typeof name === 'string' ? `${word} ${name}` : word;
}

const WORDS: Readonly<Record<string, string>> = { manual: 'by hand', webhook: 'webhook', schedule: 'schedule', retry: 'retry', child: 'another run', parent: 'another run' };

/** How long a run took, or takes already. */
export function tookOf(run: { readonly createdAtMs: number; readonly endedAtMs: number | null }, now: number): string {
  return duration(Math.max(0, (run.endedAtMs ?? now) - run.createdAtMs));
}

/** The first letters of an id, by which it can be called. */
export function shortId(id: string): string {
  return id.replace(/^run_/, '').slice(0, 8);
}
