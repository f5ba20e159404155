// Drives the interface that a real `flowforge dev` serves: opens home, runs an example to its end, decides a question,
// retries, opens a workflow in the editor; and axe-core on each page in both themes.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { browse, theme, violations } from './harness.mjs';
import { ASKS, startPlane } from './plane.mjs';

const plane = await startPlane();
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
    const answer = await page.goto(plane.base);
    assert.match(answer.headers()['content-security-policy'], /script-src 'self';/);
    await page.getByText('Nothing is published yet').waitFor();
  });

  await step('published workflows appear by themselves', async () => {
    plane.publish('sales-report');
    plane.publish(ASKS);
    await page.getByRole('link', { name: 'sales-report' }).waitFor({ timeout: 30_000 });
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
    await page.goto(plane.base);
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
    await page.goto(`${plane.base}/runs?state=cancelled`);
    await page.locator('tbody tr').first().waitFor();
    assert.equal(await page.locator('tbody tr').count(), 1);
    await page.getByLabel('Filter by state').selectOption('done');
    await page.waitForURL(/state=done/);
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 2);
  });

  await step('a workflow of the plane opens in the editor, where the engine\'s lint speaks', async () => {
    await page.goto(`${plane.base}/editor?workflow=asks`);
    await page.locator('[data-node="confirm"]').waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Text', exact: true }).click();
    await page.locator('.cm-line', { hasText: 'twice.amount}?' }).click();
    await page.keyboard.press('End');
    await page.keyboard.type('\n    allow: ["https://x.example"]');
    await page.locator('.problems-button', { hasText: /\d\s*error/ }).waitFor();
  });

  await step('axe-core: home, runs, a run; both themes, wide and narrow', async () => {
    const found = [];
    const pages = { home: '/', runs: '/runs', run: '/runs/last' };
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 900 });
      for (const name of ['light', 'dark']) {
        await theme(page, name);
        for (const [id, where] of Object.entries(pages)) {
          await page.goto(`${plane.base}${where}`);
          await page.locator('tbody tr, .run-time').first().waitFor();
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
  await plane.close();
}
console.log('✓ live');
