// Drives the built editor: by mouse, once by keyboard alone, with 500 nodes; and axe-core on every view in both themes.
import assert from 'node:assert/strict';
import { browse, cardInView, kept, large, serve, shownNodes, theme, violations } from './harness.mjs';

const server = await serve();
const { page, errors, close } = await browse();
const editor = `${server.base}/editor`;
const textOf = () => page.evaluate(() => JSON.parse(localStorage.getItem('ff-draft') ?? '{"text":""}').text);
const card = (id) => page.locator(`[data-node="${id}"]`);
const step = async (name, run) => {
  const started = performance.now();
  await run();
  assert.deepEqual(errors.splice(0), [], `errors of the page during: ${name}`);
  console.log(`✓ ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
};
const fresh = async () => {
  await page.goto(`${server.base}/components`);
  await page.evaluate(() => localStorage.clear());
  await page.goto(editor);
};
const openText = async (text) => {
  await page.goto(`${server.base}/components`);
  await page.evaluate((value) => localStorage.setItem('ff-draft', JSON.stringify({ text: value, layout: { positions: {}, notes: [] }, at: 1 })), text);
  await page.goto(editor);
  await page.waitForSelector('f-flow .card');
};

try {
  await step('the example opens on the canvas and is right', async () => {
    await fresh();
    await page.getByRole('button', { name: 'Example' }).click();
    await card('notify').waitFor();
    assert.equal(await page.locator('f-flow .card').count(), 10);
    assert.match(await page.locator('.problems-button').innerText(), /No errors/);
  });

  await step('a form writes only its own line, the text view shows it, undo takes it back', async () => {
    await kept(page, (text) => text.length > 0);
    const before = await textOf();
    await card('confirm').click();
    const expires = page.getByLabel('stands for');
    await expires.fill('24h');
    await expires.press('Enter');
    await kept(page, (text) => text.includes("expires: 24h                       # then the run ends as expired"));
    await page.getByRole('button', { name: 'Both', exact: true }).click();
    await page.locator('.cm-line', { hasText: 'expires: 24h' }).waitFor();
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+z');
    await kept(page, (text) => text === before);
  });

  await step('what is typed in the text shows on the canvas, a mistake at the same place in both', async () => {
    await page.locator('.cm-line', { hasText: 'quiet: else' }).click();
    await page.keyboard.press('End');
    await page.keyboard.type('\nx');
    await page.locator('.problems-button', { hasText: /1\s*error/ }).waitFor();
    await page.locator('.node.wrong', { hasText: 'gate' }).waitFor();
    await page.locator('.cm-lintRange-error').waitFor();
    await page.keyboard.press('Control+z');
    await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
    await page.getByRole('button', { name: 'Canvas', exact: true }).click();
  });

  await step('a node is dragged; undo puts it back', async () => {
    const at = async () => page.evaluate(() => JSON.parse(localStorage.getItem('ff-draft')).layout.positions.fetch);
    const before = await at();
    const box = await card('fetch').boundingBox();
    await page.mouse.move(box.x + 60, box.y + 12);
    await page.mouse.down();
    await page.mouse.move(box.x + 100, box.y + 80, { steps: 6 });
    await page.mouse.up();
    await page.waitForFunction((y) => JSON.parse(localStorage.getItem('ff-draft')).layout.positions.fetch.y !== y, before.y);
    await page.keyboard.press('Control+z');
    await page.waitForFunction((y) => JSON.parse(localStorage.getItem('ff-draft')).layout.positions.fetch.y === y, before.y);
    assert.deepEqual(await at(), before);
  });

  await step('a drag from a port adds a node after it', async () => {
    const port = await card('notify').locator('.port.out-port').boundingBox();
    await page.mouse.move(port.x + 4, port.y + 4);
    await page.mouse.down();
    await page.mouse.move(port.x + 20, port.y + 140, { steps: 8 });
    await page.mouse.up();
    await page.getByRole('dialog', { name: 'Add a node' }).waitFor();
    await page.keyboard.type('sleep');
    await page.keyboard.press('Enter');
    await kept(page, (text) => text.includes('  pause:\n    after: notify\n    wait:\n      for: 5m\n'));
  });

  await step('a paste is one step', async () => {
    const before = await textOf();
    await page.locator('f-flow').focus();
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.setData('text/plain', 'one:\n  set: { a: 1 }   # kept\ntwo:\n  set: { b: "${one.a}" }\n');
      document.querySelector('f-flow').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await kept(page, (text) => text.includes('  one:\n    set: { a: 1 }   # kept\n  two:'));
    await page.keyboard.press('Control+z');
    await kept(page, (text) => text === before);
  });

  await step('by keyboard alone: build, connect, rename, write an expression, undo', async () => {
    await fresh();
    const { keyboard } = page;
    // From the top of the page to the blank workflow.
    await page.getByRole('button', { name: 'Blank' }).waitFor();
    for (let presses = 0; presses < 20; presses += 1) {
      await keyboard.press('Tab');
      if (await page.evaluate(() => document.activeElement?.matches('.start-card') === true && document.activeElement.textContent.includes('Blank'))) break;
    }
    await keyboard.press('Enter');
    await page.locator('f-flow').waitFor();
    await keyboard.press('F6');
    for (let presses = 0; presses < 4 && !(await page.evaluate(() => document.activeElement?.tagName === 'F-FLOW')); presses += 1) await keyboard.press('F6');
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'F-FLOW');
    const add = async (words) => {
      await keyboard.press('Tab');
      await page.getByRole('dialog', { name: 'Add a node' }).waitFor();
      await keyboard.type(words);
      await keyboard.press('Enter');
      await page.getByRole('dialog', { name: 'Add a node' }).waitFor({ state: 'hidden' });
      await page.waitForFunction(() => document.activeElement?.tagName === 'F-FLOW');
    };
    await add('http request');
    await kept(page, (text) => text.includes('  get:\n    call: flowforge:http/get'));
    await add('edit fields');
    await kept(page, (text) => text.includes('  values:\n    after: get\n'));
    await add('if');
    await kept(page, (text) => text.includes('  gate:\n    after: values\n    switch:'));
    // A new name, in the form.
    await keyboard.press('F2');
    await page.waitForFunction(() => document.activeElement?.classList.contains('insp-name'));
    await keyboard.type('decide');
    await keyboard.press('Enter');
    await kept(page, (text) => text.includes('  decide:\n    after: values'));
    await page.waitForFunction(() => document.activeElement?.tagName === 'F-FLOW');
    // Back along the connections, and into the form: an expression with completion.
    await keyboard.press('ArrowLeft');
    await keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.closest('.insp .fields') !== null);
    for (let presses = 0; presses < 6 && !(await page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA')); presses += 1) await keyboard.press('Tab');
    await keyboard.type('=');
    await keyboard.type('ge');
    await page.getByRole('option', { name: /^get/ }).waitFor();
    await keyboard.press('Enter');
    await keyboard.type('.body');
    await kept(page, (text) => text.includes("value: ${get.body}\n"));
    await keyboard.press('Escape');
    await page.waitForFunction(() => document.activeElement?.tagName === 'F-FLOW');
    await keyboard.press('d');
    await kept(page, (text) => text.includes("disabled: true"));
    await keyboard.press('Control+z');
    await kept(page, (text) => !text.includes("disabled: true"));
    // Connect: from here to the first node would be a circle, and says so.
    await keyboard.press('c');
    await keyboard.press('ArrowLeft');
    await keyboard.press('Enter');
    await page.getByText('that would be a circle').waitFor();
    // The list says the same in the same order.
    await keyboard.press('l');
    await page.getByRole('list', { name: 'Nodes in the order of the file' }).waitFor();
    assert.deepEqual(await page.locator('[data-outline]').evaluateAll((rows) => rows.map((row) => row.dataset.outline)), ['get', 'values', 'decide']);
  });

  await step('loops of rounds, signals, answers, other workflows and what takes an effect back have forms', async () => {
    await openText('workflow: kinds\nnodes:\n  paid:\n    wait: { signal: payment, timeout: 24h }\n  poll:\n    repeat: { until: check.ready, max: 5 }\n    do:\n      check: { set: { ready: "${round > 2}" } }\n  reserve:\n    call: shop:stock/reserve\n    retry: never\n    on_error: branch\n  child:\n    workflow: invoice-run\n  answer:\n    after: reserve.failed\n    respond: { status: 202 }\n');
    await page.locator('.problems-button', { hasText: 'No errors' }).waitFor();
    await card('paid').click();
    await page.getByLabel('waits', { exact: true }).selectOption('for a length of time');
    await kept(page, (text) => text.includes('    wait:\n      for: 5m\n'));
    await page.keyboard.press('Control+z');
    await kept(page, (text) => text.includes('    wait: { signal: payment, timeout: 24h }\n'));
    await card('reserve').click();
    await page.getByRole('tab', { name: 'Behaviour' }).click();
    await page.getByLabel('taken back', { exact: true }).selectOption('by a call');
    await page.getByLabel('operation', { exact: true }).fill('shop:stock/release');
    await page.getByLabel('operation', { exact: true }).press('Enter');
    await kept(page, (text) => text.includes('call: shop:stock/release'));
    await page.locator('#field-reserve-retry').selectOption({ label: 'as written here' });
    await page.locator('#field-reserve-retry-attempts').fill('4');
    await page.locator('#field-reserve-retry-attempts').press('Enter');
    await kept(page, (text) => /retry:\s*\{?\s*attempts: 4/.test(text));
    await page.locator('[data-node="reserve"] .out', { hasText: 'failed' }).waitFor();
    assert.deepEqual(await violations(page), [], 'the form of behaviour');
    await page.getByRole('tab', { name: 'Inputs' }).click();
    for (const [id, label] of [['poll', 'most rounds'], ['child', 'does not wait'], ['answer', 'status']]) {
      await page.locator('f-flow').focus();
      await page.locator(`[data-node="${id}"]`).first().click({ position: { x: 40, y: 14 } });
      await page.locator('.insp .lab', { hasText: label }).waitFor();
    }
  });

  await step('500 nodes: all are drawn as tiles, near only those in view; a drag moves one with its connections, and the text stays', async () => {
    const text = large(500);
    const started = performance.now();
    await openText(text);
    await page.evaluate(`window.shownNodes = ${shownNodes}`);
    await page.waitForFunction(() => window.shownNodes() >= 501);
    const opened = performance.now() - started;
    assert.ok((await page.locator('.wire').first().getAttribute('d')).length > 5000, 'the connections are drawn with them');
    const far = await page.evaluate(() => document.querySelectorAll('main *').length);
    assert.ok(far < 1000, `${far} elements from far`);
    // From far a tile under the pointer is a card that can be chosen, and an area finds all in it.
    await page.mouse.move(660, 300);
    await page.locator('f-flow .card[data-node]').first().waitFor();
    await page.mouse.move(300, 200);
    await page.mouse.down();
    await page.mouse.move(1000, 500, { steps: 5 });
    await page.mouse.up();
    await page.waitForFunction(() => document.querySelectorAll('f-flow .node.sel').length > 20);
    await page.keyboard.press('Escape');
    await page.keyboard.press('0');
    await page.locator('.node .name').first().waitFor();
    const near = await page.evaluate(() => document.querySelectorAll('main *').length);
    assert.ok(near < 6000, `${near} elements at their own size`);
    const { id, x, y } = await cardInView(page);
    await page.mouse.move(x + 60, y + 12);
    await page.mouse.down();
    await page.mouse.move(x + 80, y + 20);
    const before = await page.locator('.wire.sel').first().getAttribute('d');
    await page.mouse.move(x + 140, y + 60, { steps: 4 });
    assert.notEqual(await page.locator('.wire.sel').first().getAttribute('d'), before, 'the connection follows before the button is let go');
    await page.mouse.up();
    await page.waitForFunction((node) => JSON.parse(localStorage.getItem('ff-draft')).layout.positions[node] !== undefined, id);
    const frames = page.evaluate(() => new Promise((resolve) => {
      const times = [];
      const tick = (time) => { times.push(time); if (times.length < 60) requestAnimationFrame(tick); else resolve(59000 / (times.at(-1) - times[0])); };
      requestAnimationFrame(tick);
    }));
    for (let index = 0; index < 30; index += 1) await page.mouse.wheel(12, 6);
    console.log(`  opened in ${(opened / 1000).toFixed(1)} s, ${far} and ${near} elements, ${(await frames).toFixed(0)} frames/s while panning (printed, not judged)`);
    assert.equal(await textOf(), text);
  });

  await step('a connection is chosen with the pointer and taken away with a key', async () => {
    await openText('workflow: two\nnodes:\n  one:\n    set: { a: 1 }\n  two:\n    after: one\n    set: { b: 2 }\n');
    const [from, to] = [await card('one').boundingBox(), await card('two').boundingBox()];
    await page.mouse.click((from.x + from.width + to.x) / 2, from.y + 20);
    await page.locator('.wire.sel[data-edge]').waitFor({ state: 'attached' });
    await page.keyboard.press('Delete');
    await kept(page, (text) => !text.includes('after: one'));
  });

  await step('axe-core: gallery and editor, both themes', async () => {
    for (const name of ['light', 'dark']) {
      await page.goto(`${server.base}/components`);
      await theme(page, name);
      await page.reload();
      await page.waitForSelector('.gallery .timeline');
      assert.deepEqual(await violations(page), [], `gallery, ${name}`);
      await fresh();
      await theme(page, name);
      await page.reload();
      assert.deepEqual(await violations(page), [], `start, ${name}`);
      await page.getByRole('button', { name: 'Example' }).click();
      await card('label').click();
      await page.locator('.insp .fields').first().waitFor();
      assert.deepEqual(await violations(page), [], `canvas, ${name}`);
      await page.getByRole('button', { name: 'Both', exact: true }).click();
      await page.locator('.cm-content').waitFor();
      assert.deepEqual(await violations(page), [], `canvas and text, ${name}`);
      await page.getByRole('button', { name: 'List', exact: true }).click();
      assert.deepEqual(await violations(page), [], `list, ${name}`);
      await page.keyboard.press('Control+k');
      assert.deepEqual(await violations(page), [], `palette, ${name}`);
      await page.keyboard.press('Escape');
    }
  });
} finally {
  await page.screenshot({ path: new URL('../shots/last.png', import.meta.url).pathname }).catch(() => undefined);
  await close();
  server.close();
}
console.log('✓ smoke');
