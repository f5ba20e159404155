import { describe, expect, it } from 'vitest';

import { apply, openDocument } from '../document/document';
import { modelOf } from '../document/model';
import { EMPTY_LAYOUT } from '../layout/layout';
import type { Model } from '../document/model';
import type { Operation } from './operations';
import { addInput, addTrigger, inputRows, renameSection, secretNames, setScheme, setSection, triggerRows } from './sections';

const START = 'workflow: orders   # mine\nnodes:\n  one: { set: { a: 1 } }\n';
/** The text after these operations, one after the other; undoing all of them gives the first one back. */
function after(text: string, ...operations: ((model: Model) => Operation)[]): string {
  let document = openDocument(text, EMPTY_LAYOUT);
  for (const make of operations) document = apply(document, make(modelOf(document.text, document.layout)), 0);
  return document.text;
}

describe('the sections of a workflow', () => {
  it('writes a new section where the language has it, and touches nothing else', () => {
    const text = after(START, (model) => setSection(model, ['output'], { a: '${one.a}' }), (model) => setSection(model, ['title'], 'Orders'), addInput, (model) => setSection(model, ['config', 'shop'], 'https://shop.example.com'));
    expect(text.split('\n').filter((line) => /^\w/.test(line)).map((line) => line.split(':')[0])).toEqual(['workflow', 'title', 'input', 'config', 'nodes', 'output']);
    expect(text).toContain('workflow: orders   # mine\n');
    expect(text).toContain('  one: { set: { a: 1 } }\n');
  });

  it('leaves the comments above a section with it', () => {
    expect(after('workflow: orders\n# what it does\nnodes:\n  one: { set: { a: 1 } }\n', (model) => setSection(model, ['title'], 'Orders'))).toBe('workflow: orders\ntitle: Orders\n# what it does\nnodes:\n  one: { set: { a: 1 } }\n');
  });

  it('adds triggers with names of their own, and says what they are', () => {
    const text = after(START, (model) => addTrigger(model, 'webhook'), (model) => addTrigger(model, 'webhook'), (model) => addTrigger(model, 'schedule'));
    const rows = triggerRows(modelOf(text, EMPTY_LAYOUT));
    expect(rows.map((row) => [row.name, row.type])).toEqual([['web', 'webhook'], ['web_2', 'webhook'], ['timer', 'schedule']]);
    expect(rows.map((row) => row.value['path'] ?? row.value['cron'])).toEqual(['orders', 'orders-web-2', '0 8 * * *']);
  });

  it('declares the key of a webhook among the secrets, once, and takes the short form away', () => {
    const short = 'workflow: orders\ntriggers:\n  web: { webhook: { path: orders, hmac: old_key } }\nnodes:\n  one: { set: { a: 1 } }\n';
    const text = after(short, (model) => setScheme(model, 'web', 'github', 'hook_key'), (model) => setScheme(model, 'web', 'stripe', 'hook_key'));
    const model = modelOf(text, EMPTY_LAYOUT);
    expect(triggerRows(model)[0]?.value).toEqual({ path: 'orders', scheme: 'stripe', secret: 'hook_key' });
    expect(secretNames(model)).toEqual(['hook_key']);
    expect(triggerRows(modelOf(after(text, (one) => setScheme(one, 'web', 'none', '')), EMPTY_LAYOUT))[0]?.value).toEqual({ path: 'orders', scheme: 'none' });
  });

  it('refuses a name that expressions cannot use', () => {
    const model = modelOf(after(START, addInput), EMPTY_LAYOUT);
    expect(() => renameSection(model, ['input', 'value'], 'not a name')).toThrow();
    expect(inputRows(modelOf(after(START, addInput, addInput, (one) => renameSection(one, ['input', 'value'], 'amount')), EMPTY_LAYOUT)).map((row) => row.name)).toEqual(['amount', 'value_2']);
  });

  it('takes a section away with its last entry', () => {
    expect(after(START, addInput, (model) => setSection(model, ['input', 'value'], undefined))).toBe(START);
  });
});
