/** The table of nodes of a run, as the state machine gives it. Reads what it can; a field that is not there is absent. */
import { isList, isObject, type Json } from '../json';

/** One node. */
export interface NodeRow {
  readonly node: string;
  readonly kind: string;
  readonly state: string;
  readonly what: string;
  readonly tries: number;
  /** When it could start, milliseconds since 1970; null before that. */
  readonly startedAt: number | null;
  /** How long it took, milliseconds; null until it ended. */
  readonly time: number | null;
}

/** The rows of the table, in the order of the file. */
export function rowsOf(view: Json | null): NodeRow[] {
  if (!isObject(view ?? undefined)) return [];
  const nodes = (view as { readonly [key: string]: Json })['nodes'];
  if (!isList(nodes)) return [];
  return nodes.flatMap((row) => {
    if (!isObject(row) || typeof row['node'] !== 'string') return [];
    const text = (key: string): string => (typeof row[key] === 'string' ? row[key] : '');
    const number = (key: string): number | null => (typeof row[key] === 'number' ? row[key] : null);
    return [{ node: row['node'], kind: text('kind'), state: text('state'), what: text('what'), tries: number('tries') ?? 0, startedAt: number('started_at_ms'), time: number('time_ms') }];
  });
}
