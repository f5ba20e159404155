/** The values that the nodes of a run gave, as the expressions of each node can use them. */
import type { Json } from '../json';
import { lastName, type Records, stepOf } from './records';
import { isObject } from '../json';

/** What each node gave: by its name, and for a node in a loop each of its rounds in order. */
export interface RunValues {
  readonly nodes: ReadonlyMap<string, Json>;
  readonly rounds: ReadonlyMap<string, readonly Json[]>;
}

export const NO_VALUES: RunValues = { nodes: new Map(), rounds: new Map() };

/** The values of a run's records. A value that does not stand beside the records is absent. */
export function valuesOf(known: Records): RunValues {
  const nodes = new Map<string, Json>();
  const rounds = new Map<string, Json[]>();
  const lists = new Map<string, Map<number, Json>>();
  const bodies = new Map<string, Set<string>>();
  for (const record of known.records) {
    if (record.type !== 'completed') continue;
    const step = stepOf(record);
    const output = record.event['output'];
    const value = isObject(output) && typeof output['digest'] === 'string' ? known.values.get(output['digest']) : undefined;
    const inner = /^([^.[]+)\[(\d+)\]\.([^.[]+)$/.exec(step);
    if (inner) {
      const [, loop = '', index = '', name = ''] = inner;
      bodies.set(loop, (bodies.get(loop) ?? new Set()).add(name));
      if (value !== undefined) lists.set(loop, (lists.get(loop) ?? new Map<number, Json>()).set(Number(index), value));
    }
    if (value === undefined) continue;
    if (/[.[]/.test(step)) rounds.set(lastName(step), [...(rounds.get(lastName(step)) ?? []), value]);
    else nodes.set(step, value);
  }
  // A loop with one node in it gives the list of what that node gave.
  for (const [loop, byIndex] of lists) {
    if (nodes.has(loop) || bodies.get(loop)?.size !== 1) continue;
    nodes.set(loop, [...byIndex].sort(([a], [b]) => a - b).map(([, value]) => value));
  }
  return { nodes, rounds };
}

/** What the names stand for in one round of the loops: the value of a node that is in none, or that of its round. */
export function valuesInRound(values: RunValues, round: number): ReadonlyMap<string, Json> {
  const found = new Map(values.nodes);
  for (const [name, all] of values.rounds) {
    const value = all[Math.min(round, all.length - 1)];
    if (value !== undefined && !found.has(name)) found.set(name, value);
  }
  return found;
}
