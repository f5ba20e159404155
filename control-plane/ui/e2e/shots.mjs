// Screenshots of every view in its states: 1440 and 390 px, both themes, into shots/ (ignored). Also reports sideways
// scrolling, what axe-core finds, and every error of the page. The views of a control plane are those of a real
// `flowforge dev` (FLOWFORGE_PROGRAMS); what it would say otherwise stands in as an answer. A path of the router without a
// picture, or a picture without a path, is a failure. Words on the command line choose views by their names.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { browse, large, serve, theme, violations } from './harness.mjs';
import { fill, startPlane } from './plane.mjs';

const out = path.resolve(import.meta.dirname, '../shots');
const open = async (page) => {
  await page.getByRole('button', { name: 'Example' }).click();
  await page.waitForSelector('.outline, f-flow .card');
};
const paste = async (page, text) => {
  await page.evaluate((value) => localStorage.setItem('ff-draft', JSON.stringify({ text: value, layout: { positions: {}, notes: [] }, at: 0 })), text);
  await page.reload();
  await page.waitForSelector('.outline, f-flow .card');
};
/** Another window saves the draft; then this one changes the same line. */
const clash = async (page) => {
  await page.evaluate(async () => {
    const ask = async (query, variables) => (await (await fetch('/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables }) })).json()).data;
    const { draft } = await ask('{ draft(workflow: "two-saved") { source revision } }');
    await ask('mutation($i: SaveDraftInput!) { saveDraft(input: $i) { __typename } }', { i: { workflow: 'two-saved', source: draft.source.replace(/price: .*/, `price: ${Math.round(draft.revision) + 20} }`).replace('Prices of', 'All prices of'), revision: draft.revision } });
  });
  await view(page, 'Text');
  await page.locator('.cm-line', { hasText: 'price: ' }).first().click();
  await page.keyboard.press('End');
  await page.keyboard.type('   # without tax');
};
const view = (page, name) => page.locator('.top .segm').getByRole('button', { name, exact: true }).click();
const choose = (page, id) => page.locator(`[data-outline="${id}"], [data-node="${id}"]`).first().click();
const seen = (selector) => async (page) => page.locator(selector).filter({ visible: true }).first().waitFor();
/** The answer of a plane that says something else: nothing at all, an error, a missing right, or an empty list. */
const says = {
  invites: async (route) => (/inviteHost/.test(route.request().postData() ?? '') ? route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify({ data: { inviteHost: { __typename: 'InviteHostSuccess', token: `ff-enrol-1.${'bQ7x2mKpLw'.repeat(14)}`, expiresAtMs: Date.now() + 3_600_000, server: 'https://plane.example.com:7443' } } }) }) : route.fallback()),
  loading: (route) => route.request().postData() && new Promise(() => undefined),
  error: (route) => route.abort(),
  denied: (route) => route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify({ data: null, errors: [{ message: 'account vic may not do read to project in dev/default: it needs the permission `read`; the roles that have it are: viewer, builder, operator, publisher, admin; vic has: none', extensions: { code: 'FF-API-403' } }] }) }),
  empty: async (route) => {
    const answer = await route.fetch();
    const emptied = JSON.stringify(await answer.json(), (key, value) => (key === 'nodes' || ['secrets', 'hosts', 'approverGroups'].includes(key) ? [] : ['run', 'approval', 'connector'].includes(key) || (['workflow', 'draft'].includes(key) && typeof value === 'object') ? null : value));
    await route.fulfill({ status: 200, contentType: 'application/json', body: emptied });
  },
};
/** What the door for sessions says, of a plane that has a sign-in. */
const SIGNED_OUT = { needsSignIn: true, signedIn: false, workspace: 'northfield', account: null, csrf: null };
const SIGNED_IN = { needsSignIn: true, signedIn: true, workspace: 'northfield', account: { name: 'ana', roles: ['editor', 'approver'], permissions: ['view', 'edit', 'run', 'approve'] }, csrf: 'shown-to-this-page' };
const door = (session) => (route) => route.request().method() === 'GET'
  ? route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify(session) })
  : route.fulfill({ status: 401, contentType: 'application/json', body: JSON.stringify({ code: 'FF-ACC-001', message: 'the name or the password is wrong' }) });
/** The four other states of a view that asks the plane. */
const states = (id, where) => Object.fromEntries(['loading', 'error', 'denied', 'empty'].map((state) => [`${id}-${state}`, { path: where, says: state, act: state === 'loading' ? undefined : seen('main .state, main tbody, main .spark, main .kv, main .start, main .panel') }]));
const BROKEN = /ERR_FAILED|401|403|Failed to load/;

const views = {
  home: { path: '/', act: seen('tbody tr') },
  ...states('home', '/'),
  'home-start': { path: '/', act: async (page) => { await page.getByRole('button', { name: 'Run order-check' }).click(); await page.locator('dialog[open] .field').first().waitFor(); } },
  runs: { path: '/runs', act: seen('tbody tr') },
  ...states('runs', '/runs'),
  'runs-chosen': { path: '/runs', act: async (page) => { await page.locator('td.pick input').nth(0).check(); await page.locator('td.pick input').nth(3).check(); } },
  'runs-bulk': { path: '/runs?state=failed', act: async (page) => { await page.locator('td.pick input').first().check(); await page.getByRole('button', { name: 'Retry 1…' }).click(); await page.locator('dialog[open] .note').waitFor(); } },
  'runs-none': { path: '/runs?state=expired', act: seen('main .state') },
  'run-waiting': { path: '/runs/WAITING', router: '/runs/:id', act: seen('.run-time') },
  'run-loop': { path: '/runs/LOOP', router: '/runs/:id', act: async (page) => { await page.locator('.tl-row', { hasText: 'shelves' }).getByRole('button').click(); await page.locator('.round-picker').filter({ visible: true }).getByRole('button', { name: 'Round after' }).click(); } },
  'run-data': { path: '/runs/LOOP', router: '/runs/:id', act: async (page) => { await page.locator('.tl-row', { hasText: 'shelves' }).getByRole('button').click(); await page.locator('.side-body').getByRole('button', { name: 'Schema' }).first().click(); } },
  'run-failed': { path: '/runs/FAILED', router: '/runs/:id', act: async (page) => { await page.getByRole('tab', { name: 'Attempts' }).click(); } },
  'run-retry': { path: '/runs/FAILED', router: '/runs/:id', act: async (page) => { await page.getByRole('button', { name: 'Retry from…' }).click(); await page.locator('dialog[open] .retry-names').first().waitFor(); } },
  ...states('run', '/runs/WAITING'),
  approvals: { path: '/approvals', act: seen('.inbox-rows a') },
  ...states('approvals', '/approvals'),
  approval: { path: '/approvals/WAITING', router: '/approvals/:id', act: seen('.leads') },
  ...states('approval', '/approvals/WAITING'),
  'approval-answered': { path: '/approvals/ANSWERED', router: '/approvals/:id', act: seen('.question-title') },
  versions: { path: '/workflows/VERSIONED', router: '/workflows/:name', act: seen('.difference-below .btn, .changes') },
  'versions-properties': { path: '/workflows/VERSIONED', router: '/workflows/:name', act: async (page) => { await page.getByRole('button', { name: 'By property' }).click(); await page.locator('.difference-list .change').first().waitFor(); } },
  'versions-text': { path: '/workflows/VERSIONED', router: '/workflows/:name', act: async (page) => { await page.getByRole('button', { name: 'Text', exact: true }).click(); await page.locator('.text-hunks .ADDED').first().waitFor(); } },
  'versions-one': { path: '/workflows/sales-report', router: '/workflows/:name', act: seen('.version-difference .state') },
  ...Object.fromEntries(Object.entries(states('versions', '/workflows/VERSIONED')).map(([id, spec]) => [id, { ...spec, router: '/workflows/:name' }])),
  marketplace: { path: '/marketplace', act: seen('.connector-card') },
  ...states('marketplace', '/marketplace'),
  'marketplace-none': { path: '/marketplace?search=nothing-like-this', router: '/marketplace', act: seen('main .state') },
  connector: { path: '/marketplace/flowforge:http', router: '/marketplace/:name', act: seen('.operation') },
  'connector-reach': { path: '/marketplace/flowforge:http', router: '/marketplace/:name', act: async (page) => { await page.getByRole('tab', { name: 'Reach' }).click(); await page.locator('.reach-list').waitFor(); } },
  'connector-versions': { path: '/marketplace/flowforge:http', router: '/marketplace/:name', act: async (page) => { await page.getByRole('tab', { name: 'Versions' }).click(); } },
  ...Object.fromEntries(Object.entries(states('connector', '/marketplace/flowforge:http')).map(([id, spec]) => [id, { ...spec, router: '/marketplace/:name' }])),
  secrets: { path: '/secrets', act: seen('tbody tr') },
  ...states('secrets', '/secrets'),
  'secrets-new': { path: '/secrets', act: async (page) => { await page.getByRole('button', { name: 'New secret' }).first().click(); } },
  'secrets-delete': { path: '/secrets', act: async (page) => { await page.getByRole('button', { name: /^Delete/ }).first().click(); } },
  hosts: { path: '/hosts', act: seen('tbody tr') },
  ...states('hosts', '/hosts'),
  'hosts-enrol': { path: '/hosts', act: async (page) => { await page.getByRole('button', { name: 'Enrol a host…' }).first().click(); await page.locator('dialog[open] .field').first().waitFor(); } },
  'hosts-invited': { path: '/hosts', says: 'invites', act: async (page) => { await page.getByRole('button', { name: 'Enrol a host…' }).first().click(); await page.locator('dialog[open] input').fill('press-7'); await page.getByRole('button', { name: 'Make the invitation' }).click(); await page.locator('dialog[open] pre').waitFor(); } },
  'hosts-revoke': { path: '/hosts', act: async (page) => { await page.getByRole('button', { name: /^Revoke…/ }).first().click(); await page.locator('dialog[open] .note').waitFor(); } },
  'hosts-silent': { path: '/hosts', says: 'silent', act: seen('main .note') },
  triggers: { path: '/triggers', act: seen('tbody tr') },
  ...states('triggers', '/triggers'),
  profile: { path: '/profile', act: seen('main .note') },
  'profile-signed-in': { path: '/profile', session: SIGNED_IN, act: seen('main .kv') },
  'sign-in': { path: '/', session: SIGNED_OUT, act: seen('.sign-in-card') },
  'sign-in-wrong': { path: '/', session: SIGNED_OUT, act: async (page) => { await page.getByLabel('name').fill('ana'); await page.getByLabel('password').fill('not this one'); await page.getByRole('button', { name: 'Sign in' }).click(); await page.locator('.sign-in-card .note').waitFor(); } },
  'sign-in-link': { path: '/#link=ff-link-1.example', router: '/', session: SIGNED_OUT, act: seen('.sign-in-card') },
  settings: { path: '/settings', act: seen('.kv') },
  ...states('settings', '/settings'),
  members: { path: '/settings/members', act: seen('.role-list') },
  ...states('members', '/settings/members'),
  audit: { path: '/settings/audit', act: seen('tbody tr') },
  ...states('audit', '/settings/audit'),
  'not-found': { path: '/nothing-here', router: '/**', act: seen('main .state') },
  components: { path: '/components', full: true },
  start: { path: '/editor' },
  'start-paste': { path: '/editor', act: async (page) => page.getByRole('button', { name: 'Paste text' }).click() },
  'workflow-form': { path: '/editor', act: async (page) => { await open(page); await page.getByRole('button', { name: 'Triggers, inputs and results of the workflow' }).click(); await page.locator('ff-workflow-form').waitFor(); } },
  blank: { path: '/editor', act: async (page) => page.getByRole('button', { name: 'Blank' }).click() },
  canvas: { path: '/editor', act: open, wide: true },
  selected: { path: '/editor', act: async (page) => { await open(page); await choose(page, 'label'); } },
  behaviour: { path: '/editor', act: async (page) => { await open(page); await choose(page, 'notify'); if (await page.locator('.insp').count() === 0) await page.keyboard.press('Enter'); await page.getByRole('tab', { name: 'Behaviour' }).click(); } },
  'approval-form': { path: '/editor', act: async (page) => { await open(page); await choose(page, 'confirm'); } },
  asks: { path: '/editor', act: async (page) => { await paste(page, 'workflow: asks\nconfig: { chat: https://chat.example.com }\nnodes:\n  notify:\n    call: flowforge:http/post\n    with:\n      url: ${config.chat}/hooks\n'); await choose(page, 'notify'); } },
  kinds: { path: '/editor', act: async (page) => { await paste(page, readFileSync(new URL('./kinds.yaml', import.meta.url), 'utf8')); await choose(page, 'paid'); } },
  both: { path: '/editor', act: async (page) => { await open(page); await view(page, 'Both'); await page.waitForSelector('.cm-content'); await choose(page, 'gate'); }, wide: true },
  text: { path: '/editor', act: async (page) => { await open(page); await view(page, 'Text'); await page.waitForSelector('.cm-content'); } },
  list: { path: '/editor', act: async (page) => { await open(page); await view(page, 'List'); } },
  picker: { path: '/editor', act: async (page) => { await open(page); await view(page, 'Canvas'); await page.getByRole('button', { name: 'Node', exact: false }).first().click(); await page.keyboard.type('loop'); } },
  palette: { path: '/editor', act: async (page) => { await open(page); await page.keyboard.press('Control+k'); await page.keyboard.type('re'); } },
  keys: { path: '/editor', act: async (page) => { await open(page); await view(page, 'Canvas'); await page.locator('f-flow').focus(); await page.keyboard.press('?'); }, wide: true },
  problems: { path: '/editor', act: async (page) => { await open(page); await page.waitForFunction(() => localStorage.getItem('ff-draft')); await paste(page, (await page.evaluate(() => JSON.parse(localStorage.getItem('ff-draft')).text)).replace('stats.max >= 6.0', 'stat.max >= ').replace('after: gate.strong', 'after: gate.strng')); await page.locator('.problems-button').click(); } },
  draft: { path: '/editor?workflow=VERSIONED', router: '/editor', act: async (page) => { await page.locator('.outline, f-flow .card').first().waitFor(); await page.locator('.keeping', { hasText: 'Saved' }).filter({ visible: true }).or(page.locator('.outline')).first().waitFor(); } },
  data: { path: '/editor?workflow=shelf-lines', router: '/editor', act: async (page) => { await page.locator('f-flow .card').first().waitFor(); await page.getByRole('button', { name: 'Try', exact: true }).click(); await page.locator('.canvas-pane .node.ov.done', { hasText: 'shelves.csv' }).first().waitFor({ timeout: 60_000 }); await choose(page, 'line'); await page.locator('.data-pane td').first().waitFor(); }, wide: true },
  'data-pinned': { path: '/editor?workflow=shelf-lines', router: '/editor', act: async (page) => { await page.locator('f-flow .card').first().waitFor(); await page.getByRole('button', { name: 'Data', exact: true }).click(); await choose(page, 'short'); await page.locator('.data-pane td').first().waitFor(); await page.getByRole('button', { name: 'Pin', exact: true }).click(); await page.getByRole('button', { name: 'Edit', exact: true }).click(); }, wide: true },
  expression: { path: '/editor?workflow=shelf-words', router: '/editor', act: async (page) => { await page.locator('f-flow .card').first().waitFor(); await choose(page, 'line'); await page.getByRole('combobox', { name: 'left', exact: true }).fill('shelf.'); await page.getByRole('option').filter({ visible: true }).first().waitFor(); await page.waitForTimeout(600); }, wide: true },
  publish: { path: '/editor?workflow=VERSIONED', router: '/editor', act: async (page) => { await page.locator('.outline, f-flow .card').first().waitFor(); await page.keyboard.press('Control+k'); await page.keyboard.type('publish'); await page.keyboard.press('Enter'); await page.locator('dialog[open] .release').waitFor(); } },
  conflict: { path: '/editor?workflow=two-saved', router: '/editor', act: async (page) => { await page.locator('.outline, f-flow .card').first().waitFor(); await clash(page); await page.locator('dialog[open] .clash').waitFor({ timeout: 60_000 }); } },
  large: { path: '/editor', act: async (page) => paste(page, large(500)), wide: true },
};

/** The paths of the router, children written out. */
const routed = [...readFileSync(path.resolve(import.meta.dirname, '../src/app/app.routes.ts'), 'utf8').matchAll(/path: '([^']*)'|children: \[/g)].reduce(({ paths, parent, inside }, [whole, name]) => {
  if (whole === 'children: [') return { paths, parent, inside: true };
  const own = inside ? `${parent}/${name}` : `/${name}`;
  return { paths: [...paths, own], parent: inside ? parent : own, inside: false };
}, { paths: [], parent: '', inside: false }).paths;
const drawn = new Set(Object.values(views).map((spec) => spec.router ?? spec.path.replace(/\?.*$/, '')).map((one) => one.replace(/\/(?:WAITING|LOOP|FAILED|ANSWERED)$/, '/:id').replace(/\/workflows\/.*$/, '/workflows/:name').replace(/#.*$/, '')));
const missing = [...routed.filter((one) => !drawn.has(one)).map((one) => `no picture of ${one}`), ...[...drawn].filter((one) => !routed.includes(one)).map((one) => `the router has no ${one}`)];

const wanted = process.argv.slice(2);
if (wanted.length === 0) rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const plane = await startPlane({ connectors: true });
const server = await serve(plane.base);
let bad = missing.length;
try {
  const ids = await fill(plane);
  for (const one of missing) console.log(one);
  for (const width of [1440, 390]) {
    const { page, errors, close } = await browse({ viewport: { width, height: width === 390 ? 844 : 900 } });
    await page.goto(`${server.base}/editor`);
    for (const name of ['light', 'dark']) {
      for (const [id, spec] of Object.entries(views)) {
        if ((wanted.length > 0 && !wanted.some((word) => id === word || id.startsWith(`${word}-`))) || (spec.wide && width === 390)) continue;
        const problem = (text) => { bad += 1; console.log(`${id} ${width} ${name}: ${text}`); };
        try {
          await page.evaluate(() => localStorage.clear());
          await theme(page, name);
          if (spec.says === 'silent') await page.route('**/graphql', async (route) => {
            const answer = await route.fetch();
            const text = (await answer.text()).replaceAll('"connected":true', '"connected":false').replace(/"lastHeardMs":(\d+)/, (_, at) => `"lastHeardMs":${Number(at) - 1_860_000}`);
            await route.fulfill({ status: 200, contentType: 'application/json', body: text });
          });
          else if (spec.says) await page.route('**/graphql', says[spec.says]);
          if (spec.session) await page.route('**/session', door(spec.session));
          const where = spec.path.replace('WAITING', spec.path.startsWith('/runs') ? ids.waiting : ids.question).replace('LOOP', ids.loop).replace('FAILED', ids.failed).replace('ANSWERED', ids.answered).replace('VERSIONED', 'shelf-report');
          // Behind the `#` a change of address loads nothing.
          if (where.includes('#')) await page.goto('about:blank');
          await page.goto(`${server.base}${where}`);
          await page.waitForSelector('main :is(h1, .gallery, .state, .skel)', { state: 'attached' });
          await spec.act?.(page);
          await page.waitForTimeout(500);
          if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)) problem('scrolls sideways');
          if (id !== 'large') for (const found of await violations(page)) problem(found);
          if (spec.full) {
            const height = await page.evaluate(() => document.querySelector('main').scrollHeight);
            await page.setViewportSize({ width, height: height + 60 });
            await page.waitForTimeout(200);
          }
          await page.screenshot({ path: path.join(out, `${id}-${width}-${name}.png`) });
          await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
        } catch (error) {
          problem(error.message.split('\n').slice(0, 4).join(' '));
          await page.screenshot({ path: path.join(out, `${id}-${width}-${name}-broken.png`) });
        }
        await page.unrouteAll({ behavior: 'ignoreErrors' });
        for (const error of errors.splice(0)) if (!(spec.says || spec.session) || !BROKEN.test(error)) problem(error);
      }
    }
    await close();
  }
} finally {
  server.close();
  await plane.close();
}
console.log(bad === 0 ? 'no problems' : `${bad} problems`);
process.exitCode = bad === 0 ? 0 : 1;
