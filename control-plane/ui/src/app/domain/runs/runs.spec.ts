import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

import type { JsonObject } from '../json';
import { fieldsOfForm, fieldsOfSchema, mistakesOfForm, readField, readInput } from './input-form';
import { addLines, NO_RECORDS, outputsOf, type RunRecord } from './records';
import { RUN_STATES } from './states';
import type { NodeRow } from './table';
import { timelineOf } from './timeline-of';

const record = (seq: number, at: number, event: JsonObject): string => `${JSON.stringify({ seq, at_ms: at, event })}\n`;
const facts = { host: 'edge', createdAt: 1000, endedAt: 9000, now: 0, connected: true };
const row = (node: string, state = 'done', startedAt = 1000): NodeRow => ({ node, kind: 'call', state, what: '', tries: 1, startedAt, time: null });
const records = (...lines: string[]): readonly RunRecord[] => addLines(NO_RECORDS, lines.join('')).records;

describe('the states of a run', () => {
  it('are those of the schema, every one', () => {
    const schema = readFileSync(path.resolve(import.meta.dirname, '../../../../../server/schema.graphql'), 'utf8');
    const names = /enum RunState \{([^}]*)\}/.exec(schema)?.[1]?.replaceAll(/"""[\s\S]*?"""/g, '').match(/[A-Z_]+/g);
    expect(Object.keys(RUN_STATES).sort()).toEqual([...(names ?? [])].sort());
  });
});

describe('records', () => {
  it('are read with the values in front of them, each once', () => {
    const text = `{"value":"sha256:a","salt":"00","json":{"n":1}}\n${record(0, 5, { type: 'accepted' })}${record(1, 6, { type: 'completed', step: 'each[0].pay', output: { digest: 'sha256:a', bytes: 7, type: 'application/json' } })}`;
    const known = addLines(addLines(NO_RECORDS, text), text);
    expect(known.records.map(({ seq }) => seq)).toEqual([0, 1]);
    expect(outputsOf(known, 'each')).toEqual([{ step: 'each[0].pay', value: { n: 1 }, bytes: 7, source: 'step' }]);
    expect(outputsOf(known, 'pay')).toEqual(outputsOf(known, 'each', 'each[0]'));
    expect(outputsOf(known, 'pay', 'each[1]')).toEqual([]);
    const loop = addLines(NO_RECORDS, `${record(0, 4, { type: 'loop_started', step: 'each', count: 1 })}${text.replaceAll('"seq":1', '"seq":2').replaceAll('"seq":0', '"seq":1')}`);
    expect(outputsOf(loop, 'each')).toEqual([{ step: 'each', value: [{ n: 1 }], bytes: 7, source: 'step' }]);
  });
});

describe('the timeline of a run', () => {
  it('draws queue, work, a person and another wait apart', () => {
    const read = records(
      record(0, 1000, { type: 'accepted' }),
      record(1, 1100, { type: 'intent', step: 'pay', attempt: 1 }),
      record(2, 1300, { type: 'completed', step: 'pay', attempt: 1, elapsed_us: 200_000 }),
      record(3, 1300, { type: 'await_opened', step: 'ask', awaits: { for: 'approval' } }),
      record(4, 4300, { type: 'await_closed', step: 'ask' }),
      record(5, 4300, { type: 'await_opened', step: 'hear', awaits: { for: 'signal' } }),
      record(6, 8300, { type: 'await_closed', step: 'hear' }),
    );
    const time = timelineOf(read, { ...facts, rows: [row('pay'), row('ask', 'done', 1300), row('hear', 'done', 4300)] });
    expect(time.rows.map(({ segments }) => segments.map(({ kind, from, to }) => [kind, from, to]))).toEqual([
      [['queue', 0, 100], ['work', 100, 300]], [['person', 300, 3300]], [['wait', 3300, 7300]],
    ]);
    expect(time.gaps).toEqual([]);
  });

  it('shows the death of the host, and both attempts', () => {
    const read = records(
      record(0, 1000, { type: 'accepted' }),
      record(1, 1100, { type: 'intent', step: 'pay', attempt: 1 }),
      record(2, 5000, { type: 'intent', step: 'pay', attempt: 2 }),
      record(3, 5100, { type: 'completed', step: 'pay', attempt: 2, elapsed_us: 100_000 }),
    );
    const time = timelineOf(read, { ...facts, rows: [row('pay', 'done', 1100)] });
    expect(time.gaps).toMatchObject([{ kind: 'down', from: 100, to: 4000 }]);
    expect(time.rows[0]?.segments.map(({ kind }) => kind)).toEqual(['unknown', 'work']);
    expect(time.rows[0]?.attempts.map(({ name }) => name)).toEqual(['attempt 1', 'attempt 2']);
  });

  it('draws two deaths that follow each other as two, and one that hit several steps as one', () => {
    const read = records(
      record(0, 1000, { type: 'accepted' }),
      record(1, 1100, { type: 'intent', step: 'pay', attempt: 1 }),
      record(2, 1200, { type: 'intent', step: 'tell', attempt: 1 }),
      record(3, 4000, { type: 'intent', step: 'pay', attempt: 2 }),
      record(4, 4100, { type: 'intent', step: 'tell', attempt: 2 }),
      record(5, 4200, { type: 'completed', step: 'pay', attempt: 2, elapsed_us: 1000 }),
      record(6, 6000, { type: 'intent', step: 'tell', attempt: 3 }),
    );
    const time = timelineOf(read, { host: 'edge', createdAt: 1000, endedAt: null, now: 6500, connected: true, rows: [] });
    expect(time.gaps).toMatchObject([{ kind: 'down', from: 200, to: 3000 }, { kind: 'down', from: 3200, to: 5000 }]);
  });

  it('shows a host that is not heard, and a pause that lasts', () => {
    const read = records(record(0, 1000, { type: 'accepted' }), record(1, 1100, { type: 'intent', step: 'pay', attempt: 1 }), record(2, 1200, { type: 'paused', by: 'ana' }));
    const time = timelineOf(read, { ...facts, endedAt: null, now: 60_000, connected: false, rows: [row('pay', 'running', 1100)] });
    expect(time.gaps.map(({ kind }) => kind)).toEqual(['paused', 'gap']);
    expect(time.rows[0]?.segments).toMatchObject([{ kind: 'work', state: 'running', from: 100, to: 200 }]);
  });
});

describe('the form of an input', () => {
  it('reads each type, and says what is wrong', () => {
    const [amount, name] = fieldsOfSchema({ properties: { amount: { type: 'integer', minimum: 1, default: 5 }, name: { type: 'string' } }, required: ['amount'] });
    if (!amount || !name) throw new Error('two fields were expected');
    expect(amount).toMatchObject({ initial: '5', words: 'whole number, at least 1' });
    expect(readField(amount, '7')).toEqual({ value: 7 });
    expect(readField(amount, 'seven')).toHaveProperty('mistake');
    expect(readField(amount, '')).toHaveProperty('mistake');
    expect(readField(name, '')).toEqual({});
  });

  it('sends no number that it would round', () => {
    const [id, price, rows] = fieldsOfSchema({ properties: { id: { type: 'integer' }, price: { type: 'number' }, rows: { type: 'array' } } });
    if (!id || !price || !rows) throw new Error('three fields were expected');
    expect(readField(id, '9007199254740991')).toEqual({ value: 9_007_199_254_740_991 });
    expect(readField(id, '9007199254740993')).toEqual({ value: 9_007_199_254_740_993n });
    expect(readField(id, '18446744073709551615')).toEqual({ value: 18_446_744_073_709_551_615n });
    expect(readField(id, '18446744073709551616').mistake).toContain('18446744073709551616');
    expect(readField(price, '7.5e2')).toEqual({ value: 750 });
    // A thousand to some is one to others.
    expect(readField(price, '1,000')).toHaveProperty('mistake');
    expect(readField(rows, '[{"n": -9007199254740993}]')).toEqual({ value: [{ n: -9_007_199_254_740_993n }] });
    expect(readField(rows, '[{"n": -9223372036854775809}]').mistake).toContain('-9223372036854775809');
    expect(readField(rows, '["9007199254740993", 1e30, 0.5]')).toEqual({ value: ['9007199254740993', 1e30, 0.5] });
  });
});

describe('the form of a question', () => {
  it('has its fields in the order of the workflow, with what may be left out', () => {
    const fields = fieldsOfForm([
      { name: 'limit', schema: { type: 'number', maximum: 10 } },
      { name: 'budget', schema: { type: 'string', enum: ['office', 'travel'] }, default: 'office' },
      { name: 'note', schema: { type: 'string' }, optional: true },
    ]);
    expect(fields.map(({ name, control, required, initial }) => [name, control, required, initial])).toEqual([
      ['limit', 'number', true, ''],
      ['budget', 'choice', false, 'office'],
      ['note', 'text', false, ''],
    ]);
    expect(readInput(fields, new Map([['limit', '4.5'], ['budget', 'travel']]))).toEqual({ input: { limit: 4.5, budget: 'travel' }, mistakes: new Map() });
    expect([...readInput(fields, new Map()).mistakes.keys()]).toEqual(['limit']);
    expect(fieldsOfForm([])).toEqual([]);
  });

  it('shows what the server says at the field that is meant', () => {
    expect([...mistakesOfForm([{ path: 'form.limit', message: '11 is too much' }, { path: 'form', message: 'too large' }])]).toEqual([['limit', 'limit: 11 is too much'], ['', ': too large']]);
  });
});
