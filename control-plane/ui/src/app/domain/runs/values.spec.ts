import { describe, expect, it } from 'vitest';

import { addLines, NO_RECORDS } from './records';
import { valuesInRound, valuesOf } from './values';

const line = (seq: number, step: string, digest: string): string => JSON.stringify({ seq, at_ms: seq, event: { type: 'completed', step, output: { digest, bytes: 1 } } });
const value = (digest: string, json: unknown): string => JSON.stringify({ value: digest, json });

describe('the values of a run', () => {
  const known = addLines(NO_RECORDS, [
    value('a', { rows: [1, 2] }), line(0, 'fetch', 'a'),
    value('b', 10), line(1, 'each[1].one', 'b'),
    value('c', 20), line(2, 'each[0].one', 'c'),
    line(3, 'large', 'elsewhere'),
  ].join('\n'));

  it('are those of the nodes, and the list of a loop in its order', () => {
    const values = valuesOf(known);
    expect(values.nodes.get('fetch')).toEqual({ rows: [1, 2] });
    expect(values.nodes.get('each')).toEqual([20, 10]);
    expect(values.nodes.has('large')).toBe(false);
  });

  it('in a round are those of that round, or of the last there is', () => {
    const values = valuesOf(known);
    expect(valuesInRound(values, 1).get('one')).toBe(20);
    expect(valuesInRound(values, 0).get('one')).toBe(10);
    expect(valuesInRound(values, 9).get('one')).toBe(20);
  });
});
