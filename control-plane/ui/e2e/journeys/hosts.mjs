// Hosts on other machines: one is enrolled with the command that the browser gives, killed while it works, and what it did then
// is read from the timeline; then it is drained and revoked.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { violations } from '../harness.mjs';
import { runState, until } from './tools.mjs';

/** A server that answers when it is let. */
async function slow() {
  const waiting = [];
  let open = false;
  const answer = (response) => { response.writeHead(200, { 'content-type': 'application/json' }); response.end('{"ok": true}'); };
  const server = createServer((request, response) => {
    request.resume();
    response.key = request.headers['idempotency-key'];
    if (open) answer(response);
    else waiting.push(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    asked: () => waiting.length,
    keys: () => waiting.map(({ key }) => key),
    let: (now) => { open = now; if (now) for (const response of waiting.splice(0)) answer(response); },
    close: () => { server.close(); server.closeAllConnections(); },
  };
}

const POISON = `workflow: poison
nodes:
  bad: { call: bench:steps/step, with: { value: { n: 1 } } }
output: { n: "\${bad.n}" }
`;

const text = (origin) => `workflow: two-calls
title: Fetches, then tells
config: { shop: "${origin}" }
nodes:
  fetched:
    call: flowforge:http/get
    with: { url: "\${config.shop}/stock" }
    allow: ["\${config.shop}"]
  told:
    after: fetched
    call: flowforge:http/post
    with: { url: "\${config.shop}/told", json: { at: 1 } }
    allow: ["\${config.shop}"]
output: { done: "\${told.status}" }
`;

let shop;
let run;

const PASSWORD = 'a long password of a journey';

export const hosts = [
  ['the first person makes an account by the printed link, signs out and signs in', async ({ base, page, plane }) => {
    const { pathname, hash } = new URL(plane.firstLink);
    await page.goto(`${base}${pathname}${hash}`);
    await page.getByLabel('name').fill('ann');
    await page.getByLabel('password', { exact: true }).fill(PASSWORD);
    await page.getByLabel('password, once more').fill(PASSWORD);
    await page.getByRole('button', { name: 'Begin' }).click();
    await page.locator('.sign-in-card').waitFor({ state: 'detached' });
    await page.goto(`${base}/profile`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('name').fill('ann');
    await page.getByLabel('password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.sign-in-card').waitFor({ state: 'detached' });
  }],
  ['a host is enrolled with the command that the dialog gives', async ({ base, page, plane }) => {
    await page.goto(`${base}/hosts`);
    await page.getByText('No host is enrolled').waitFor();
    await page.getByRole('button', { name: 'Enrol a host…' }).first().click();
    await page.getByLabel('name').fill('Press 7');
    await page.getByRole('button', { name: 'Make the invitation' }).click();
    await page.getByText('A name has 1 to 64 characters').waitFor();
    await page.getByLabel('name').fill('press-7');
    await page.getByRole('button', { name: 'Make the invitation' }).click();
    const command = await page.locator('dialog[open] pre').innerText();
    assert.deepEqual(await violations(page), []);
    const [, invitation] = /echo (ff-enrol-1\.\S+) > token/.exec(command);
    plane.host('press-7', { invitation });
    await page.keyboard.press('Escape');
    await page.locator('tbody tr', { hasText: 'press-7' }).getByText('connected').waitFor({ timeout: 60_000 });
  }],

  ['it is killed in mid-run; the gap is drawn, and the run goes on from its journal', async ({ base, page, plane }) => {
    shop = await slow();
    plane.connector('flowforge.http');
    plane.publish(text(shop.origin));
    run = JSON.parse(plane.call('run', 'start', 'two-calls', '--output', 'json')).id;
    await until('the first call is under way', async () => shop.asked(), (asked) => asked === 1, 60_000);
    await plane.kill('press-7');
    await page.goto(`${base}/runs/${run}`);
    await page.locator('.run-time').getByText('The host is not heard from').waitFor({ timeout: 60_000 });
    await page.goto(`${base}/hosts`);
    await page.getByText(/press-7 has not been heard from for/).waitFor();
    plane.host('press-7');
    await until('the call is made again', async () => shop.asked(), (asked) => asked === 2, 60_000);
    await page.goto(`${base}/runs/${run}`);
    await page.locator('.run-time').getByText('The host stopped while fetched was under way').waitFor({ timeout: 60_000 });
    await page.locator('.run-time .tl-band.down').first().waitFor({ state: 'attached' });
    assert.deepEqual(await violations(page), []);
  }],

  ['killed in an effect, it is made again under the same key, and both deaths are drawn', async ({ page, plane }) => {
    shop.let(true);
    shop.let(false);
    await until('the second call is under way', async () => shop.asked(), (asked) => asked === 1, 60_000);
    const [first] = shop.keys();
    await plane.kill('press-7');
    plane.host('press-7');
    await until('the call is made again', async () => shop.asked(), (asked) => asked === 2, 60_000);
    assert.ok(first !== undefined && shop.keys()[1] === first, `the key is the same: ${shop.keys().join(' ')}`);
    shop.let(true);
    await runState(page, 'Done');
    await page.locator('.run-time').getByText('The host stopped while told was under way').waitFor();
    assert.equal(await page.locator('.run-time .tl-band.down').count(), 2);
    shop.close();
  }],

  ['a step that takes its host down again and again needs review: the page says so, and the run is cancelled', async ({ base, page, plane }) => {
    plane.connector('bench.steps');
    plane.publish(POISON);
    await plane.kill('press-7');
    run = JSON.parse(plane.call('run', 'start', 'poison', '--output', 'json')).id;
    await page.goto(`${base}/runs/${run}`);
    const told = page.getByText('press-7 has stopped working on this run.');
    // The host dies at the end of that step, as a fault in its sandbox would make it; it gives up on it after a few times.
    for (let deaths = 0; deaths < 8 && !(await told.isVisible()); deaths += 1) {
      plane.host('press-7', { failpoints: 'B7=abort' });
      await until('it dies, or lets the run rest', async () => !plane.lives('press-7') || (await told.isVisible()), Boolean, 60_000);
    }
    await page.getByText('needs review (FF-RUN-102)').waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Cancel the run' }).click();
    await runState(page, 'Cancelled');
  }],

  ['a host is drained, takes work again, and is revoked after what follows was said', async ({ base, page }) => {
    await page.goto(`${base}/hosts`);
    const host = page.locator('tbody tr', { hasText: 'press-7' });
    await host.getByRole('button', { name: /^Drain/ }).click();
    await page.getByText('It gets no new work.').waitFor();
    await page.getByLabel('why').fill('new disk');
    await page.getByRole('button', { name: 'Drain press-7' }).click();
    await host.getByText('draining').waitFor();
    await host.getByText('new disk').waitFor();
    await host.getByRole('button', { name: /Take work again/ }).click();
    await host.getByRole('button', { name: /^Revoke/ }).click();
    await page.getByText('this cannot be taken back').waitFor();
    await page.getByRole('button', { name: 'Revoke press-7' }).click();
    await host.getByText('revoked', { exact: true }).waitFor();
  }],
];
