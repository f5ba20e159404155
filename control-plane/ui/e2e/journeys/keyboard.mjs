// By keyboard alone: from an empty workspace to a published workflow that has run and whose question was answered.
import assert from 'node:assert/strict';
import { keyboardOnly, pressUntil, runState } from './tools.mjs';

const onCanvas = () => document.activeElement?.tagName === 'F-FLOW';

/** Finds a command by its words and does it. */
async function command(page, words) {
  await page.keyboard.press('Control+k');
  await page.locator('dialog[open] .command').waitFor();
  await page.keyboard.type(words);
  await page.keyboard.press('Enter');
}

export const keyboard = [
  ['a workflow is built, tried, published and run', async ({ base, page: whole }) => {
    const page = keyboardOnly(whole);
    const { keyboard: keys } = page;
    await page.goto(base);
    await page.getByText('Nothing is published yet').waitFor();
    await pressUntil(page, 'Tab', () => document.activeElement?.matches('a') && document.activeElement.textContent.includes('New workflow'));
    await keys.press('Enter');
    await page.locator('.start-card').first().waitFor();
    await pressUntil(page, 'Tab', () => document.activeElement?.matches('.start-card') && document.activeElement.textContent.includes('Blank'));
    await keys.press('Enter');
    await page.locator('f-flow').waitFor();
    await pressUntil(page, 'F6', onCanvas, 8);
    const add = async (words) => {
      await keys.press('Tab');
      await page.getByRole('dialog', { name: 'Add a node' }).waitFor();
      await keys.type(words);
      await keys.press('Enter');
      await page.getByRole('dialog', { name: 'Add a node' }).waitFor({ state: 'hidden' });
      await page.waitForFunction(onCanvas);
    };
    await add('edit fields');
    await page.locator('.node', { hasText: 'values' }).waitFor();
    // Its only field: six times seven, as an expression with its value below.
    await keys.press('Enter');
    await page.waitForFunction(() => document.activeElement?.closest('.insp .fields') !== null);
    await pressUntil(page, 'Tab', () => document.activeElement?.tagName === 'TEXTAREA');
    await keys.type('=');
    await keys.type('6 * 7');
    await page.locator('.insp .val', { hasText: '42' }).waitFor();
    await keys.press('Escape');
    await page.waitForFunction(onCanvas);
    await add('approval');
    await page.locator('.node', { hasText: 'approval' }).first().waitFor();
    await page.locator('.keeping', { hasText: /Saved/ }).waitFor();
    // As far as the first node: the second one waits for a person.
    await keys.press('ArrowLeft');
    await keys.press('Control+Shift+Enter');
    await page.locator('.canvas-pane .node.ov.done', { hasText: 'values' }).waitFor({ timeout: 60_000 });
    await page.locator('.data-pane').getByRole('cell', { name: '42' }).first().waitFor();
    await command(page, 'publish');
    await page.locator('dialog[open]', { hasText: 'Publish new-workflow v1' }).getByText('First version').waitFor();
    await pressUntil(page, 'Tab', () => document.activeElement?.matches('button') && document.activeElement.textContent.includes('Sign and publish') && !document.activeElement.disabled);
    await keys.press('Enter');
    await page.getByText('new-workflow v1 is live.').waitFor();
    await command(page, 'run the published');
    await page.getByRole('dialog', { name: 'Run new-workflow' }).getByText('It asks for nothing.').waitFor();
    await pressUntil(page, 'Tab', () => document.activeElement?.matches('button') && document.activeElement.textContent.includes('Start the run'));
    await keys.press('Enter');
    await page.waitForURL(/\/runs\/.+/);
    await runState(page, 'Waiting');
  }],

  ['the question is answered, the versions are read, the run is done', async ({ page: whole }) => {
    const page = keyboardOnly(whole);
    const { keyboard: keys } = page;
    const run = page.url();
    await command(page, 'show approvals');
    await page.waitForURL(/\/approvals/);
    await pressUntil(page, 'Tab', () => document.activeElement?.closest('.inbox-rows') !== null);
    await keys.press('Enter');
    await page.locator('h2.question-title').waitFor();
    await keys.press('a');
    await page.getByText('Approved by').waitFor();
    await page.goto(run);
    await runState(page, 'Done');
    await pressUntil(page, 'Tab', () => document.activeElement?.matches('.facts a'));
    await keys.press('Enter');
    await page.locator('f-flow').waitFor();
    await pressUntil(page, 'Shift+Tab', () => document.activeElement?.matches('a') && document.activeElement.textContent.trim() === 'Versions');
    await keys.press('Enter');
    await page.waitForURL(/\/workflows\/new-workflow/);
    await page.getByText('There is only one version').waitFor();
    assert.match(await page.locator('.version-list li').first().innerText(), /v1/);
  }],
];
