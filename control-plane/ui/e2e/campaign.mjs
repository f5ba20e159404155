// `cargo xtask campaign builder`: seconds and frames of the interface in Chromium, over a real `flowforge dev` on loopback.
// Frames come from the browser's own trace. A figure above its limit is said, and the campaign fails.
import { readFileSync } from 'node:fs';
import { browse, cardInView, large, serve, shownNodes } from './harness.mjs';
import { startPlane } from './plane.mjs';

/** Frames that the compositor presented, from a trace of the browser. */
async function framesWhile(page, work) {
  const session = await page.context().newCDPSession(page);
  const events = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['disabled-by-default-devtools.timeline.frame', 'devtools.timeline.frame', 'benchmark', 'cc'] } });
  await work();
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.end');
  await complete;
  await session.detach();
  const times = events.filter((event) => event.name === 'DrawFrame').map((event) => event.ts / 1000).sort((a, b) => a - b);
  if (times.length < 2) return { frames: times.length, rate: 0, longest: 0 };
  const gaps = times.slice(1).map((time, index) => time - times[index]);
  return { frames: times.length, rate: (times.length - 1) / ((times.at(-1) - times[0]) / 1000), longest: Math.max(...gaps) };
}

const rows = [];
let bad = 0;
/** One figure beside its limit: `most` or `least`. */
function say(what, value, unit, limit, digits = 0) {
  const good = limit.most === undefined ? value >= limit.least : value <= limit.most;
  if (!good) bad += 1;
  rows.push(`| ${what} | ${value.toFixed(digits)} ${unit} | ${limit.most === undefined ? `≥ ${limit.least}` : `≤ ${limit.most}`} ${unit} | ${good ? 'yes' : '**no**'} |`);
  console.error(`${good ? '✓' : '✗'} ${what}: ${value.toFixed(digits)} ${unit}`);
}
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

const plane = await startPlane();
const server = process.env.FLOWFORGE_UI === 'dist' ? await serve(plane.base) : null;
const base = server?.base ?? plane.base;
try {
  {
    const times = [];
    for (let round = 0; round < 5; round += 1) {
      const { page, close } = await browse();
      const started = performance.now();
      await page.goto(base);
      await page.getByText('Nothing is published yet').waitFor();
      await page.getByRole('link', { name: 'New workflow' }).first().click();
      await page.locator('.start-card').first().waitFor();
      times.push((performance.now() - started) / 1000);
      await close();
    }
    say('from the address to a page that answers a click, cold cache, median of 5', median(times), 's', { most: 1.5 }, 2);
  }

  const { page, close } = await browse();
  await page.goto(`${base}/components`);
  await page.evaluate((text) => localStorage.setItem('ff-draft', JSON.stringify({ text, layout: { nodes: {}, notes: [] }, at: 1, mark: null })), large(500));
  const began = performance.now();
  await page.goto(`${base}/editor`);
  await page.evaluate(`window.shownNodes = ${shownNodes}`);
  await page.waitForFunction(() => window.shownNodes() >= 500, undefined, { polling: 'raf', timeout: 120_000 });
  const opened = performance.now() - began;
  say('a workflow of 500 nodes opens, the page loaded anew', opened / 1000, 's', { most: 1 }, 2);
  const pan = async (what) => {
    await page.mouse.move(600, 400);
    await page.waitForTimeout(500);
    const seen = await framesWhile(page, async () => {
      for (let index = 0; index < 120; index += 1) {
        await page.mouse.wheel(8, 5);
        await page.waitForTimeout(12);
      }
    });
    say(`${what} (${seen.frames} frames, longest ${seen.longest.toFixed(0)} ms)`, seen.rate, 'frames/s', { least: 50 });
    await page.mouse.wheel(-960, -600);
    await page.waitForTimeout(300);
  };
  const drag = async (what, { x, y }) => {
    const seen = await framesWhile(page, async () => {
      await page.mouse.move(x, y);
      await page.mouse.down();
      for (let index = 0; index < 100; index += 1) {
        await page.mouse.move(x + index * 2, y + (index % 40));
        await page.waitForTimeout(12);
      }
      await page.mouse.up();
    });
    say(`${what} (${seen.frames} frames, longest ${seen.longest.toFixed(0)} ms)`, seen.rate, 'frames/s', { least: 50 });
    await page.keyboard.press('Control+z');
    await page.waitForTimeout(300);
  };
  await page.locator('f-flow').focus();
  await page.keyboard.press('1');
  await pan('panning 500 nodes, all in view');
  await page.keyboard.press('0');
  await pan('panning 500 nodes at their own size');
  const card = await cardInView(page);
  await drag('dragging one of 500 nodes', { x: card.x + 60, y: card.y + 12 });
  await close();

  {
    const { page: writer, close: end } = await browse();
    await writer.goto(`${base}/editor`);
    await writer.getByRole('button', { name: 'Example' }).click();
    await writer.locator('[data-node="stats"]').first().click();
    const times = await keyToPreview(writer);
    say('from a key to the value below, median of 20', median(times), 'ms', { most: 50 });
    await end();
  }
} finally {
  server?.close();
  await plane.close();
}
console.log(`The interface of this commit, served by \`flowforge dev\`, in ${readFileSync('/proc/version', 'utf8').split(' ').slice(0, 3).join(' ')} with headless Chromium, software rendering.\n`);
console.log('| what | measured | limit | holds |\n|---|---|---|---|');
console.log(rows.join('\n'));
process.exitCode = bad === 0 ? 0 : 1;

/** Milliseconds from the input event to the new text below the box, by the page's own clock. */
async function keyToPreview(page) {
  await page.locator('[data-node="quakes"]').first().click({ position: { x: 40, y: 12 } });
  const box = page.locator('.insp .expr textarea').first();
  await box.fill('1000');
  await page.locator('.insp .val', { hasText: '1000' }).first().waitFor();
  const times = [];
  for (let round = 0; round < 20; round += 1) {
    const wanted = String(1001 + round);
    times.push(await page.evaluate(async (text) => {
      const area = document.querySelector('.insp .expr textarea');
      const value = () => area.closest('.expr').querySelector('.val .cd')?.textContent ?? '';
      area.focus();
      area.value = `${text} + 0`;
      const started = performance.now();
      area.dispatchEvent(new Event('input', { bubbles: true }));
      while (value() !== text) await new Promise((resolve) => setTimeout(resolve, 1));
      return performance.now() - started;
    }, wanted));
    await page.waitForTimeout(150);
  }
  return times;
}
