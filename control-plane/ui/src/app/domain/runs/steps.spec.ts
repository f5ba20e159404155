import { describe, expect, it } from 'vitest';

import type { JsonObject } from '../json';
import { jsonText } from '../json-text';
import { ROWS_MAX, schemaOf, search, sizeWords, soleTable, tableOf } from './data';
import { addLines, NO_RECORDS, outputsOf, type Records } from './records';
import { innerStates, roundsOf, roundWords, stepsOf } from './steps';

const records = (...events: readonly JsonObject[]): Records => addLines(NO_RECORDS, events.map((event, seq) => `${jsonText({ seq, at_ms: 1000 + seq * 10, event })}\n`).join(''));
const round = (index: number, failed: boolean): JsonObject[] => [
  { type: 'intent', step: `each[${String(index)}].pay`, attempt: 1 },
  failed
    ? { type: 'attempt_failed', step: `each[${String(index)}].pay`, attempt: 1, elapsed_us: 5000, failure: { kind: 'rejected', code: 'E1', message: 'no money' } }
    : { type: 'completed', step: `each[${String(index)}].pay`, attempt: 1, elapsed_us: 5000, output: { digest: 'sha256:x', bytes: 3 }, used: [{ destination: 'https://bank.example', secret: 'token', count: 2 }] },
];

describe('the steps of a run', () => {
  it('have attempts, with what came of each', () => {
    const steps = stepsOf(records(
      { type: 'intent', step: 'pay', attempt: 1 },
      { type: 'attempt_failed', step: 'pay', attempt: 1, elapsed_us: 2000, retry_at_ms: 1500, failure: { kind: 'unavailable', message: 'later' } },
      { type: 'intent', step: 'pay', attempt: 2 },
      { type: 'intent', step: 'pay', attempt: 2 },
      { type: 'completed', step: 'pay', attempt: 2, elapsed_us: 4000, output: { digest: 'sha256:x', bytes: 3 }, used: [{ destination: 'https://bank.example', count: 1 }] },
    ));
    const pay = steps.get('pay');
    expect(pay?.state).toBe('done');
    expect(pay?.attempts.map(({ attempt, state, took }) => [attempt, state, took])).toEqual([[1, 'failed', 2], [2, 'lost', null], [2, 'done', 4]]);
    expect(pay?.attempts[0]).toMatchObject({ failure: { kind: 'unavailable', message: 'later' }, retryAt: 1500 });
    expect(pay?.attempts[2]?.used).toEqual([{ destination: 'https://bank.example', secret: '', count: 1 }]);
  });

  it('stand in rounds, in the order of their numbers, failed ones told', () => {
    const read = records({ type: 'loop_started', step: 'each', count: 12 }, ...[0, 1, 2, 10].flatMap((index) => round(index, index === 2)));
    const steps = stepsOf(read);
    expect(roundsOf(steps, 'pay').map(({ words, state }) => `${words} ${state}`)).toEqual(['each 1 done', 'each 2 done', 'each 3 failed', 'each 11 done']);
    expect(roundsOf(steps, 'each')).toEqual(roundsOf(steps, 'pay'));
    expect(innerStates(read, steps, null).get('pay')).toEqual({ state: 'failed', text: '3 of 12, 1 failed', share: 0.25 });
    expect(innerStates(read, steps, 'each[2]').get('pay')).toEqual({ state: 'failed', text: 'no money', share: null });
    expect(innerStates(read, steps, 'each[1]').get('pay')).toMatchObject({ state: 'done' });
    expect(roundWords('each[2].inner[0]')).toBe('each 3, inner 1');
  });

  it('give values with every digit', () => {
    const text = `{"value":"sha256:a","json":{"id":9007199254740993}}\n${jsonText({ seq: 0, at_ms: 5, event: { type: 'completed', step: 'a', attempt: 0, output: { digest: 'sha256:a', bytes: 7 } } })}\n`;
    expect(outputsOf(addLines(NO_RECORDS, text), 'a')[0]?.value).toEqual({ id: 9_007_199_254_740_993n });
  });
});

describe('a value', () => {
  const rows = [{ id: 9_007_199_254_740_993n, place: 'Vanj' }, { id: 2, place: 'Hualian', note: null }];

  it('is a table whose rows are found by a word', () => {
    expect(tableOf(rows)).toEqual({ columns: ['id', 'place', 'note'], rows: [{ index: 0, cells: ['9007199254740993', 'Vanj', ''] }, { index: 1, cells: ['2', 'Hualian', 'null'] }], found: 2, all: 2, hidden: 0 });
    expect(tableOf(rows, ' hUa')?.rows.map(({ index }) => index)).toEqual([1]);
    expect(tableOf({ a: 1, b: 'x' }, 'x')?.rows).toEqual([{ index: 0, cells: ['b', 'x'] }]);
    expect(tableOf([1, 2])).toBeNull();
    expect(tableOf(Array.from({ length: ROWS_MAX + 5 }, (_, n) => ({ n })))).toMatchObject({ found: ROWS_MAX + 5 });
  });

  it('has a schema, with what only some elements have', () => {
    expect(schemaOf({ rows })).toEqual([
      { place: '', path: 'the value', type: 'object', some: '', example: '' },
      { place: 'rows', path: 'rows', type: 'list of 2', some: '', example: '' },
      { place: 'rows[]', path: 'rows[]', type: 'object', some: '', example: '' },
      { place: 'rows[].id', path: 'rows[].id', type: 'whole number', some: '', example: '9007199254740993' },
      { place: 'rows[].place', path: 'rows[].place', type: 'text', some: '', example: 'Vanj' },
      { place: 'rows[].note', path: 'rows[].note', type: 'nothing', some: '1 of 2', example: 'null' },
    ]);
  });

  it('tells where a word stands', () => {
    expect(search({ rows }, 'vanj')).toEqual({ found: [{ path: 'rows[0].place', text: 'Vanj' }], count: 1 });
    expect(search({ rows }, 'place').count).toBe(2);
    expect(search({ rows }, '').count).toBe(0);
    expect(search({ rows }, '0993').found).toEqual([{ path: 'rows[0].id', text: '9007199254740993' }]);
  });

  it('has a size', () => {
    expect([sizeWords(999), sizeWords(1234), sizeWords(1_200_000)]).toEqual(['999 B', '1.2 kB', '1.2 MB']);
  });
});

describe('the rows of an object', () => {
  const rows = [{ id: 1 }, { id: 2 }];

  it('are those of its only field, where that is a list of objects', () => {
    expect(soleTable({ chosen: rows })).toEqual({ field: 'chosen', value: rows });
    expect(soleTable({ chosen: rows, more: 1 })).toBeNull();
    expect(soleTable({ chosen: [1, 2] })).toBeNull();
  });
});
