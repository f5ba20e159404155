// A server of the built application with its Content-Security-Policy, and a Chromium to look at it with.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, request as callPlane } from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const dist = path.resolve(import.meta.dirname, '../dist');
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
// The flow library computes the ways of connections in a worker that it starts from a blob of its own text.
// Angular and the flow library put the styles of their components into the page; scripts come from files only.
const POLICY = "default-src 'none'; script-src 'self'; worker-src blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'self'";

/** Serves the built application; with the address of a control plane, its API too, as that plane itself would. */
export async function serve(plane) {
  const ahead = (request) => ({ host: '127.0.0.1', port: new URL(plane).port, path: request.url, method: request.method, headers: request.headers });
  const server = createServer((request, response) => {
    if (plane && /^\/(?:graphql|artefacts|hooks|session)/.test(request.url ?? '')) {
      const call = callPlane(ahead(request), (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      call.on('error', () => response.destroy());
      request.pipe(call);
      return;
    }
    const name = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    let file = path.join(dist, path.normalize(name));
    if (!file.startsWith(dist) || !statSync(file, { throwIfNoEntry: false })?.isFile()) file = path.join(dist, 'index.html');
    response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream', 'content-security-policy': POLICY });
    response.end(readFileSync(file));
  });
  server.on('upgrade', (request, socket, head) => {
    const call = callPlane(ahead(request));
    call.on('upgrade', (answer, other) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${answer.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('')}\r\n`);
      if (head.length > 0) other.write(head);
      other.pipe(socket).on('error', () => other.destroy());
      socket.pipe(other).on('error', () => socket.destroy());
    });
    call.on('error', () => socket.destroy());
    call.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { base: `http://127.0.0.1:${server.address().port}`, close: () => { server.close(); server.closeAllConnections(); } };
}

export async function browse(options = {}) {
  const profile = mkdtempSync(path.join(os.tmpdir(), 'ff-ui-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    viewport: { width: 1440, height: 900 },
    args: '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'.split(' '),
    ...options,
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = context.pages()[0] ?? (await context.newPage());
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  return {
    page,
    errors,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Violations of WCAG 2.0 to 2.2, A and AA, on the page as it is. */
export async function violations(page) {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const result = await window.axe.run(document, { preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return result.violations.map((found) => `${found.id}: ${found.nodes.length} × ${found.nodes[0].target.join(' ')} ${found.nodes[0].any.map((check) => check.message).join(' ')}`);
  });
}

export async function theme(page, name) {
  await page.evaluate((value) => localStorage.setItem('ff-theme', value), name);
}

/** Waits until the text of the workflow, as the browser keeps it, is as wanted. */
export async function kept(page, wanted) {
  const until = performance.now() + 20_000;
  for (;;) {
    const text = await page.evaluate(() => JSON.parse(localStorage.getItem('ff-draft') ?? '{"text":""}').text);
    if (wanted(text)) return;
    if (performance.now() > until) throw new Error(`the text is not ${wanted}:\n${text}`);
    await page.waitForTimeout(50);
  }
}

/** How many nodes the canvas shows: cards, and from far the tiles of which a path is made. */
export const shownNodes = () => document.querySelectorAll('f-flow .f-node, f-flow .f-group').length + [...document.querySelectorAll('.tiles path')].reduce((count, path) => count + (path.getAttribute('d').match(/z/g) ?? []).length, 0);

/** A card that stands well inside of the view and does not move: its id and where it is. */
export async function cardInView(page) {
  const find = () => page.evaluate(() => {
    const found = [...document.querySelectorAll('f-flow .card')].map((card) => ({ id: card.dataset.node, box: card.getBoundingClientRect() })).find(({ box }) => box.x > 200 && box.x < 800 && box.y > 150 && box.y < 550);
    return found ? { id: found.id, x: found.box.x, y: found.box.y } : null;
  });
  for (let before = await find(); ; ) {
    await page.waitForTimeout(300);
    const now = await find();
    if (now && before?.id === now.id && before.x === now.x && before.y === now.y) return now;
    before = now;
  }
}

/** A workflow of many nodes: chains of ten that meet, with loops and switches among them. */
export function large(count) {
  const lines = ['workflow: large', 'config: { api: https://api.example.com }', 'nodes:'];
  for (let index = 0; index < count; index += 1) {
    const before = index % 10 === 0 ? (index >= 100 ? `n${index - 100}` : null) : `n${index - 1}`;
    lines.push(`  n${index}:`);
    if (index % 25 === 7) lines.push('    switch:', `      high: ${before}.value > ${index}`, '      low: else');
    else if (index % 10 === 3) lines.push(`    set: { value: "\${${before}.value + 1}" }`);
    else lines.push('    call: flowforge:http/get', '    with:', `      url: \${config.api}/items/${index}`, ...(before ? [`      previous: "\${${before}}"`] : []), '    allow: ["${config.api}"]');
  }
  return `${lines.join('\n')}\n`;
}
