// Two pairs of hands for one journey: one has a mouse, the other has nothing but the keyboard. What a person does has the same
// words for both, so that one script is played by either.
import assert from 'node:assert/strict';
import { keyboardOnly, until } from './tools.mjs';

const picker = (page) => page.getByRole('dialog', { name: 'Add a node' });
/** A select that has an option with these words. */
const chooseIn = (box, words) => box.evaluate((element, text) => [...element.options].find((option) => option.textContent.trim().startsWith(text))?.value, words);

/** Somebody with a mouse, who types only into fields. */
export function mouse(page) {
  const form = () => page.locator('dialog[open], .insp').filter({ visible: true }).last();
  /** A label may go on with what the field is for. */
  const called = (label) => new RegExp(`^\\s*${label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);
  const field = (label) => form().locator('input:not([type=checkbox]), textarea, select').and(form().getByLabel(called(label))).filter({ visible: true }).first();
  const hands = {
    page,
    press: (name, inForm = true) => (inForm ? form() : page).getByRole('button', { name, exact: true }).first().click(),
    link: (name) => page.getByRole('link', { name }).first().click(),
    async write(label, text) {
      const box = field(label);
      const begin = form().getByRole('button', { name: `Expression for ${label}`, exact: true });
      await box.or(begin).first().waitFor();
      if (text.startsWith('=')) {
        // The field is another one once it takes an expression: what is typed before that would be lost.
        if ((await begin.count()) > 0) {
          await begin.click();
          await begin.waitFor({ state: 'detached' });
        } else {
          const button = form().getByRole('button', { name: `${label}: as an expression`, exact: true });
          if ((await button.count()) > 0 && (await button.getAttribute('aria-pressed')) === 'false') {
            await button.click();
            await until(`${label} takes an expression`, () => button.getAttribute('aria-pressed'), (pressed) => pressed === 'true');
          }
        }
      }
      await field(label).fill(text.replace(/^=/, ''));
      await field(label).press('Tab');
    },
    /** A box that takes names one by one. */
    async name(label, text) {
      await form().getByLabel(`Add to ${label}`, { exact: true }).fill(text);
      await form().getByLabel(`Add to ${label}`, { exact: true }).press('Enter');
    },
    /** What may be left out is given. */
    give: (label) => form().getByRole('checkbox', { name: `${label}: given`, exact: true }).check(),
    async choose(label, words) {
      await field(label).selectOption(await chooseIn(field(label), words));
    },
    tab: (name) => page.getByRole('tab', { name, exact: true }).click(),
    async goTo(node) {
      await page.locator(`.canvas-pane [data-node="${node}"]`).first().click({ position: { x: 40, y: 12 } });
      // Not the name of the node that was shown before: what is typed there would be lost.
      await page.waitForFunction((name) => document.querySelector('.insp .insp-name')?.value === name, node);
    },
    async add(words) {
      await page.locator('.tools').getByRole('button', { name: 'Node' }).click();
      await picker(page).waitFor();
      const before = await page.evaluate(() => document.querySelector('.insp .insp-name')?.value ?? '');
      await page.keyboard.type(words);
      await picker(page).getByRole('option').first().click();
      await picker(page).waitFor({ state: 'hidden' });
      await page.waitForFunction((name) => ![undefined, name].includes(document.querySelector('.insp .insp-name')?.value), before);
    },
    async rename(name) {
      await page.locator('.insp-name').fill(name);
      await page.locator('.insp-name').press('Enter');
      await page.locator(`[data-node="${name}"]`).first().waitFor();
    },
    workflow: () => page.getByRole('button', { name: 'Triggers, inputs and results of the workflow' }).click(),
    remove: () => page.locator('.insp').getByRole('button', { name: 'Delete', exact: true }).click(),
    place: (name) => page.getByRole('navigation', { name: 'Main', exact: true }).getByRole('link', { name }).first().click(),
    publish: () => page.getByRole('button', { name: 'Publish…' }).click(),
    run: () => page.getByRole('button', { name: 'Run', exact: true }).click(),
  };
  return hands;
}

/** What the focused element is called, as a screen reader would say it. */
const focused = () => {
  const at = document.activeElement;
  if (!at || at === document.body) return { name: '', tag: '', inForm: false, canvas: false };
  const label = at.labels?.[0];
  const named = label ? (label.querySelector('.lab') ?? label).childNodes[0]?.textContent : at.textContent;
  return { name: (at.getAttribute('aria-label') ?? named ?? '').trim(), tag: at.tagName, pressed: at.getAttribute('aria-pressed'), inForm: at.closest('.insp, dialog[open]') !== null, canvas: at.tagName === 'F-FLOW' };
};

/** Somebody without a mouse: the page that they have refuses one. */
export function keyboard(whole) {
  const page = keyboardOnly(whole);
  const { keyboard: keys } = page;
  /** Goes on until what is focused is as wanted; at the end of the form, or before the canvas, where Tab adds a node, back. */
  const tabTo = async (what, wanted) => {
    if ((await page.evaluate(focused)).canvas) {
      // From the canvas into the form of what is selected.
      await keys.press('Enter');
      await page.waitForFunction(() => document.activeElement?.closest('.insp') !== null);
    }
    const begun = await page.evaluate(focused);
    // What somebody looks for may come a moment later.
    for (const key of ['Tab', 'Shift+Tab', 'Tab', 'Shift+Tab', 'Tab', 'Shift+Tab']) {
      for (let presses = 0, outside = 0; presses < 160 && outside < (key === 'Tab' ? 8 : 30); presses += 1) {
        const found = await page.evaluate(focused);
        if (wanted(found)) return found;
        if (begun.inForm && !found.inForm) outside += 1;
        if (found.canvas) break;
        await keys.press(key);
      }
    }
    return assert.fail(`no key reached ${what}`);
  };
  const isButton = (name) => ({ tag, name: found }) => tag === 'BUTTON' && (typeof name === 'string' ? found === name : name.test(found));
  const isField = (label) => ({ tag, name }) => ['INPUT', 'TEXTAREA', 'SELECT'].includes(tag) && name === label;
  /** Leaves a field. Completion that is open would take the key; where it has just closed, Escape leaves for the canvas. */
  const leave = async () => {
    const open = () => page.locator('.completion:not([hidden])').count();
    if ((await page.evaluate(focused)).tag === 'TEXTAREA') await page.waitForTimeout(250);
    if ((await open()) > 0) await keys.press('Escape');
    if (!(await page.evaluate(focused)).canvas) await keys.press('Tab');
  };
  const command = async (words) => {
    await keys.press('Control+k');
    await page.locator('dialog[open] .command').waitFor();
    await keys.type(words);
    await keys.press('Enter');
  };
  const onCanvas = () => page.waitForFunction(() => document.activeElement?.tagName === 'F-FLOW');
  const hands = {
    page,
    async press(name) {
      await tabTo(`the button ${name}`, isButton(name));
      await keys.press('Enter');
    },
    async link(name) {
      await tabTo(`the link ${name}`, ({ tag, name: found }) => tag === 'A' && found.includes(name));
      await keys.press('Enter');
    },
    async write(label, text) {
      const found = await tabTo(label, (at) => isField(label)(at) || isButton(`Expression for ${label}`)(at));
      if (found.tag === 'BUTTON') {
        // It stands before its control.
        if (text.startsWith('=')) {
          await keys.press('Enter');
          await page.waitForFunction(() => document.activeElement?.tagName === 'TEXTAREA');
          await keys.press('Control+a');
          await keys.type(text.slice(1));
          return leave();
        }
        await tabTo(label, isField(label));
      }
      await keys.press('Control+a');
      await keys.press('Delete');
      const fixed = found.tag === 'TEXTAREA' && await page.evaluate(() => document.activeElement.closest('.expr.code') !== null);
      await keys.type(text.startsWith('=') && (fixed || found.tag !== 'TEXTAREA') ? text.slice(1) : text);
      await leave();
    },
    async name(label, text) {
      await tabTo(label, isField(`Add to ${label}`));
      await keys.type(text);
      await keys.press('Enter');
    },
    async give(label) {
      await tabTo(`${label}: given`, ({ name }) => name === `${label}: given`);
      await keys.press('Space');
    },
    async choose(label, words) {
      await tabTo(label, isField(label));
      await keys.type(words);
      await until(`${label} is ${words}`, () => page.evaluate(() => document.activeElement.selectedOptions?.[0]?.textContent.trim() ?? ''), (text) => text.startsWith(words));
      await keys.press('Tab');
    },
    async tab(name) {
      for (let presses = 0; presses < 160; presses += 1) {
        if (await page.evaluate(() => document.activeElement?.getAttribute('role') === 'tab')) break;
        await keys.press('Shift+Tab');
      }
      for (let presses = 0; presses < 4 && !(await page.evaluate((wanted) => document.activeElement?.textContent.trim() === wanted, name)); presses += 1) await keys.press('ArrowRight');
    },
    async goTo(node) {
      await keys.press('Control+k');
      await page.locator('dialog[open] .command').waitFor();
      await keys.type(`go to ${node}`);
      // Other nodes may have this word in them.
      const chosen = () => page.locator('dialog[open] [role=option][aria-selected=true] .grow').innerText();
      for (let presses = 0; presses < 10 && (await chosen()) !== node; presses += 1) await keys.press('ArrowDown');
      assert.equal(await chosen(), node);
      await keys.press('Enter');
      await page.waitForFunction((id) => document.querySelector('.insp-name')?.value === id, node);
      await hands.canvas();
    },
    /** Into the canvas, wherever the caret is. */
    async canvas() {
      for (let presses = 0; presses < 12 && !(await page.evaluate(() => document.activeElement?.tagName === 'F-FLOW')); presses += 1) await keys.press('F6');
      await onCanvas();
    },
    async add(words) {
      await hands.canvas();
      await keys.press('Tab');
      await picker(page).waitFor();
      await keys.type(words);
      await keys.press('Enter');
      await picker(page).waitFor({ state: 'hidden' });
    },
    async rename(name) {
      await hands.canvas();
      await keys.press('F2');
      await page.waitForFunction(() => document.activeElement?.classList.contains('insp-name'));
      await keys.type(name);
      await keys.press('Enter');
      await page.locator(`[data-node="${name}"]`).first().waitFor();
    },
    async workflow() {
      await command('triggers, inputs');
      await page.waitForFunction(() => document.activeElement?.id === 'workflow-name');
    },
    async remove() {
      await hands.canvas();
      await keys.press('Delete');
    },
    place: (name) => command(`show ${name.toLowerCase()}`),
    publish: () => command('publish'),
    run: () => command('run the published'),
  };
  return hands;
}
