/** What lists of runs say about a run. */
import { duration } from '../domain/timeline/timeline';

/** How long a run took, or takes already. */
export function tookOf(run: { readonly createdAtMs: number; readonly endedAtMs: number | null }, now: number): string {
  return duration(Math.max(0, (run.endedAtMs ?? now) - run.createdAtMs));
}

/** How far an attempt is, as its connector said last: `40 %, row 4 of 10`. */
export function progressWords(said: { readonly percent: number | null; readonly message: string | null }): string {
  const parts = [said.percent === null ? '' : `${String(said.percent)} %`, said.message ?? ''].filter((part) => part !== '');
  return parts.length === 0 ? 'at work' : parts.join(', ');
}

/** How long ago something was, for people: `3 s ago`, `2 h ago`. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 60) return `${String(seconds)} s ago`;
  if (seconds < 3600) return `${String(Math.floor(seconds / 60))} min ago`;
  if (seconds < 172_800) return `${String(Math.floor(seconds / 3600))} h ago`;
  return `${String(Math.floor(seconds / 86_400))} days ago`;
}

/** The first letters of an id, by which it can be called. */
export function shortId(id: string): string {
  return id.replace(/^run_/, '').slice(0, 8);
}
