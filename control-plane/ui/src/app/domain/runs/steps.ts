/**
 * The steps of a run from its records: attempts with what came of them, and the rounds of loops.
 *
 * A step in a loop is `each[2].pay`, in a loop within a loop `each[2].inner[0].pay`; its round is what stands before its
 * last name. Rounds are counted from 0 in records.
 */
import { isList, isObject, type Json } from '../json';
import { lastName, type Records, type RunRecord, stepOf } from './records';
import type { Look } from './states';

/** Something that was used outside. */
export interface UsedOutside {
  readonly destination: string;
  readonly secret: string;
  readonly count: number;
}

/** One attempt of a step. */
export interface StepAttempt {
  readonly step: string;
  /** 0 for a node that makes none. */
  readonly attempt: number;
  readonly state: 'done' | 'failed' | 'running' | 'lost';
  /** When it began, milliseconds since 1970, by the host's clock. */
  readonly at: number;
  /** How long it took, milliseconds; null while it is under way, or when that is not known. */
  readonly took: number | null;
  /** Kind, code and message of the failure. */
  readonly failure: { readonly kind: string; readonly code: string; readonly message: string } | null;
  /** When the next try was due, milliseconds since 1970. */
  readonly retryAt: number | null;
  readonly used: readonly UsedOutside[];
}

/** Where one step stands. */
export interface StepState {
  readonly step: string;
  readonly node: string;
  /** `each[2]`, `each[2].inner[0]`; empty for a step that is in no loop. */
  readonly round: string;
  readonly state: Look;
  readonly attempts: readonly StepAttempt[];
}

/** What stands before the last name of a step. */
export function roundOf(step: string): string {
  const dot = step.lastIndexOf('.');
  return dot < 0 ? '' : step.slice(0, dot);
}

/** A round as people count: `each 3`, `each 3, inner 1`. */
export function roundWords(round: string): string {
  return round.replaceAll(/([^.[]+)\[(\d+)\]/g, (_, node: string, index: string) => `${node} ${String(Number(index) + 1)}`).replaceAll('.', ', ');
}

/** Every step that the records tell of, in the order in which they begin. */
export function stepsOf(records: Records): ReadonlyMap<string, StepState> {
  const steps = new Map<string, { state: Look; attempts: StepAttempt[] }>();
  const of = (step: string): { state: Look; attempts: StepAttempt[] } => {
    const found = steps.get(step) ?? { state: 'running', attempts: [] };
    steps.set(step, found);
    return found;
  };
  for (const record of records.records) {
    const step = stepOf(record);
    if (step === '') continue;
    switch (record.type) {
      case 'intent': begin(of(step), step, record); break;
      case 'completed': {
        const known = of(step);
        finish(known, step, record, 'done');
        known.state = 'done';
        break;
      }
      case 'attempt_failed': {
        const known = of(step);
        finish(known, step, record, 'failed');
        known.state = typeof record.event['retry_at_ms'] === 'number' ? 'running' : 'failed';
        break;
      }
      case 'skipped': of(step).state = 'skipped'; break;
      case 'await_opened': of(step).state = isReview(record) ? 'review' : 'waiting'; break;
      case 'await_closed': of(step).state = 'running'; break;
      case 'loop_started': of(step); break;
      default: break;
    }
  }
  return new Map([...steps].map(([step, found]) => [step, { step, node: lastName(step), round: roundOf(step), ...found }]));
}

function begin(known: { attempts: StepAttempt[] }, step: string, record: RunRecord): void {
  const attempt = numberAt(record, 'attempt');
  // One that begins again without an end was lost: nobody knows how far it came.
  known.attempts = known.attempts.map((other) => (other.state === 'running' ? { ...other, state: 'lost' } : other));
  known.attempts.push({ step, attempt, state: 'running', at: record.at, took: null, failure: null, retryAt: null, used: [] });
}

function finish(known: { attempts: StepAttempt[] }, step: string, record: RunRecord, state: 'done' | 'failed'): void {
  const attempt = numberAt(record, 'attempt');
  if (attempt === 0 && state === 'done') return;
  const took = numberAt(record, 'elapsed_us') / 1000;
  const open = known.attempts.findIndex((other) => other.state === 'running' && other.attempt === attempt);
  const failure = record.event['failure'];
  const text = (key: string): string => (isObject(failure) && typeof failure[key] === 'string' ? failure[key] : '');
  const retryAt = record.event['retry_at_ms'];
  const ended: StepAttempt = {
    step, attempt, state, at: open < 0 ? record.at - took : (known.attempts[open]?.at ?? record.at), took,
    failure: state === 'failed' ? { kind: text('kind'), code: text('code'), message: text('message') } : null,
    retryAt: typeof retryAt === 'number' ? retryAt : null, used: usedOf(record.event['used']),
  };
  if (open < 0) known.attempts.push(ended);
  else known.attempts[open] = ended;
}

function isReview(record: RunRecord): boolean {
  const awaits = record.event['awaits'];
  return isObject(awaits) && awaits['for'] === 'review';
}

function numberAt(record: RunRecord, key: string): number {
  const found = record.event[key];
  return typeof found === 'number' ? found : 0;
}

function usedOf(value: Json | undefined): UsedOutside[] {
  return (isList(value) ? value : []).flatMap((item) => {
    if (!isObject(item) || typeof item['destination'] !== 'string') return [];
    return [{ destination: item['destination'], secret: typeof item['secret'] === 'string' ? item['secret'] : '', count: typeof item['count'] === 'number' ? item['count'] : 1 }];
  });
}

/** One round of a loop. */
export interface Round {
  /** `each[2]`. */
  readonly round: string;
  /** `each 3`. */
  readonly words: string;
  readonly state: Look;
}

/** The rounds in which a node stands, or those of a loop, as far as the records tell; in their order. */
export function roundsOf(steps: ReadonlyMap<string, StepState>, node: string): Round[] {
  const own = [...steps.values()].filter((step) => step.round !== '' && (step.node === node || lastName(step.round) === node));
  const rounds = new Map<string, Look>();
  for (const { round, state } of own) rounds.set(round, worse(rounds.get(round), state));
  return [...rounds].map(([round, state]) => ({ round, words: roundWords(round), state })).sort((a, b) => compare(a.round, b.round));
}

const WORST: readonly Look[] = ['done', 'skipped', 'queued', 'paused', 'offline', 'running', 'waiting', 'review', 'failed'];

function worse(a: Look | undefined, b: Look): Look {
  return a === undefined || WORST.indexOf(b) > WORST.indexOf(a) ? b : a;
}

/** By the numbers in them, so that 10 comes after 9. */
function compare(a: string, b: string): number {
  const numbers = (text: string): number[] => [...text.matchAll(/\[(\d+)\]/g)].map(([, index]) => Number(index));
  const [left, right] = [numbers(a), numbers(b)];
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? -1) - (right[index] ?? -1);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** How a node inside a loop did: in one round, or in all of them. */
export interface InnerState {
  readonly state: Look;
  readonly text: string;
  /** How much of it is done, from 0 to 1, where the number of rounds is known. */
  readonly share: number | null;
}

/** How the nodes inside loops did, by node. `round` is one of `roundsOf`, or null for all together. */
export function innerStates(records: Records, steps: ReadonlyMap<string, StepState>, round: string | null): ReadonlyMap<string, InnerState> {
  const byNode = new Map<string, StepState[]>();
  for (const step of steps.values()) {
    if (step.round === '' || (round !== null && step.round !== round && !step.round.startsWith(`${round}.`))) continue;
    const list = byNode.get(step.node);
    if (list) list.push(step);
    else byNode.set(step.node, [step]);
  }
  const counts = new Map<string, number>();
  for (const record of records.records) {
    if (record.type !== 'loop_started') continue;
    const loop = lastName(stepOf(record));
    counts.set(loop, (counts.get(loop) ?? 0) + numberAt(record, 'count'));
  }
  return new Map([...byNode].map(([node, list]) => [node, summary(list, round === null ? (counts.get(lastName(list[0]?.round ?? '')) ?? null) : null)]));
}

function summary(list: readonly StepState[], count: number | null): InnerState {
  const done = list.filter(({ state }) => state === 'done').length;
  const failed = list.filter(({ state }) => state === 'failed').length;
  const state = list.reduce<Look | undefined>((found, step) => worse(found, step.state), undefined) ?? 'queued';
  if (list.length === 1 && count === null) return { state, text: tried(list[0]), share: null };
  const of = count === null ? `${String(done)} done` : `${String(done)} of ${String(count)}`;
  const open = count !== null && done + failed < count && state === 'done' ? 'running' : state;
  return { state: open, text: failed > 0 ? `${of}, ${String(failed)} failed` : of, share: count === null || count === 0 ? null : done / count };
}

function tried(step: StepState | undefined): string {
  const failure = step?.attempts.at(-1)?.failure;
  return failure && step.state === 'failed' ? failure.message : '';
}
