/** What lists and pages say about a question. */
import { duration } from '../domain/timeline/timeline';

interface Standing {
  readonly requestedAtMs: number;
  readonly expiresAtMs: number | null;
}

/** Who may answer. */
export function approversWords(approvers: readonly string[]): string {
  return approvers.length === 0 ? 'anybody' : approvers.join(', ');
}

/** How many people said yes, of how many who must; empty where one is enough. */
export function quorumWords(row: { readonly quorum: number; readonly answers: readonly { readonly approved: boolean }[] }): string {
  return row.quorum < 2 ? '' : `${String(row.answers.filter(({ approved }) => approved).length)} of ${String(row.quorum)}`;
}

/** What it means that too few people answer in time. */
export function expiryWords(onExpiry: 'EXPIRE' | 'REJECT' | 'APPROVE'): string {
  return { EXPIRE: 'then it has expired', REJECT: 'then it is declined', APPROVE: 'then it is approved' }[onExpiry];
}

/** How often those who are asked were reminded; empty if never. */
export function reminderWords(reminders: number | null): string {
  return !reminders ? '' : reminders === 1 ? 'reminded once' : `reminded ${String(reminders)} times`;
}

/** How much of its time is left, from 0 to 1; 1 for a question without an end. */
export function leftShare(row: Standing, now: number): number {
  if (row.expiresAtMs === null) return 1;
  return Math.min(1, Math.max(0, (row.expiresAtMs - now) / Math.max(1, row.expiresAtMs - row.requestedAtMs)));
}

/** How long it still stands, or how long it waits already. */
export function leftWords(row: Standing, now: number): string {
  return row.expiresAtMs === null ? `for ${longWords(now - row.requestedAtMs)}` : `${longWords(row.expiresAtMs - now)} left`;
}

/** A length of time in its largest unit. */
export function longWords(ms: number): string {
  const hours = ms / 3_600_000;
  if (hours >= 48) return `${String(Math.floor(hours / 24))} days`;
  if (hours >= 1) return `${String(Math.floor(hours))} h`;
  return ms >= 60_000 ? `${String(Math.floor(ms / 60_000))} min` : duration(Math.max(0, Math.floor(ms / 1000) * 1000));
}
