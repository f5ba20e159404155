// Drives the interface that a real `flowforge dev` serves: opens home, runs an example to its end, decides a question,
// retries, opens a workflow in the editor; and axe-core on each page in both themes.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { browse, serve, theme, violations } from './harness.mjs';
import { ASKS, DIGITS, startPlane, TRIGGERED } from './plane.mjs';

const plane = await startPlane();
// FLOWFORGE_UI=dist drives what was built last instead of what the program has in it.
const server = process.env.FLOWFORGE_UI === 'dist' ? await serve(plane.base) : null;
const base = server?.base ?? plane.base;
const { page, errors, close } = await browse();
const shots = path.resolve(import.meta.dirname, '../shots');
mkdirSync(shots, { recursive: true });
const step = async (name, run) => {
  const started = performance.now();
  await run();
  assert.deepEqual(errors.splice(0), [], `errors of the page during: ${name}`);
  console.log(`✓ ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
};
const state = (word) => page.locator('.top ff-run-state', { hasText: word }).waitFor({ timeout: 60_000 });
const row = (node) => page.locator('.run-time .tl-row', { hasText: node }).first();

try {
  await step('home of a plane without workflows says how to begin', async () => {
    const answer = await page.goto(base);
    assert.match(answer.headers()['content-security-policy'], /script-src 'self';/);
    await page.getByText('Nothing is published yet').waitFor();
  });

  await step('published workflows appear by themselves', async () => {
    plane.publish('sales-report');
    plane.publish(ASKS);
    await page.getByRole('link', { name: 'sales-report', exact: true }).waitFor({ timeout: 30_000 });
  });

  await step('an example is run from home, and its timeline goes to its end', async () => {
    await page.getByRole('button', { name: 'Run sales-report' }).click();
    await page.getByLabel(/^day/).waitFor();
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.waitForURL(/\/runs\/.+/);
    await state('Done');
    for (const node of ['rows', 'totals', 'report']) await row(node).locator('.tl-bar.work').first().waitFor();
    await page.locator('.run-canvas .node.ov.done', { hasText: 'totals' }).waitFor();
    await page.locator('.side-body', { hasText: 'Ada, Bo, Cy' }).waitFor();
    await page.getByRole('tab', { name: 'Receipt' }).click();
    await page.locator('.side-body', { hasText: 'Valid' }).waitFor({ timeout: 30_000 });
  });

  await step('a wrong input is said at its place', async () => {
    await page.goto(base);
    await page.getByRole('button', { name: 'Run asks' }).click();
    await page.getByLabel(/^amount/).fill('0');
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.locator('.field .error').waitFor();
    await page.getByLabel(/^amount/).fill('21');
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.waitForURL(/\/runs\/.+/);
  });

  await step('a question is seen and answered by keyboard, and the run ends', async () => {
    await page.getByRole('heading', { name: 'Send 42?' }).waitFor({ timeout: 30_000 });
    await state('Waiting');
    await row('confirm').locator('.tl-bar.person').waitFor();
    await page.getByLabel('Comment').focus();
    await page.keyboard.type('looks right');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await state('Done');
    await page.locator('.decided', { hasText: 'looks right' }).waitFor();
  });

  await step('a retry shows its plan before it does anything', async () => {
    await page.getByRole('button', { name: 'Retry from…' }).click();
    await page.getByText('Nothing that was done outside is done again.').waitFor();
    const before = page.url();
    await page.getByRole('button', { name: 'Retry', exact: true }).click();
    await page.waitForURL((url) => url.href !== before);
    await page.getByText('retry of').waitFor();
  });

  await step('a run is paused, goes on, and is cancelled', async () => {
    await page.getByRole('heading', { name: 'Send 42?' }).waitFor({ timeout: 30_000 });
    await page.getByRole('button', { name: 'Pause' }).click();
    await state('Paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    await state('Waiting');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await state('Cancelled');
  });

  await step('the list of runs keeps its filter in the address', async () => {
    await page.goto(`${base}/runs?state=cancelled`);
    await page.locator('tbody tr').first().waitFor();
    assert.equal(await page.locator('tbody tr').count(), 1);
    await page.getByLabel('Filter by state').selectOption('done');
    await page.waitForURL(/state=done/);
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 2);
  });

  await step('a workflow of the plane opens in the editor, where the engine\'s lint speaks', async () => {
    await page.goto(`${base}/editor?workflow=asks`);
    await page.locator('[data-node="confirm"]').waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Text', exact: true }).click();
    await page.locator('.cm-line', { hasText: 'twice.amount}?' }).click();
    await page.keyboard.press('End');
    await page.keyboard.type('\n    allow: ["https://x.example"]');
    await page.locator('.problems-button', { hasText: /\d\s*error/ }).waitFor();
  });

  await step('every digit of a whole number goes in and comes out; data is a table, JSON and a schema, with search', async () => {
    plane.publish(DIGITS);
    await page.goto(base);
    await page.getByRole('button', { name: 'Run digits' }).click();
    await page.getByLabel(/^id/).fill('9007199254740993');
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.waitForURL(/\/runs\/.+/);
    await state('Done');
    await row('each').getByRole('button').click();
    const side = page.locator('.side-body');
    await side.getByRole('cell', { name: '18446744073709551615', exact: true }).waitFor();
    await side.getByRole('button', { name: 'Schema' }).first().click();
    await side.getByRole('cell', { name: 'whole number' }).first().waitFor();
    await side.getByRole('button', { name: 'JSON', exact: true }).first().click();
    const search = side.getByLabel('Search in each');
    await search.fill('40993');
    await side.getByText('[0].id').waitFor();
    const saved = page.waitForEvent('download');
    await side.getByRole('button', { name: 'Save each as a file' }).click();
    assert.match(readFileSync(await (await saved).path(), 'utf8'), /"id": 9007199254740993/);
  });

  await step('a round of a loop is chosen, and its node shows that round', async () => {
    await page.locator('.run-canvas [data-node="one"]').click({ position: { x: 40, y: 12 } });
    const rounds = page.locator('.over-canvas');
    await rounds.getByText('all 12').waitFor();
    await rounds.getByRole('button', { name: 'Round after' }).click();
    await rounds.getByText('each 1').waitFor();
    assert.equal(await page.locator('.side-body ff-value').count(), 1);
    await page.getByRole('tab', { name: 'Attempts' }).click();
    await page.getByText('It makes no attempts').waitFor();
  });

  await step('a question is opened from the inbox by its address and decided with one key, on a phone too', async () => {
    const started = JSON.parse(plane.call('run', 'start', 'asks', '--output', 'json'));
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${base}/approvals`);
    await page.getByRole('link', { name: /Send 10\?/ }).first().click();
    await page.waitForURL(/\/approvals\/.+/);
    await page.getByRole('heading', { name: 'Send 10?' }).waitFor();
    const approve = page.getByRole('button', { name: 'Approve' });
    const box = await approve.boundingBox();
    assert.ok(box.y + box.height <= 844 && box.height >= 44, 'the button is reached without scrolling, by a thumb');
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.getByText('nothing after the question runs').waitFor();
    await page.locator('h2.question-title').click();
    await page.keyboard.press('a');
    await page.getByText('Approved by').waitFor();
    await page.goto(`${base}/runs/${started.id}`);
    await state('Done');
  });

  await step('the second of two fills in the form of a question on a phone', async () => {
    plane.publish('expense-approval');
    plane.call('approval', 'group', 'duty', '--member', 'ann');
    const started = JSON.parse(plane.call('run', 'start', 'expense-approval', '--input', '{"what": "a crane", "amount": 900}', '--output', 'json'));
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${base}/approvals`);
    await page.getByRole('link', { name: /Spend 900 on a crane\?.*0 of 2/ }).click();
    plane.call('approval', 'approve', 'last', '--by', 'ann', '--form', '{"limit": 1000}');
    await page.getByText('1 of 2 said yes').waitFor();
    const approve = page.getByRole('button', { name: 'Approve' });
    await approve.click();
    await page.getByText('A value is needed.').waitFor();
    await page.getByLabel(/^limit/).fill('20000');
    await approve.click();
    await page.getByText('limit: 20000 is greater than the maximum of 10000', { exact: true }).waitFor();
    await page.getByLabel(/^limit/).fill('950');
    await page.getByLabel(/^budget/).selectOption('machines');
    const box = await approve.boundingBox();
    assert.ok(box.y + box.height <= 844 && box.height >= 44, 'the button is reached without scrolling, by a thumb');
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, 'nothing is wider than the phone');
    await page.screenshot({ path: path.join(shots, 'live-approval-phone.png') });
    await approve.click();
    await page.getByText(/Approved by ann, local/).waitFor();
    plane.call('approval', 'group', 'duty');
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto(`${base}/runs/${started.id}`);
    await state('Done');
  });

  await step('a secret is set, replaced and deleted, and its value is nowhere', async () => {
    await page.goto(`${base}/secrets`);
    await page.getByText('There is no secret yet').waitFor();
    await page.getByRole('button', { name: 'New secret' }).first().click();
    await page.getByLabel(/^name/).fill('chat token');
    await page.getByLabel(/^value/).fill('zyxwvu-9');
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.locator('dialog .error').first().waitFor();
    await page.getByLabel(/^name/).fill('chat_token');
    await page.getByLabel('Add to destinations').fill('https://chat.example.com');
    await page.getByLabel('Add to destinations').press('Enter');
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.getByRole('cell', { name: /^chat_token/ }).waitFor();
    await page.getByRole('button', { name: 'Replace the value of chat_token' }).click();
    assert.equal(await page.getByLabel(/^value/).inputValue(), '');
    await page.getByLabel(/^value/).fill('zyxwvu-10');
    await page.getByRole('button', { name: 'Replace', exact: true }).click();
    await page.getByText('chat_token has its version 2.').waitFor();
    assert.ok(!(await page.content()).includes('zyxwvu'), 'the value stays in no page');
    assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).includes('zyxwvu'), 'nor in a store');
    await page.getByRole('button', { name: 'Delete chat_token' }).click();
    await page.getByRole('button', { name: 'Forget the value of chat_token' }).click();
    await page.getByText('There is no secret yet').waitFor();
  });

  await step('hosts are told as they are, triggers with their addresses, settings are kept', async () => {
    await page.goto(`${base}/hosts`);
    await page.getByText(/^heard \d+ s ago/).waitFor();
    plane.publish(TRIGGERED);
    await page.goto(`${base}/triggers`);
    await page.getByText('/hooks/orders/new').waitFor();
    await page.getByText('hook_key has no value').waitFor();
    await page.getByText('30 2 * * *').waitFor();
    await page.goto(`${base}/settings`);
    await page.getByRole('button', { name: 'Dark', exact: true }).click();
    await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
    await page.getByLabel('Name of a new group').fill('duty');
    await page.getByLabel('Its first member').fill('ana');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('1 member', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'As the system' }).click();
  });

  await step('several runs are cancelled, and several are run again after their plan', async () => {
    plane.call('run', 'start', 'asks');
    plane.call('run', 'start', 'asks');
    await page.goto(`${base}/runs?state=waiting`);
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 2);
    await page.getByLabel('Choose all').check();
    await page.getByRole('button', { name: 'Cancel 2…' }).click();
    await page.getByRole('button', { name: 'Cancel the 2 runs' }).click();
    await page.getByText('2 runs were told to stop.').waitFor();
    await page.goto(`${base}/runs?state=cancelled&workflow=asks`);
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 3);
    await page.locator('td.pick input').nth(0).check();
    await page.locator('td.pick input').nth(1).check();
    await page.getByRole('button', { name: 'Retry 2…' }).click();
    await page.getByText('Nothing that was done outside is done again.').waitFor();
    await page.getByRole('button', { name: 'Retry 2', exact: true }).click();
    await page.getByText('2 runs run again.').waitFor();
  });

  await step('the palette goes to every place', async () => {
    for (const [words, path] of [['appro', '/approvals'], ['secr', '/secrets'], ['host', '/hosts'], ['trig', '/triggers'], ['settings', '/settings'], ['runs', '/runs']]) {
      await page.keyboard.press('Control+k');
      await page.keyboard.type(words);
      await page.keyboard.press('Enter');
      await page.waitForURL((url) => url.pathname === path);
    }
  });

  await step('axe-core: every page of the plane; both themes, wide and narrow', async () => {
    const found = [];
    const pages = { home: '/', runs: '/runs', run: '/runs/last', approvals: '/approvals', approval: '/approvals/last', secrets: '/secrets', hosts: '/hosts', triggers: '/triggers', settings: '/settings', versions: '/workflows/asks' };
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 900 });
      for (const name of ['light', 'dark']) {
        await theme(page, name);
        for (const [id, where] of Object.entries(pages)) {
          await page.goto(`${base}${where}`);
          await page.locator('tbody tr, .run-time, .inbox-rows, .question-title, .kv, .version-list li, main .state').filter({ visible: true }).first().waitFor();
          for (const one of await violations(page)) found.push(`${id}, ${name}, ${width}: ${one}`);
          if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)) found.push(`${id} scrolls sideways at ${width}`);
          await page.screenshot({ path: path.join(shots, `${id}-${width}-${name}.png`) });
        }
      }
    }
    assert.deepEqual(found, []);
  });
} catch (error) {
  await page.screenshot({ path: path.join(shots, 'live-last.png') }).catch(() => undefined);
  throw error;
} finally {
  await close();
  server?.close();
  await plane.close();
}
console.log('✓ live');
