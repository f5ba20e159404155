// Webhooks: an address is taken from the list of triggers, requests to it are in the list of deliveries with what became of
// each, and one of them is done once more after it was said what follows.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { violations } from '../harness.mjs';
import { TRIGGERED } from '../plane.mjs';
import { runState } from './tools.mjs';

const KEY = 'sixteen bytes or more of a key';

/** A request as another system would send it. */
function send(address, order, key) {
  const body = JSON.stringify({ order });
  const at = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', key).update(`${at}.${body}`).digest('hex');
  return fetch(address, { method: 'POST', headers: { 'content-type': 'application/json', 'x-flowforge-signature': `t=${at},v1=${signature}` }, body });
}

let address;
export const deliveries = [
  ['a trigger says its address, and that its secret has no value; the secret is given one', async ({ base, page, plane }) => {
    plane.publish(TRIGGERED);
    await page.goto(`${base}/triggers`);
    await page.getByText('hook_key has no value').waitFor();
    await page.getByText('Nothing has come yet').waitFor();
    await page.getByRole('button', { name: 'Copy the address of web' }).click();
    address = await page.evaluate(() => window.navigator.clipboard.readText());
    assert.match(address, /\/hooks\/orders\/new$/);
    await page.getByRole('link', { name: 'Secrets' }).last().click();
    await page.getByRole('button', { name: 'New secret' }).first().click();
    await page.getByLabel(/^name/).fill('hook_key');
    await page.getByLabel(/^kind/).selectOption('hmac-key');
    await page.getByLabel(/^value/).fill(KEY);
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.getByRole('cell', { name: /^hook_key/ }).waitFor();
  }],

  ['a request starts a run, one that is not signed is refused, and both are in the list', async ({ base, page, plane }) => {
    // The address is that of the page; what sends is on the same machine.
    const at = `${plane.base}${new URL(address).pathname}`;
    assert.equal((await send(at, 'o-17', KEY)).status, 202);
    assert.ok((await send(at, 'o-18', 'another key of sixteen bytes')).status >= 400);
    await page.goto(`${base}/triggers`);
    const rows = page.locator('section', { has: page.getByRole('heading', { name: 'Last deliveries' }) }).locator('tbody tr');
    await rows.filter({ hasText: 'accepted' }).getByText('Done').waitFor({ timeout: 30_000 });
    await rows.filter({ hasText: 'refused' }).getByText(/FF-/).waitFor();
    assert.equal(await rows.filter({ hasText: 'refused' }).getByRole('button', { name: /^Once more/ }).count(), 0, 'what was refused is not done once more');
    assert.deepEqual(await violations(page), []);
  }],

  ['a delivery is done once more after it was said what follows, and its run has the same input', async ({ page }) => {
    await page.getByRole('button', { name: /^Once more/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Do the delivery once more' });
    await dialog.getByText('what that run does outside happens again').waitFor();
    assert.deepEqual(await violations(page), []);
    await dialog.getByRole('button', { name: 'Start it again' }).click();
    await page.getByText('The delivery was done once more.').waitFor();
    const again = page.locator('tbody tr', { hasText: 'once more, by' });
    await again.getByText('Done').waitFor({ timeout: 30_000 });
    await again.getByRole('link', { name: /run/ }).click();
    await page.waitForURL(/\/runs\/.+/);
    await runState(page, 'Done');
    await page.locator('.side-body', { hasText: 'o-17' }).waitFor();
  }],
];
