/** What a connector may do outside, in words: its capabilities, and what a repetition of an operation would do. */
import type { Effect } from '../ports/interface';

/** A capability as people read it. */
export interface Reach {
  readonly icon: string;
  readonly title: string;
  readonly means: string;
  /** Whether it leads out of the host. */
  readonly outside: boolean;
}

const REACH: Readonly<Record<string, Reach>> = {
  http: { icon: 'globe', title: 'sends requests', means: 'Only to the destinations that a node allows; the host checks each request.', outside: true },
  secrets: { icon: 'key', title: 'uses secrets', means: 'The host adds them to a request after it has checked the destination. The connector never sees a value.', outside: true },
  artefacts: { icon: 'file', title: 'reads and writes files', means: 'Files of the run, kept by their digest. It sees no folder of the host.', outside: false },
  context: { icon: 'receipt', title: 'knows its step', means: 'The id of the run and the number of the attempt, for keys that make a repetition harmless.', outside: false },
  log: { icon: 'list', title: 'writes to the log', means: 'Lines in the log of its step. They are always shown as text.', outside: false },
  clock: { icon: 'schedule', title: 'reads the clock', means: 'The time of the host, recorded so that a replay sees the same.', outside: false },
};

/** What a capability means. */
export function reachOf(capability: string): Reach {
  return REACH[capability] ?? { icon: 'alert', title: capability, means: 'This interface has no words for it. Read its documentation before you allow it.', outside: true };
}

/** Whether nothing that it does is seen outside. */
export function isPure(capabilities: readonly string[]): boolean {
  return capabilities.every((capability) => !reachOf(capability).outside && capability !== 'artefacts');
}

/** What happens when a call is made again. */
export function effectWords(effect: Effect): string {
  switch (effect.class) {
    case 'pure':
      return 'changes nothing outside';
    case 'idempotent':
      return 'the same call twice does no more than once';
    case 'keyed':
      return `the same call twice is one, for ${keptFor(effect.retention_ms)}`;
    case 'unsafe':
      return 'each call does it again';
  }
}

function keptFor(ms: number): string {
  const hours = ms / 3_600_000;
  if (hours >= 48) return `${String(Math.round(hours / 24))} days`;
  return hours >= 1 ? `${String(Math.round(hours))} h` : `${String(Math.round(ms / 60_000))} min`;
}

/** Bytes, in a unit that people read. */
export function sizeWords(bytes: number): string {
  return bytes >= 1_000_000 ? `${(bytes / 1_000_000).toFixed(1)} MB` : `${String(Math.max(1, Math.round(bytes / 1000)))} KB`;
}
