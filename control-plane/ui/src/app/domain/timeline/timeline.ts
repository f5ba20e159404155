/**
 * The time of a run as bars: queue, work, a person, a gap in which the host was not heard from.
 *
 * Owns the scale. Work is to scale; stretches in which nothing works are shortened, and named, unless the true scale is
 * wanted.
 */
import type { Look } from '../runs/states';

export type SegmentKind = 'queue' | 'work' | 'person' | 'wait' | 'lost' | 'unknown';

/** A stretch of time, milliseconds from the start of the run. */
export interface Segment {
  readonly kind: SegmentKind;
  readonly from: number;
  readonly to: number;
  readonly label?: string;
  readonly state?: 'failed' | 'running';
}

/** The time of one step. */
export interface TimelineRow {
  readonly id: string;
  readonly name: string;
  readonly state: Look;
  /** What the state is called, where that is not the word of its look. */
  readonly word?: string;
  readonly tries: number;
  readonly segments: readonly Segment[];
  /** What came out. */
  readonly result: string;
  readonly attempts: readonly Attempt[];
}

/** One attempt of a step, or of the steps of a loop. */
export interface Attempt {
  readonly name: string;
  readonly tries: string;
  readonly segments: readonly Segment[];
}

/** A time in which the host was down or was not heard from, or the run was paused. */
export interface HostGap {
  readonly kind: 'down' | 'gap' | 'paused';
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** A run's time. */
export interface RunTimeline {
  readonly host: string;
  readonly length: number;
  readonly rows: readonly TimelineRow[];
  readonly gaps: readonly HostGap[];
}

/** From milliseconds to a share of the width, and the stretches that are shortened. */
export interface Scale {
  readonly at: (time: number) => number;
  readonly shortened: readonly { readonly from: number; readonly to: number }[];
  readonly ticks: readonly { readonly time: number; readonly text: string }[];
}

const SHORT_SHARE = 0.2;
/** Shortest stretch that is shortened, milliseconds. */
const SHORTEST_SHORTENED = 1000;

/** The scale of a run. */
export function scaleOf(run: RunTimeline, shorten: boolean): Scale {
  const idle = shorten ? idleStretches(run) : [];
  const idleTime = idle.reduce((sum, stretch) => sum + stretch.to - stretch.from, 0);
  const busyTime = Math.max(1, run.length - idleTime);
  // All shortened stretches together get a fifth of the width, in proportion.
  const idleWidth = idle.length === 0 ? 0 : SHORT_SHARE;
  const at = (time: number): number => {
    const clamped = Math.min(Math.max(time, 0), run.length);
    let busy = clamped;
    let quiet = 0;
    for (const stretch of idle) {
      const part = Math.min(Math.max(clamped - stretch.from, 0), stretch.to - stretch.from);
      busy -= part;
      quiet += part;
    }
    return (busy / busyTime) * (1 - idleWidth) + (idleTime === 0 ? 0 : (quiet / idleTime) * idleWidth);
  };
  return { at, shortened: idle, ticks: ticksOf(run, idle, at) };
}

/** Stretches without work or queue that are long beside all the work. */
function idleStretches(run: RunTimeline): { from: number; to: number }[] {
  const busy = run.rows
    .flatMap((row) => row.segments)
    .filter((segment) => segment.kind === 'work' || segment.kind === 'queue')
    .map(({ from, to }) => ({ from, to }))
    .sort((a, b) => a.from - b.from);
  const worked = busy.reduce((sum, segment) => sum + segment.to - segment.from, 0);
  const idle: { from: number; to: number }[] = [];
  let at = 0;
  for (const segment of [...busy, { from: run.length, to: run.length }]) {
    if (segment.from - at > Math.max(worked, SHORTEST_SHORTENED)) idle.push({ from: at, to: segment.from });
    at = Math.max(at, segment.to);
  }
  return idle;
}

function ticksOf(run: RunTimeline, idle: readonly { from: number; to: number }[], at: (time: number) => number): { time: number; text: string }[] {
  const first = idle[0]?.from ?? run.length;
  const rough = first / 4;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const ticks = [{ time: 0, text: '0' }];
  for (let time = step; time < first && at(first) - at(time) > 0.06; time += step) ticks.push({ time, text: duration(time) });
  for (const stretch of idle) ticks.push({ time: (stretch.from + stretch.to) / 2, text: `${duration(stretch.to - stretch.from)}, shortened` });
  return ticks;
}

/** A length of time for people: `62 ms`, `4.2 s`, `0:00:41`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${String(Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${String(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** How long a row took from its first stretch to its last. */
export function lengthOf(row: TimelineRow): number {
  if (row.segments.length === 0) return 0;
  return Math.max(...row.segments.map((segment) => segment.to)) - Math.min(...row.segments.filter((segment) => segment.kind !== 'queue').map((segment) => segment.from), Number.POSITIVE_INFINITY);
}

/** Work and waiting, as one sentence. */
export function split(run: RunTimeline): string {
  const all = run.rows.flatMap((row) => row.segments);
  const sum = (kind: SegmentKind): number => all.filter((segment) => segment.kind === kind).reduce((total, segment) => total + segment.to - segment.from, 0);
  const person = sum('person');
  return `${duration(sum('work'))} of work${person > 0 ? `, ${duration(person)} waiting for a person` : ''}`;
}
