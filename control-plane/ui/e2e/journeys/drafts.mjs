// Drafts: saved by themselves, two windows on one of them, published with a summary.
import assert from 'node:assert/strict';
import { draftText, until } from './tools.mjs';

const TWO = `workflow: two-windows
title: Edited twice at once
nodes:
  one:
    set: { a: 1 }
  two:
    after: one
    set: { b: 2 }
`;

async function intoText(page) {
  await page.locator('.top .segm').getByRole('button', { name: 'Text', exact: true }).click();
  await page.locator('.cm-content').waitFor();
}
async function typeAfter(page, line, text) {
  await page.locator('.cm-line', { hasText: line }).click();
  await page.keyboard.press('End');
  await page.keyboard.type(text);
}
const saved = (page) => page.locator('.keeping', { hasText: /Saved \d/ }).waitFor();

export const drafts = [
  ['a new workflow is saved by itself, and is there again after the window was closed', async ({ base, page, plane }) => {
    await page.goto(`${base}/editor`);
    await page.getByRole('button', { name: 'Paste text' }).click();
    await page.locator('#pasted').fill(TWO);
    await page.getByRole('button', { name: 'Open', exact: true }).click();
    await saved(page);
    await page.waitForURL(/workflow=two-windows/);
    await intoText(page);
    await typeAfter(page, 'set: { a: 1 }', '   # mine');
    await until('the draft has what was typed', () => draftText(plane, 'two-windows'), (draft) => draft?.source.includes('{ a: 1 }   # mine'));
    await page.evaluate(() => localStorage.clear());
    await page.goto(`${base}/`);
    await page.getByRole('link', { name: 'two-windows', exact: true }).click();
    await page.locator('[data-node="two"]').first().waitFor();
    await intoText(page);
    await page.locator('.cm-line', { hasText: '# mine' }).waitFor();
  }],

  ['an error is at the same place in text and canvas, from the lint of the save', async ({ page }) => {
    await page.locator('.top .segm').getByRole('button', { name: 'Both', exact: true }).click();
    await typeAfter(page, 'set: { b: 2 }', '\nallow: ["https://x.example"]');
    await page.locator('.cm-lintRange-error').first().waitFor();
    await page.locator('.node.wrong', { hasText: 'two' }).waitFor();
    await page.locator('.problems-button').click();
    const problem = page.locator('.problems li').first();
    await problem.getByRole('button').click();
    await page.locator('.cm-activeLine', { hasText: 'x.example' }).waitFor();
    await page.getByRole('button', { name: 'Close the problems' }).click();
    await page.locator('.cm-content').focus();
    for (let tries = 0; tries < 60 && (await page.locator('.cm-line').count()) > 9; tries += 1) await page.keyboard.press('Control+z');
    await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
  }],

  ['two windows: what others saved appears; the later save is told; both are put together', async ({ base, page, plane, window: open }) => {
    const { page: other, close, errors } = await open();
    try {
      await other.goto(`${base}/editor?workflow=two-windows`);
      await other.locator('[data-node="two"]').first().waitFor();
      await intoText(other);
      await typeAfter(other, 'title: Edited', ', and more');
      await saved(other);
      await page.getByText('saved this draft in another window').waitFor();
      await page.locator('.cm-line', { hasText: ', and more' }).waitFor();
      // Both change another line at once: the second save is told.
      let release = () => undefined;
      const released = new Promise((resolve) => (release = resolve));
      const hold = async (route) => {
        if (/mutation SaveDraft|query DraftMark/.test(route.request().postData() ?? '')) await released;
        await route.continue();
      };
      await page.route('**/graphql', hold);
      await typeAfter(page, 'set: { b: 2 }', '   # from the first');
      await typeAfter(other, '# mine', ' and the second');
      await until('the second is saved', () => draftText(plane, 'two-windows'), (draft) => draft.source.includes('and the second'));
      release();
      const told = page.locator('dialog[open]', { hasText: 'was saved by somebody else' });
      await told.waitFor({ timeout: 60_000 });
      await told.getByText('Both fit together').waitFor();
      await told.getByRole('button', { name: 'Put both together' }).click();
      await page.unroute('**/graphql', hold);
      await until('the draft has both', () => draftText(plane, 'two-windows'), (draft) => draft.source.includes('and the second') && draft.source.includes('# from the first'));
      await other.locator('.cm-line', { hasText: '# from the first' }).waitFor();
      assert.deepEqual(errors, []);
    } finally {
      await close();
    }
  }],

  ['a draft is published with a summary that names what it does, and what is new since', async ({ page, plane }) => {
    await page.getByRole('button', { name: 'Publish…' }).click();
    const dialog = page.locator('dialog[open]', { hasText: 'Publish two-windows v1' });
    await dialog.getByText('nothing outside').waitFor();
    await dialog.getByText('First version').waitFor();
    await dialog.getByRole('button', { name: 'Sign and publish v1' }).click();
    await page.getByText('two-windows v1 is live.').waitFor();
    assert.equal(await draftText(plane, 'two-windows'), null);
    await page.getByRole('button', { name: 'Run', exact: true }).waitFor();
    await typeAfter(page, 'set: { b: 2 }', '\n');
    await page.keyboard.press('Backspace');
    await page.keyboard.type('three:\n  after: two\nset: { c: 3 }');
    await page.getByRole('button', { name: 'Publish…' }).waitFor();
    await until('it is a draft again', () => draftText(plane, 'two-windows'), (draft) => draft?.source.includes('three:'));
    await page.getByRole('button', { name: 'Publish…' }).click();
    const second = page.locator('dialog[open]', { hasText: 'Publish two-windows v2' });
    await second.getByText('No new reach.').waitFor();
    await second.locator('.change.ADDED', { hasText: 'three' }).waitFor();
    await second.getByRole('button', { name: 'Sign and publish v2' }).click();
    await page.getByText('two-windows v2 is live.').waitFor();
  }],
];
