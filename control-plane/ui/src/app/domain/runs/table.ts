/** The table of nodes of a run, as the state machine gives it. Reads what it can; a field that is not there is absent. */
import { isList, isObject, type Json, valueAt } from '../json';

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
  const nodes = isObject(view ?? undefined) ? valueAt(view ?? undefined, ['nodes']) : undefined;
  if (!isList(nodes)) return [];
  return nodes.flatMap((row) => {
    if (!isObject(row) || typeof row['node'] !== 'string') return [];
    const text = (key: string): string => (typeof row[key] === 'string' ? row[key] : '');
    const number = (key: string): number | null => (typeof row[key] === 'number' ? row[key] : null);
    return [{ node: row['node'], kind: text('kind'), state: text('state'), what: text('what'), tries: number('tries') ?? 0, startedAt: number('started_at_ms'), time: number('time_ms') }];
  });
}
