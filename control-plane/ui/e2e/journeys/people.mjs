// People: somebody is invited who may only look, is told so, is refused by the server too, and may run once the role allows it.
// The audit has what was denied. Tokens and sessions are the account's own.
import assert from 'node:assert/strict';
import { browse, violations } from '../harness.mjs';
import { runState, until } from './tools.mjs';

const PASSWORD = 'a long password of a journey';
const TEXT = `workflow: greet
title: Says good day
nodes:
  hello: { set: { text: good day } }
output: { text: "\${hello.text}" }
`;

let second;
/** An address of the control plane, at the server that gives the interface. */
const here = (base, address) => {
  const { pathname, hash } = new URL(address);
  return `${base}${pathname}${hash}`;
};

async function join(page, address, name) {
  await page.goto(address);
  await page.getByLabel('name').fill(name);
  await page.getByLabel('password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('password, once more').fill(PASSWORD);
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.locator('.sign-in-card').waitFor({ state: 'detached' });
}

export const people = [
  ['the first person invites somebody who may only look', async ({ base, page, plane }) => {
    await join(page, here(base, plane.firstLink), 'ann');
    plane.publish(TEXT);
    await page.goto(`${base}/settings/members`);
    await page.locator('tbody tr', { hasText: 'ann' }).getByText('admin', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Invite…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Invite somebody' });
    assert.ok(await dialog.getByLabel(/^viewer/).isChecked());
    assert.deepEqual(await violations(page), [], 'the roles to choose from');
    await dialog.getByLabel(/^viewer/).uncheck();
    await dialog.getByRole('button', { name: 'Make the link' }).click();
    await dialog.getByText('Choose one role at least.').waitFor();
    await dialog.getByLabel(/^viewer/).check();
    await dialog.getByRole('button', { name: 'Make the link' }).click();
    const link = await dialog.locator('pre').innerText();
    assert.deepEqual(await violations(page), [], 'the link');
    await dialog.getByRole('button', { name: 'Done' }).click();
    await page.locator('.need-text', { hasText: 'For a new member' }).waitFor();
    await until('the link is told once', async () => (await page.content()).includes(link), (there) => !there);
    second = await browse();
    await join(second.page, here(base, link), 'vic');
    await page.locator('tbody tr', { hasText: 'vic' }).getByText('viewer', { exact: true }).waitFor();
    assert.equal(await page.locator('.need-text', { hasText: 'For a new member' }).count(), 0);
  }],

  ['who may only look is told so in every view, and is refused by the server too', async ({ base }) => {
    const { page, errors } = second;
    await page.goto(base);
    await page.getByText('Starting runs is not among what the role viewer may do').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Run greet' }).isDisabled());
    for (const [path, button] of [['/secrets', 'New secret'], ['/hosts', 'Enrol a host…'], ['/settings/members', 'Invite…'], ['/settings', 'Add']]) {
      await page.goto(`${base}${path}`);
      await page.getByText(/is not among what the role viewer may do/).first().waitFor();
      assert.ok(await page.getByRole('button', { name: button }).first().isDisabled(), `${button} in ${path}`);
      assert.deepEqual(await violations(page), [], path);
    }
    await page.goto(`${base}/settings/members`);
    await page.locator('tbody tr', { hasText: 'ann' }).getByText('admin', { exact: true }).waitFor();
    await page.goto(`${base}/editor?workflow=greet`);
    await page.getByText('Changing and trying drafts is not among').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Try', exact: true }).isDisabled());
    await page.goto(`${base}/settings/audit`);
    await page.getByText('You may not see this').waitFor();
    assert.deepEqual(await violations(page), [], 'the denied audit');
    // Not only the button: the server itself refuses.
    const code = await page.evaluate(async () => {
      const { csrf } = await (await fetch('/session', { headers: { accept: 'application/json' } })).json();
      const answer = await fetch('/graphql', { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf }, body: JSON.stringify({ query: 'mutation { startRun(input: { workflow: "greet", input: {} }) { __typename } }' }) });
      return (await answer.json()).errors[0].extensions.code;
    });
    assert.equal(code, 'FF-API-403');
    assert.deepEqual(errors, []);
  }],

  ['what was denied is in the audit, and another role allows it', async ({ base, page }) => {
    await page.goto(`${base}/settings/audit?outcome=denied`);
    const denied = page.locator('tbody tr', { hasText: 'run.start' });
    await denied.getByText('vic', { exact: true }).waitFor();
    assert.deepEqual(await violations(page), [], 'the audit');
    await page.goto(`${base}/settings/members`);
    await page.locator('tbody tr', { hasText: 'vic' }).getByRole('button', { name: /^Roles/ }).click();
    await page.getByLabel(/^operator/).check();
    await page.getByRole('button', { name: 'Give these roles' }).click();
    await page.getByText('vic is viewer, operator now.').waitFor();
    const other = second.page;
    await other.goto(base);
    await other.getByRole('button', { name: 'Run greet' }).click();
    await other.getByRole('button', { name: 'Start the run' }).click();
    await other.waitForURL(/\/runs\/.+/);
    // No host is enrolled: the run waits for one, and says so.
    await runState(other, 'Queued');
    assert.deepEqual(second.errors, []);
  }],

  ['an account makes a token with fewer rights and ends it; whoever is removed is signed out', async ({ base, page }) => {
    await page.goto(`${base}/profile`);
    await page.getByRole('button', { name: 'New token…' }).click();
    const dialog = page.getByRole('dialog', { name: 'New token' });
    await dialog.getByLabel('name').fill('nightly export');
    await dialog.getByRole('button', { name: 'Make the token' }).click();
    const secret = await dialog.locator('pre').innerText();
    const ask = (query) => fetch(`${base}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` }, body: JSON.stringify({ query }) });
    assert.equal((await (await ask('{ workflows { nodes { name } } }')).json()).data.workflows.nodes[0].name, 'greet');
    assert.equal((await (await ask('mutation { startRun(input: { workflow: "greet", input: {} }) { __typename } }')).json()).errors[0].extensions.code, 'FF-API-403');
    assert.deepEqual(await violations(page), [], 'the token');
    await dialog.getByRole('button', { name: 'Done' }).click();
    await until('the token is told once', async () => (await page.content()).includes(secret), (there) => !there);
    assert.deepEqual(await violations(page), [], 'the profile');
    await page.getByRole('button', { name: /^Revoke/ }).click();
    await page.getByText('is good for nothing any more').waitFor();
    assert.equal((await ask('{ workflows { nodes { name } } }')).status, 401);
    await page.goto(`${base}/settings/members`);
    await page.locator('tbody tr', { hasText: 'vic' }).getByRole('button', { name: /^Remove/ }).click();
    await page.getByRole('button', { name: 'Remove vic' }).click();
    await page.getByText('vic is no member any more.').waitFor();
    await second.page.goto(base);
    await second.page.locator('.sign-in-card').waitFor();
    await second.close();
  }],
];
