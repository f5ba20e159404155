// A run that failed: the broken node is mended and published, and the run goes on from there; what would happen again is said first.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { runState, until } from './tools.mjs';

/** A server that counts what it was asked to do. */
export async function counter() {
  const asked = { get: 0, post: 0 };
  const server = createServer((request, response) => {
    asked[request.method === 'POST' ? 'post' : 'get'] += 1;
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ features: [{ mag: 4.5, place: 'Taiwan' }, { mag: 2.1, place: 'Chile' }, { mag: 6.4, place: 'Japan' }] }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { asked, origin: `http://127.0.0.1:${server.address().port}`, close: () => { server.close(); server.closeAllConnections(); } };
}

const text = (origin) => `workflow: share-out
title: Tells the shop, then divides
input:
  people: { type: integer, default: 4 }
config: { shop: "${origin}" }
nodes:
  told:
    call: flowforge:http/post
    with: { url: "\${config.shop}/told", json: { people: "\${input.people}" } }
    allow: ["\${config.shop}"]
  share:
    after: told
    set: { each: "\${100 / (input.people - 4)}" }
  done:
    set: { text: "\${share.each} each" }
output: { text: "\${done.text}" }
`;

let shop;
let first;
export const retrying = [
  ['a run fails, and says at which node and why', async ({ base, page, plane }) => {
    shop = await counter();
    plane.publish(text(shop.origin));
    await page.goto(`${base}/`);
    await page.getByRole('button', { name: 'Run share-out' }).click();
    await page.getByLabel(/^people/).waitFor();
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.waitForURL(/\/runs\/.+/);
    await runState(page, 'Failed');
    await page.locator('.run-canvas .node.ov.failed', { hasText: 'share' }).waitFor();
    assert.equal(shop.asked.post, 1);
  }],

  ['the node is mended in the editor and published', async ({ page }) => {
    first = page.url();
    await page.locator('.facts').getByRole('link', { name: 'share-out' }).click();
    await page.locator('.canvas-pane [data-node="share"]').click({ position: { x: 40, y: 12 } });
    await page.getByRole('combobox', { name: 'each', exact: true }).fill('100 / input.people');
    await page.locator('.insp .val', { hasText: '25' }).first().waitFor();
    await page.getByRole('button', { name: 'Publish…' }).click();
    await page.locator('dialog[open] .change', { hasText: 'share' }).getByText('100 / input.people').waitFor();
    await page.getByRole('button', { name: 'Sign and publish v2' }).click();
    await page.getByText('share-out v2 is live.').waitFor();
    await page.goto(first);
  }],

  ['a retry from the mended node reuses what was done outside', async ({ page }) => {
    await runState(page, 'Failed');
    await page.getByRole('button', { name: 'Retry from…' }).click();
    const dialog = page.locator('dialog[open]', { hasText: 'Retry from share' });
    await dialog.getByLabel('The newest').check();
    await dialog.getByText('Nothing that was done outside is done again.').waitFor();
    assert.match(await dialog.getByRole('region', { name: /^Reused/ }).innerText(), /told/);
    const before = page.url();
    await dialog.getByRole('button', { name: 'Retry', exact: true }).click();
    await page.waitForURL((url) => url.href !== before);
    await runState(page, 'Done');
    assert.equal(shop.asked.post, 1);
  }],

  ['a retry from the effect says first, and in red, that it will happen again', async ({ page }) => {
    await page.goto(first);
    await page.locator('.run-canvas [data-node="told"]').click({ position: { x: 40, y: 12 } });
    await page.getByRole('button', { name: 'Retry from…' }).click();
    const dialog = page.locator('dialog[open]', { hasText: 'Retry from told' });
    const again = dialog.getByRole('region', { name: 'Will happen again' });
    await again.getByText(`127.0.0.1:${new URL(shop.origin).port}`).waitFor();
    const [red, reused] = [await again.boundingBox(), await dialog.getByRole('region', { name: /^Reused/ }).boundingBox()];
    assert.ok(red.y < reused.y, 'it stands before everything else');
    const before = page.url();
    await dialog.getByRole('button', { name: 'Retry, and do told again' }).click();
    await page.waitForURL((url) => url.href !== before);
    await runState(page, 'Failed');
    await until('the shop was told twice', () => shop.asked.post, (count) => count === 2);
    shop.close();
  }],
];
