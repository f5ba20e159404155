// A connector is published, found, read, and used in a workflow that begins with it.
import assert from 'node:assert/strict';
import { violations } from '../harness.mjs';

export const market = [
  ['a connector that was published is found by a word, and its page says what it does and may reach', async ({ base, page, plane }) => {
    await page.goto(`${base}/marketplace`);
    await page.getByText('No connector is published here yet').waitFor();
    plane.connector('flowforge.convert');
    plane.connector('flowforge.http');
    await page.reload();
    await page.locator('.connector-card', { hasText: 'flowforge:convert' }).waitFor();
    await page.getByRole('searchbox', { name: 'Search connectors' }).fill('csv');
    await page.waitForURL(/search=csv/);
    await page.waitForFunction(() => document.querySelectorAll('.connector-card').length === 1);
    await page.getByRole('searchbox', { name: 'Search connectors' }).fill('');
    await page.getByLabel('Reach').selectOption('secrets');
    await page.waitForURL(/capability=secrets/);
    await page.waitForFunction(() => document.querySelectorAll('.connector-card').length === 1 && document.querySelector('.connector-card').textContent.includes('flowforge:http'));
    await page.goto(`${base}/marketplace?search=convert`);
    await page.getByRole('link', { name: 'Convert' }).click();
    await page.waitForURL(/marketplace\/flowforge:convert/);
    await page.locator('.operation', { hasText: 'to_csv' }).getByText('rows', { exact: true }).waitFor();
    await page.getByRole('tab', { name: 'Reach' }).click();
    await page.getByText('reads and writes files').waitFor();
    assert.deepEqual(await violations(page), []);
  }],

  ['a workflow begins with one of its operations, is tried and gives a file', async ({ page }) => {
    await page.getByRole('tab', { name: 'Operations' }).click();
    await page.locator('.operation', { hasText: 'to_csv' }).getByRole('button', { name: /^Use it/ }).click();
    await page.waitForURL(/\/editor/);
    await page.locator('.canvas-pane [data-node="to_csv"]').click({ position: { x: 40, y: 12 } });
    await page.getByRole('button', { name: 'Expression for rows' }).click();
    const rows = page.getByRole('combobox', { name: 'rows', exact: true }).first();
    await rows.fill('[{"place": "Hall A"}]');
    await page.getByRole('button', { name: 'Expression for columns' }).click();
    await page.getByRole('combobox', { name: 'columns', exact: true }).fill('["place"]');
    await page.getByRole('combobox', { name: 'file_name', exact: true }).fill('halls.csv');
    await page.getByRole('combobox', { name: 'file_name', exact: true }).press('Tab');
    await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    await page.locator('.canvas-pane .node.ov.done', { hasText: 'halls.csv' }).first().waitFor({ timeout: 90_000 });
  }],
];
