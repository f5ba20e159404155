/**
 * The records of a run as they are stored: lines of JSON, each with the lines of its values in front.
 *
 * Reads what the timeline and the values need. A record that is not known here is kept with its name and shows nothing.
 */
import { isObject, type Json, type JsonObject } from '../json';
import { parseJson } from '../json-text';

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
    const entry = parseJson(line);
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

/** The last name of a step, without the number of its round: `pay` of `each[2].pay`. */
export function lastName(step: string): string {
  return (/[^.]*$/.exec(step)?.[0] ?? step).replace(/\[\d+\]$/, '');
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

/**
 * What the steps of a node gave, in the order in which they completed: in one round of the loops around it, or in all. Of a
 * loop what the steps in it gave; as one list, where a `foreach` has one node in it, because that is its value.
 */
export function outputsOf(known: Records, node: string, round: string | null = null): StepValue[] {
  const completed = known.records.filter((record) => record.type === 'completed' && (round === null || stepOf(record).startsWith(`${round}.`)));
  const own = completed.filter((record) => lastName(stepOf(record)) === node);
  const inner = own.length > 0 ? own : completed.filter((record) => stepOf(record).includes(`${node}[`));
  const values = valuesOf(known, inner);
  if (own.length > 0 || round !== null || values.length === 0) return values;
  const counted = known.records.some((record) => record.type === 'loop_started' && stepOf(record) === node);
  const alone = values.every(({ step }) => new RegExp(`^${node}\\[\\d+\\]\\.[^.[]+$`).test(step)) && new Set(values.map(({ step }) => lastName(step))).size === 1;
  if (!counted || !alone || values.some(({ value }) => value === undefined)) return values;
  const numberOf = ({ step }: StepValue): number => Number(/\[(\d+)\]/.exec(step)?.[1] ?? 0);
  const list = [...values].sort((a, b) => numberOf(a) - numberOf(b)).flatMap(({ value }) => (value === undefined ? [] : [value]));
  return [{ step: node, value: list, bytes: values.reduce((sum, { bytes }) => sum + bytes, 0), source: 'step' }];
}

function valuesOf(known: Records, completed: readonly RunRecord[]): StepValue[] {
  return completed.flatMap((record) => {
    const step = stepOf(record);
    const output = record.event['output'];
    const source = record.event['source'];
    const digest = isObject(output) && typeof output['digest'] === 'string' ? output['digest'] : '';
    const bytes = isObject(output) && typeof output['bytes'] === 'number' ? output['bytes'] : 0;
    return [{ step, value: known.values.get(digest), bytes, source: typeof source === 'string' ? source : 'step' }];
  });
}
