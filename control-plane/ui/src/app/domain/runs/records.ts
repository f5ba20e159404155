/**
 * The records of a run as they are stored: lines of JSON, each with the lines of its values in front.
 *
 * Reads what the timeline and the values need. A record that is not known here is kept with its name and shows nothing.
 */
import { isObject, type Json, type JsonObject } from '../json';

/** A record. */
export interface RunRecord {
  readonly seq: number;
  /** Milliseconds since 1970, by the host's clock. */
  readonly at: number;
  readonly type: string;
  readonly event: JsonObject;
}

/** What was read of a run so far. */
export interface Records {
  readonly records: readonly RunRecord[];
  /** Values that stand beside the records, by digest. */
  readonly values: ReadonlyMap<string, Json>;
}

export const NO_RECORDS: Records = { records: [], values: new Map() };

/** Adds lines to what was read. A record that is there already is not added again. */
export function addLines(known: Records, text: string): Records {
  const records = [...known.records];
  const values = new Map(known.values);
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const entry = JSON.parse(line) as Json;
    if (!isObject(entry)) continue;
    if (typeof entry['value'] === 'string') {
      if (entry['json'] !== undefined) values.set(entry['value'], entry['json']);
    } else if (typeof entry['seq'] === 'number' && isObject(entry['event']) && entry['seq'] > (records.at(-1)?.seq ?? -1)) {
      const type = entry['event']['type'];
      records.push({ seq: entry['seq'], at: typeof entry['at_ms'] === 'number' ? entry['at_ms'] : 0, type: typeof type === 'string' ? type : '', event: entry['event'] });
    }
  }
  return { records, values };
}

/** Base64 of UTF-8 as text. */
export function decodeLines(base64: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
}

/** The step of a record: `pay`, `each[2].pay`; empty for one of the whole run. */
export function stepOf(record: RunRecord): string {
  const step = record.event['step'];
  return typeof step === 'string' ? step : '';
}

/** The node of the file that a step belongs to: the loop, for a step in a loop. */
export function nodeOf(step: string): string {
  return /^[^[.]*/.exec(step)?.[0] ?? step;
}

/** A value of a step. */
export interface StepValue {
  readonly step: string;
  /** The value; undefined if its bytes do not stand beside the records. */
  readonly value: Json | undefined;
  readonly bytes: number;
  /** `step`, `fallback`, `reused` or `given`. */
  readonly source: string;
}

/** What the steps of a node gave, in the order in which they completed. */
export function outputsOf(known: Records, node: string): StepValue[] {
  return known.records.flatMap((record) => {
    const step = stepOf(record);
    if (record.type !== 'completed' || (step !== node && nodeOf(step) !== node)) return [];
    const output = record.event['output'];
    const source = record.event['source'];
    const digest = isObject(output) && typeof output['digest'] === 'string' ? output['digest'] : '';
    const bytes = isObject(output) && typeof output['bytes'] === 'number' ? output['bytes'] : 0;
    return [{ step, value: known.values.get(digest), bytes, source: typeof source === 'string' ? source : 'step' }];
  });
}
