// Screenshots of every view in its states: 1440 and 390 px, both themes, into shots/ (ignored). Also reports sideways
// scrolling, what axe-core finds, and every error of the page.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { browse, large, serve, theme, violations } from './harness.mjs';

const out = path.resolve(import.meta.dirname, '../shots');
mkdirSync(out, { recursive: true });
const open = async (page) => {
  await page.getByRole('button', { name: 'Example' }).click();
  await page.waitForSelector('.outline, f-flow .card');
};
const paste = async (page, text) => {
  await page.evaluate((value) => localStorage.setItem('ff-draft', JSON.stringify({ text: value, layout: { positions: {}, notes: [] }, at: 0 })), text);
  await page.reload();
  await page.waitForSelector('.outline, f-flow .card');
};
const view = (page, name) => page.locator('.top .segm').getByRole('button', { name, exact: true }).click();
const choose = (page, id) => page.locator(`[data-outline="${id}"], [data-node="${id}"]`).first().click();

const views = {
  components: { path: '/components', full: true },
  start: { path: '/editor' },
  'start-paste': { path: '/editor', act: async (page) => page.getByRole('button', { name: 'Paste text' }).click() },
  blank: { path: '/editor', act: async (page) => page.getByRole('button', { name: 'Blank' }).click() },
  canvas: { path: '/editor', act: open, wide: true },
  selected: { path: '/editor', act: async (page) => { await open(page); await choose(page, 'label'); } },
  approval: { path: '/editor', act: async (page) => { await open(page); await choose(page, 'confirm'); } },
  asks: { path: '/editor', act: async (page) => { await paste(page, 'workflow: asks\nconfig: { chat: https://chat.example.com }\nnodes:\n  notify:\n    call: flowforge:http/post\n    with:\n      url: ${config.chat}/hooks\n'); await choose(page, 'notify'); } },
  both: { path: '/editor', act: async (page) => { await open(page); await view(page, 'Both'); await page.waitForSelector('.cm-content'); await choose(page, 'stats'); }, wide: true },
  text: { path: '/editor', act: async (page) => { await open(page); await view(page, 'Text'); await page.waitForSelector('.cm-content'); } },
  list: { path: '/editor', act: async (page) => { await open(page); await view(page, 'List'); } },
  picker: { path: '/editor', act: async (page) => { await open(page); await view(page, 'Canvas'); await page.getByRole('button', { name: 'Node', exact: false }).first().click(); await page.keyboard.type('loop'); } },
  palette: { path: '/editor', act: async (page) => { await open(page); await page.keyboard.press('Control+k'); await page.keyboard.type('re'); } },
  keys: { path: '/editor', act: async (page) => { await open(page); await view(page, 'Canvas'); await page.locator('f-flow').focus(); await page.keyboard.press('?'); }, wide: true },
  problems: { path: '/editor', act: async (page) => { await open(page); await page.waitForFunction(() => localStorage.getItem('ff-draft')); await paste(page, (await page.evaluate(() => JSON.parse(localStorage.getItem('ff-draft')).text)).replace('stats.max >= 6.0', 'stat.max >= ').replace('after: gate.strong', 'after: gate.strng')); await page.locator('.problems-button').click(); } },
  large: { path: '/editor', act: async (page) => paste(page, large(500)), wide: true },
};

const wanted = process.argv.slice(2);
const server = await serve();
let bad = 0;
for (const width of [1440, 390]) {
  const { page, errors, close } = await browse({ viewport: { width, height: width === 390 ? 844 : 900 } });
  await page.goto(`${server.base}/editor`);
  for (const name of ['light', 'dark']) {
    for (const [id, spec] of Object.entries(views)) {
      if ((wanted.length > 0 && !wanted.includes(id)) || (spec.wide && width === 390)) continue;
      const problem = (text) => { bad += 1; console.log(`${id} ${width} ${name}: ${text}`); };
      try {
        await page.evaluate(() => localStorage.clear());
        await theme(page, name);
        await page.goto(`${server.base}${spec.path}`);
        await page.waitForSelector('main :is(h1, .gallery)');
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
      for (const error of errors.splice(0)) problem(error);
    }
  }
  await close();
}
server.close();
console.log(bad === 0 ? 'no problems' : `${bad} problems`);
process.exitCode = bad === 0 ? 0 : 1;
