/**
 * From the records of a run to its time: queue, work, people, other waits, and the times in which the host was not there.
 *
 * Owns what each record means for time. An attempt that begins a second time without having ended shows that the host was
 * down between: from the last record before it to the first after.
 */
import { isObject, type JsonObject } from '../json';
import type { Attempt, HostGap, RunTimeline, Segment, TimelineRow } from '../timeline/timeline';
import { nodeOf, type RunRecord, stepOf } from './records';
import { nodeState } from './states';
import type { NodeRow } from './table';

/** What else is known of the run. */
export interface RunFacts {
  readonly host: string;
  /** When it was accepted by the control plane, milliseconds since 1970. */
  readonly createdAt: number;
  /** When it ended, or null. */
  readonly endedAt: number | null;
  /** The time of now, by the same clock. */
  readonly now: number;
  /** Whether the host is heard. */
  readonly connected: boolean;
  readonly rows: readonly NodeRow[];
}

interface Open {
  readonly from: number;
  readonly attempt: number;
  readonly kind: Segment['kind'];
  readonly label?: string;
}

interface Track {
  readonly segments: Segment[];
  readonly attempts: Map<number, Segment[]>;
}

/** Letters of what came out that stand beside a bar. */
const LABEL = 36;
/** Shortest queue that is drawn, milliseconds. */
const QUEUE_LEAST = 1;
/** Longest silence of a host that is connected and works, before it is called a gap; milliseconds. */
const SILENCE = 5_000;

/** The timeline of a run. */
export function timelineOf(records: readonly RunRecord[], facts: RunFacts): RunTimeline {
  const origin = Math.min(facts.createdAt, records[0]?.at ?? facts.createdAt);
  const last = records.at(-1)?.at ?? origin;
  const end = Math.max(facts.endedAt ?? Math.max(facts.now, last), last) - origin;
  const reader = new Reader(origin);
  for (const record of records) reader.read(record);
  reader.close(end, facts);
  const rows = facts.rows.map((row) => rowOf(row, reader.tracks.get(row.node), origin, end));
  return { host: facts.host, length: Math.max(end, 1), rows, gaps: reader.gaps };
}

class Reader {
  readonly tracks = new Map<string, Track>();
  readonly gaps: HostGap[] = [];
  private readonly open = new Map<string, Open>();
  private before = 0;
  private pausedAt: number | null = null;

  constructor(private readonly origin: number) {}

  read(record: RunRecord): void {
    const at = Math.max(0, record.at - this.origin);
    const step = stepOf(record);
    const { event } = record;
    const attempt = typeof event['attempt'] === 'number' ? event['attempt'] : 0;
    switch (record.type) {
      case 'intent': this.intent(step, attempt, at); break;
      case 'completed': this.ended(step, attempt, at, elapsedOf(record), 'done'); break;
      case 'attempt_failed': this.ended(step, attempt, at, elapsedOf(record), 'failed'); break;
      case 'await_opened': this.waits(step, at, record); break;
      case 'await_closed': this.closes(step, at); break;
      case 'paused': this.pausedAt ??= at; break;
      case 'unpaused': this.unpaused(at); break;
      default: break;
    }
    this.before = at;
  }

  /** What is still open at the end. */
  close(end: number, facts: RunFacts): void {
    this.unpaused(end);
    const silent = facts.endedAt === null && !facts.connected && end - this.before > SILENCE;
    const heard = silent ? this.before : end;
    for (const [step, open] of this.open) {
      const over = facts.endedAt !== null;
      if (open.kind === 'work' && over) this.add(step, { kind: 'unknown', from: open.from, to: end }, open.attempt);
      else this.add(step, { ...open, to: open.kind === 'work' ? heard : end, ...(open.kind === 'work' ? { state: 'running' as const } : {}) }, open.attempt);
    }
    if (silent) this.gaps.push({ kind: 'gap', from: this.before, to: end, text: 'The host is not heard from. What it does meanwhile comes when it is back.' });
  }

  private intent(step: string, attempt: number, at: number): void {
    const key = `work ${step}`;
    const open = this.open.get(key);
    if (open) {
      this.add(key, { kind: 'unknown', from: open.from, to: Math.max(this.before, open.from) }, open.attempt);
      this.down(this.before, at, step, open.from);
    }
    this.open.set(key, { from: at, attempt, kind: 'work' });
  }

  private ended(step: string, attempt: number, at: number, elapsed: number, state: 'done' | 'failed'): void {
    const key = `work ${step}`;
    const open = this.open.get(key);
    this.open.delete(key);
    const segment: Segment = { kind: 'work', from: open?.from ?? Math.max(0, at - elapsed), to: at, ...(state === 'failed' ? { state } : {}) };
    this.add(key, segment, attempt);
  }

  private waits(step: string, at: number, record: RunRecord): void {
    const awaits = isObject(record.event['awaits']) ? record.event['awaits'] : {};
    const type = awaitType(awaits);
    const person = type === 'approval' || type === 'review';
    this.open.delete(`work ${step}`);
    this.open.set(`wait ${step}`, { from: at, attempt: 0, kind: person ? 'person' : 'wait', label: WAITS[type] ?? 'waits' });
  }

  private closes(step: string, at: number): void {
    const key = `wait ${step}`;
    const open = this.open.get(key);
    this.open.delete(key);
    if (open) this.add(key, { kind: open.kind, from: open.from, to: at, ...(open.label === undefined ? {} : { label: open.label }) }, 0);
  }

  private unpaused(at: number): void {
    if (this.pausedAt !== null) this.gaps.push({ kind: 'paused', from: this.pausedAt, to: at, text: 'Paused: no step began.' });
    this.pausedAt = null;
  }

  private down(from: number, to: number, step: string, began: number): void {
    const known = this.gaps.at(-1);
    // Several steps that were under way at one death begin again one after the other.
    if (known?.kind === 'down' && began <= known.from) return;
    this.gaps.push({ kind: 'down', from, to: Math.max(to, from), text: `The host stopped while ${step} was under way, and went on from its journal.` });
  }

  private add(key: string, segment: Segment, attempt: number): void {
    const node = nodeOf(key.replace(/^\w+ /, ''));
    const track = this.tracks.get(node) ?? { segments: [], attempts: new Map<number, Segment[]>() };
    this.tracks.set(node, track);
    track.segments.push(segment);
    if (attempt > 0) track.attempts.set(attempt, [...(track.attempts.get(attempt) ?? []), segment]);
  }
}

const WAITS: Readonly<Record<string, string>> = { approval: 'a person', review: 'a look at it', time: 'a time', retry: 'the next try', signal: 'a signal', child: 'another run' };

function awaitType(awaits: JsonObject): string {
  const named = awaits['for'];
  return typeof named === 'string' ? named : '';
}

function elapsedOf(record: RunRecord): number {
  const elapsed = record.event['elapsed_us'];
  return typeof elapsed === 'number' ? elapsed / 1000 : 0;
}

function rowOf(row: NodeRow, track: Track | undefined, origin: number, end: number): TimelineRow {
  const shown = nodeState(row.state);
  const segments = merged(track?.segments ?? []);
  const ready = row.startedAt === null ? null : Math.max(0, row.startedAt - origin);
  const first = segments[0]?.from ?? (shown.look === 'queued' ? end : null);
  const queue: Segment[] = ready !== null && first !== null && first - ready >= QUEUE_LEAST ? [{ kind: 'queue', from: ready, to: first }] : [];
  const several = (track?.attempts.size ?? 0) > 1;
  const attempts: Attempt[] = several ? [...(track?.attempts ?? [])].sort(([a], [b]) => a - b).map(([number, list]) => ({ name: `attempt ${String(number)}`, tries: list.length > 1 ? String(list.length) : '', segments: merged(list) })) : [];
  return { id: row.node, name: row.node, state: shown.look, word: shown.word, tries: row.tries, segments: [...queue, ...segments], result: row.what.length > LABEL ? `${row.what.slice(0, LABEL - 1)}…` : row.what, attempts };
}

/** Segments in order; those of one kind and state that overlap or touch, as steps of a loop do, are one. */
function merged(segments: readonly Segment[]): Segment[] {
  const out: Segment[] = [];
  for (const segment of [...segments].sort((a, b) => a.from - b.from)) {
    const last = out.at(-1);
    if (last?.kind === segment.kind && last.state === segment.state && segment.from <= last.to + 1) out[out.length - 1] = { ...last, to: Math.max(last.to, segment.to) };
    else out.push(segment);
  }
  return out;
}
