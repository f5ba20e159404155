// axe-core on the views that only an editor in use has: tries, publishing, and two versions side by side; both themes.
import assert from 'node:assert/strict';
import { theme, violations } from '../harness.mjs';

const text = (last) => `workflow: looked-at
title: Looked at with axe-core
nodes:
  one: { set: { rows: [{ a: 1, b: two }, { a: ${last}, b: four }] } }
  two: { set: { first: "\${one.rows[0].a}" } }
`;

export const looking = [
  ['no view of the editor in use breaks WCAG 2.2 AA, in either theme', async ({ base, page, plane }) => {
    plane.publish(text(3));
    plane.publish(text(4));
    const found = [];
    const look = async (what) => { for (const one of await violations(page)) found.push(`${what}: ${one}`); };
    for (const name of ['light', 'dark']) {
      await page.goto(`${base}/editor?workflow=looked-at`);
      await theme(page, name);
      await page.reload();
      await page.locator('.canvas-pane [data-node="two"]').click({ position: { x: 40, y: 12 } });
      await page.getByRole('button', { name: 'Try', exact: true }).click();
      await page.locator('.canvas-pane .node.ov.done', { hasText: 'two' }).waitFor({ timeout: 60_000 });
      await page.locator('.data-pane').getByRole('cell', { name: 'first' }).first().waitFor();
      await look(`data, ${name}`);
      await page.locator('.data-pane').getByRole('button', { name: 'Schema' }).last().click();
      await look(`schema, ${name}`);
      await page.locator('.data-pane').getByRole('button', { name: 'Edit' }).click();
      await look(`edited data, ${name}`);
      const box = page.getByRole('combobox', { name: 'first', exact: true });
      await box.fill('one.rows[0].');
      await page.getByRole('option').filter({ visible: true }).first().waitFor();
      await look(`completion, ${name}`);
      await box.fill('one.rows[0].b');
      await page.locator('.insp .val', { hasText: 'two' }).first().waitFor();
      await page.getByRole('button', { name: 'Publish…' }).click();
      await page.locator('dialog[open] .change').first().waitFor();
      await look(`publishing, ${name}`);
      await page.keyboard.press('Escape');
      await page.goto(`${base}/workflows/looked-at`);
      for (const face of ['Graph', 'By property', 'Text']) {
        await page.getByRole('button', { name: face, exact: true }).click();
        await page.locator('.side-by-side, .difference-list, .text-hunks').first().waitFor();
        await look(`versions, ${face}, ${name}`);
      }
    }
    assert.deepEqual(found, []);
  }],
];
