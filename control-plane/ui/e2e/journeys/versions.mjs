// Versions: what differs, side by side and by property; an old one is made the draft again, and that is taken back.
import assert from 'node:assert/strict';
import { draftText } from './tools.mjs';

const text = (last) => `workflow: price-list
title: Prices of the day
nodes:
  base:
    set: { price: ${last} }
  taxed:
    after: base
    set: { price: "\${base.price * 1.19}" }
output: { price: "\${taxed.price}" }
`;

export const versions = [
  ['versions are listed with who signed them and when; two are compared by property', async ({ base, page, plane }) => {
    plane.publish(text('10.0'));
    plane.publish(text('12.5').replace('taxed:', 'gross:').replaceAll('taxed.', 'gross.'));
    await page.goto(`${base}/workflows/price-list`);
    await page.locator('.version-list li').nth(1).waitFor();
    assert.match(await page.locator('.version-list li').first().innerText(), /v2\s+live[\s\S]*signed .*by \S{8,}/);
    await page.getByRole('heading', { name: 'v1 → v2: 4 changes' }).waitFor();
    await page.getByRole('button', { name: 'By property' }).click();
    await page.locator('.change.CHANGED', { hasText: 'base' }).getByText('12.5').waitFor();
    await page.locator('.change.ADDED', { hasText: 'gross' }).waitFor();
    await page.locator('.change.REMOVED', { hasText: 'taxed' }).waitFor();
  }],

  ['the same two stand side by side as graphs, and as lines', async ({ page }) => {
    await page.getByRole('button', { name: 'Graph', exact: true }).click();
    const [before, after] = [page.getByRole('group', { name: 'Before: v1' }), page.getByRole('group', { name: 'After: v2' })];
    await before.locator('.node.failed', { hasText: 'taxed' }).waitFor();
    await after.locator('.node.done', { hasText: 'gross' }).waitFor();
    await after.locator('.node.review', { hasText: 'set.price' }).waitFor();
    await page.locator('.difference-below').getByRole('button', { name: 'base' }).click();
    await page.locator('.difference-below .change').getByText('12.5').waitFor();
    await page.getByRole('button', { name: 'Text', exact: true }).click();
    await page.locator('.text-hunks .ADDED', { hasText: 'gross:' }).waitFor();
  }],

  ['an old version is restored as the draft, and the draft that was there is taken back', async ({ base, page, plane }) => {
    await page.locator('.version-list li', { hasText: 'v1' }).getByRole('button', { name: 'Restore' }).click();
    await page.waitForURL(/\/editor\?workflow=price-list/);
    await page.getByText('What is live stays live until you publish.').waitFor();
    await page.locator('[data-node="taxed"]').first().waitFor();
    assert.ok((await draftText(plane, 'price-list')).source.includes('taxed:'));
    await page.goto(`${base}/workflows/price-list`);
    await page.locator('.version-list li', { hasText: 'Draft' }).getByText('begun from v1').waitFor();
    await page.getByRole('heading', { name: 'v2 → the draft: 4 changes' }).waitFor();
    await page.locator('.version-list li', { hasText: 'Draft' }).getByRole('button', { name: 'Discard' }).click();
    await page.getByText('The draft of price-list is discarded.').waitFor();
    assert.equal(await draftText(plane, 'price-list'), null);
    await page.getByRole('button', { name: 'Take it back' }).click();
    await page.getByText('is as it was').waitFor();
    assert.ok((await draftText(plane, 'price-list')).source.includes('taxed:'));
  }],
];
