// Expressions with real data, and tries: all of it, to here, one node, with pinned and edited data, and what came of it.
import assert from 'node:assert/strict';
import { SHORT } from '../plane.mjs';
import { until } from './tools.mjs';

const card = (page, id) => page.locator(`.canvas-pane [data-node="${id}"]`).first();
const choose = (page, id) => card(page, id).click({ position: { x: 40, y: 12 } });
const pane = (page) => page.locator('.data-pane');
const out = (page) => pane(page).getByRole('region', { name: 'Out' });

export const trying = [
  ['a draft is tried as a whole, and the nodes light up', async ({ base, page }) => {
    await page.goto(`${base}/editor`);
    await page.getByRole('button', { name: 'Paste text' }).click();
    await page.locator('#pasted').fill(SHORT);
    await page.getByRole('button', { name: 'Open', exact: true }).click();
    await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    for (const id of ['shelves', 'short', 'line', 'report']) await page.locator('.canvas-pane .node.ov.done', { hasText: id }).first().waitFor({ timeout: 90_000 });
  }],

  ['a node shows what it was given and gave: table, JSON, schema, search', async ({ page }) => {
    await choose(page, 'short');
    await pane(page).getByText('chosen: 2 rows').first().waitFor();
    await pane(page).locator('#in-from').selectOption('shelves');
    await pane(page).getByRole('button', { name: 'Schema' }).first().click();
    await pane(page).getByRole('button', { name: /shelves\.list\.map\(e, e\.left\)/ }).waitFor();
    await choose(page, 'line');
    await pane(page).getByText('1 of 2').waitFor();
    await pane(page).getByRole('cell', { name: /^Hall B/ }).first().waitFor();
    await pane(page).getByRole('button', { name: 'Element after' }).click();
    await pane(page).getByRole('cell', { name: /^Hall C/ }).first().waitFor();
  }],

  ['a file that a node made is shown as a table and can be saved', async ({ page }) => {
    await choose(page, 'report');
    await out(page).getByRole('region', { name: 'shelves.csv' }).getByRole('cell', { name: /^Hall B/ }).waitFor({ timeout: 30_000 });
    const saved = page.waitForEvent('download');
    await out(page).getByRole('link', { name: 'Save' }).click();
    assert.equal((await saved).suggestedFilename(), 'shelves.csv');
  }],

  ['an expression completes from the data, shows its value below, and says at which character it is wrong', async ({ page }) => {
    await choose(page, 'line');
    const box = page.getByRole('combobox', { name: 'left', exact: true });
    await box.fill('shelf.');
    await page.getByRole('option', { name: /^left.*2\.5/ }).waitFor();
    await box.press('ArrowDown');
    await box.fill('shelf.left * 2.0');
    await page.locator('.insp .val', { hasText: '5' }).first().waitFor();
    await box.fill('shelf.left * ');
    await page.locator('.insp .val', { hasText: /ends too early.*at \d+/ }).waitFor();
    await page.locator('.insp .mirror mark').waitFor();
    await box.fill('shelf.nothing');
    await page.locator('.insp .expr.bad').waitFor();
    await box.fill('shelf.left');
    await page.locator('.insp .val', { hasText: '2.5' }).first().waitFor();
  }],

  ['a field is dragged from the data into an expression, and put there by a key', async ({ page }) => {
    await pane(page).locator('#in-from').selectOption('shelf');
    const box = page.getByRole('combobox', { name: 'left', exact: true });
    await box.fill('');
    await pane(page).getByRole('button', { name: /shelf\.left/ }).dragTo(box);
    await until('the expression is there', () => box.inputValue(), (text) => text === 'shelf.left');
    await box.fill('');
    await box.focus();
    await pane(page).getByRole('button', { name: /shelf\.left/ }).press('Enter');
    await until('the expression is there by key', () => box.inputValue(), (text) => text === 'shelf.left');
  }],

  ['data is edited and pinned; one node is tried with it, and as far as a node', async ({ page }) => {
    await choose(page, 'short');
    await pane(page).getByRole('button', { name: 'Edit' }).click();
    await pane(page).locator('#edit-out').fill('{"chosen": [{"place": "Hall Z", "left": 0.5}]}');
    await pane(page).getByRole('button', { name: 'Pin this' }).click();
    await pane(page).getByText('Pinned for tries').waitFor();
    await choose(page, 'lines');
    await pane(page).getByRole('button', { name: 'Try this node' }).click();
    await out(page).getByRole('cell', { name: 'Hall Z' }).first().waitFor({ timeout: 60_000 });
    await choose(page, 'report');
    await page.keyboard.press('Control+Shift+Enter');
    await out(page).getByRole('region', { name: 'shelves.csv' }).getByRole('cell', { name: 'Hall Z' }).waitFor({ timeout: 60_000 });
    await choose(page, 'short');
    await pane(page).getByRole('button', { name: 'Unpin' }).click();
  }],

  ['a try asks for its input, and a wrong one is said at its place', async ({ page }) => {
    await page.getByRole('button', { name: 'Input of the try' }).click();
    await page.locator('#in-least').fill('many');
    await page.getByRole('button', { name: 'Try', exact: true }).last().click();
    await page.locator('dialog[open] .error').waitFor();
    await page.locator('#in-least').fill('2');
    await page.getByRole('button', { name: 'Try', exact: true }).last().click();
    await page.locator('dialog[open]').waitFor({ state: 'hidden' });
    await choose(page, 'lines');
    await out(page).getByRole('cell', { name: /^Hall B/ }).first().waitFor({ timeout: 60_000 });
    await until('only one shelf is short', () => out(page).locator('tbody tr').count(), (count) => count === 1);
  }],
];
