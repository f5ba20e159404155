// What the journeys share: a control plane, a browser with one or more windows, and words for what a person does.
import assert from 'node:assert/strict';
import { browse, serve } from '../harness.mjs';
import { startFleet, startPlane } from '../plane.mjs';

/** A control plane with a browser in front of it; FLOWFORGE_UI=dist takes the files that were built last. */
export async function stage({ fleet = false, ...options } = {}) {
  const plane = fleet ? await startFleet() : await startPlane(options);
  const server = process.env.FLOWFORGE_UI === 'dist' ? await serve(plane.base) : null;
  const { page, errors, close } = await browse();
  return {
    plane, page, errors,
    base: server?.base ?? plane.base,
    /** Another window of the same person, without what the first one keeps in the browser. */
    async window() {
      const other = await browse();
      other.page.on('close', () => undefined);
      return other;
    },
    async close() {
      await close();
      server?.close();
      await plane.close();
    },
  };
}

/** A page on which no mouse, no touch and no shortcut for either can be used: the keyboard is all there is. */
export function keyboardOnly(page) {
  const refused = new Set(['mouse', 'touchscreen', 'click', 'dblclick', 'tap', 'hover', 'dragAndDrop', 'check', 'uncheck', 'setChecked', 'selectOption', 'fill', 'focus']);
  return new Proxy(page, {
    get(target, name) {
      if (refused.has(name)) throw new Error(`the keyboard journey may not use page.${String(name)}`);
      if (name === 'locator' || String(name).startsWith('getBy')) return (...words) => watchOnly(target[name](...words));
      const found = target[name];
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}

function watchOnly(locator) {
  const allowed = new Set(['waitFor', 'count', 'innerText', 'allInnerTexts', 'textContent', 'isVisible', 'getAttribute', 'inputValue', 'evaluate', 'evaluateAll']);
  return new Proxy(locator, {
    get(target, name) {
      if (['first', 'last', 'nth', 'filter', 'locator'].includes(name) || String(name).startsWith('getBy')) return (...words) => watchOnly(target[name](...words));
      if (name === 'then') return undefined;
      if (!allowed.has(name)) throw new Error(`the keyboard journey may only look: not locator.${String(name)}`);
      return target[name].bind(target);
    },
  });
}

/** Presses a key until what is focused is as wanted; fails after so many presses. */
export async function pressUntil(page, key, wanted, most = 60) {
  for (let presses = 0; presses <= most; presses += 1) {
    if (await page.evaluate(wanted)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${key} never reached ${wanted}`);
}

/** The text of the draft, as the control plane has it. */
export async function draftText(plane, workflow) {
  const response = await fetch(`${plane.base}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query: 'query($w:String!){draft(workflow:$w){source revision savedBy}}', variables: { w: workflow } }) });
  return (await response.json()).data.draft;
}

/** Waits for something that a function gives; fails with what it gave last. */
export async function until(what, give, good, ms = 20_000) {
  const end = performance.now() + ms;
  for (;;) {
    const found = await give();
    if (good(found)) return found;
    if (performance.now() > end) assert.fail(`${what}: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export const runState = (page, word) => page.locator('.top ff-run-state', { hasText: word }).waitFor({ timeout: 60_000 });
