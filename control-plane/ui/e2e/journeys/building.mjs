// By mouse, from an empty workspace: five nodes with a connector and a loop, tried, published and run.
import assert from 'node:assert/strict';
import { counter } from './retrying.mjs';
import { runState, until } from './tools.mjs';

const card = (page, id) => page.locator(`.canvas-pane [data-node="${id}"]`).first();
const choose = (page, id) => card(page, id).click({ position: { x: 40, y: 12 } });
const pane = (page) => page.locator('.data-pane');

/** Drags from the port of a node to an empty place below, and picks what comes after. */
async function after(page, id, words, dy = 150) {
  const port = await card(page, id).locator('.port.out-port').last().boundingBox();
  await page.mouse.move(port.x + 4, port.y + 4);
  await page.mouse.down();
  await page.mouse.move(port.x + 60, port.y + dy, { steps: 8 });
  await page.mouse.up();
  await page.getByRole('dialog', { name: 'Add a node' }).waitFor();
  await page.keyboard.type(words);
  await page.getByRole('dialog', { name: 'Add a node' }).getByRole('option').first().click();
  await page.getByRole('dialog', { name: 'Add a node' }).waitFor({ state: 'hidden' });
}

let feed;
export const building = [
  ['an HTTP node is added, what it reaches is allowed with one click, and it is tried', async ({ base, page }) => {
    feed = await counter();
    await page.goto(base);
    await page.getByText('Nothing is published yet').waitFor();
    await page.getByRole('link', { name: 'New workflow' }).first().click();
    await page.getByRole('button', { name: 'Blank' }).click();
    await page.getByRole('button', { name: 'Node', exact: false }).first().click();
    await page.keyboard.type('http get');
    await page.getByRole('option', { name: /get/ }).first().click();
    await card(page, 'get').waitFor();
    const url = page.getByRole('combobox', { name: 'url' }).first();
    await url.fill(`${feed.origin}/week.geojson`);
    await url.press('Tab');
    await page.locator('.ask-note', { hasText: '127.0.0.1' }).getByRole('button', { name: 'Allow' }).click();
    await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    await page.locator('.canvas-pane .node.ov.done', { hasText: 'get' }).waitFor({ timeout: 90_000 });
    assert.equal(feed.asked.get, 1);
  }],

  ['a field of what came is dragged into the next node, and its value stands below', async ({ page }) => {
    await after(page, 'get', 'edit fields');
    await choose(page, 'values');
    await pane(page).locator('#in-from').selectOption('get');
    await pane(page).getByRole('region', { name: 'In' }).getByRole('button', { name: 'Schema' }).click();
    const box = page.getByRole('combobox', { name: 'value', exact: true });
    await pane(page).getByRole('button', { name: /get\.body\.features(?!\.)/ }).first().dragTo(box);
    await until('the expression is there', () => box.inputValue(), (text) => text.includes('get.body.features'));
    await page.locator('.insp .val', { hasText: '3 elements' }).first().waitFor();
    await box.fill('get.body.features.filter(f, f.mag >= 4.0)');
    await page.locator('.insp .val', { hasText: '2 elements' }).first().waitFor();
  }],

  ['it is published and run, and home shows how it did', async ({ base, page }) => {
    await page.getByRole('button', { name: 'Publish…' }).click();
    const dialog = page.getByRole('dialog', { name: /^Publish new-workflow v1/ });
    await dialog.getByText(/127\.0\.0\.1/).first().waitFor();
    await dialog.getByRole('button', { name: 'Sign and publish v1' }).click();
    await page.getByText('new-workflow v1 is live.').waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.waitForURL(/\/runs\/.+/);
    await runState(page, 'Done');
    await page.locator('.run-canvas .node.ov.done', { hasText: 'values' }).waitFor();
    await page.goto(base);
    await page.locator('.spark i.done').first().waitFor();
    assert.equal(feed.asked.get, 2);
    feed.close();
  }],
];
