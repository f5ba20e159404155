// A real `flowforge dev` in a folder of its own, with workflows published by its command line; or a server with hosts apart.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';

const programs = process.env.FLOWFORGE_PROGRAMS ?? path.resolve(import.meta.dirname, '../../../target/debug');
const program = path.join(programs, 'flowforge');
const built = process.env.FLOWFORGE_COMPONENTS ?? path.join(programs, 'components');
export const examples = path.resolve(import.meta.dirname, '../../../examples');

/** Reads the one JSON value that a program prints when it is ready. */
function readyOf(child, what) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      try {
        resolve(JSON.parse(text));
      } catch {
        // More of it comes.
      }
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${what} ended with ${code}`)));
  });
}

async function ended(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.on('exit', resolve));
  child.kill(signal);
  await gone;
}

/** What the command line does with a control plane that is ready. */
function clientOf(ready, env, home) {
  const call = (...words) => execFileSync(program, [...words, '--context', ready.client_file], { env, cwd: home, encoding: 'utf8' });
  let count = 0;
  return {
    base: ready.server.replace(/\/$/, ''),
    call,
    publish(source) {
      let folder = path.join(examples, source);
      if (source.includes('\n')) {
        folder = path.join(home, `workflow-${(count += 1)}`);
        mkdirSync(folder);
        writeFileSync(path.join(folder, 'workflow.yaml'), source);
      }
      call('workflow', 'publish', folder);
    },
    /** Puts a built connector into the registry. */
    connector: (name) => call('connector', 'publish', path.join(built, `${name}.wasm`)),
    /** A run as it is; the command ends with 1 for one that failed, and shows it all the same. */
    show: (run) => JSON.parse(spawnSync(program, ['run', 'show', run, '--output', 'json', '--context', ready.client_file], { env, cwd: home, encoding: 'utf8' }).stdout),
    /** Keeps a secret with a value that nobody knows. */
    secret(name, kind, destination) {
      execFileSync(program, ['secret', 'set', name, '--kind', kind, '--for', destination, '--context', ready.client_file], { env, cwd: home, input: randomUUID(), stdio: ['pipe', 'ignore', 'inherit'] });
    },
  };
}

function ownHome() {
  const home = mkdtempSync(path.join(os.tmpdir(), 'ff-plane-'));
  return { home, env: { ...process.env, HOME: home, XDG_CONFIG_HOME: path.join(home, 'config') } };
}

/**
 * Starts it; `publish` takes a folder with a workflow file, or the text of one. `connectors`: with those that were built,
 * which takes longer.
 */
export async function startPlane({ connectors = false } = {}) {
  const { home, env } = ownHome();
  const empty = path.join(home, 'no-connectors');
  mkdirSync(empty);
  const child = spawn(program, ['dev', '--data-dir', path.join(home, 'ff'), '--listen', '127.0.0.1:0', '--components', connectors ? built : empty, '--output', 'json'], { env, cwd: home, stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = await readyOf(child, 'flowforge dev');
  return {
    ...clientOf(ready, env, home),
    async close() {
      await ended(child, 'SIGINT');
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** A control plane that hosts of other machines find, without a host; each host is a process of its own that can be killed. */
export async function startFleet() {
  const { home, env } = ownHome();
  const port = await freePort();
  const child = spawn(program, ['server', '--data-dir', path.join(home, 'ff'), '--listen', '127.0.0.1:0', '--hosts-url', `https://127.0.0.1:${port}`, '--hosts-listen', `127.0.0.1:${port}`, '--output', 'json'], { env, cwd: home, stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = await readyOf(child, 'flowforge server');
  const hosts = new Map();
  return {
    ...clientOf(ready, env, home),
    home,
    /** Where the first person makes an account. */
    firstLink: ready.first_link,
    /** Starts a host in the folder of its name, with an invitation when it has none yet; it may reach this machine. `failpoints`: where it dies. */
    host(name, { invitation, failpoints } = {}) {
      const folder = path.join(home, name);
      const token = path.join(home, `${name}.token`);
      if (invitation !== undefined) writeFileSync(token, invitation, { mode: 0o600 });
      const words = ['--data-dir', folder, '--loopback-destinations', ...(invitation === undefined ? [] : ['--token-file', token])];
      hosts.set(name, spawn(path.join(programs, 'flowforge-host'), words, { env: { ...withoutProxy(env), ...(failpoints === undefined ? {} : { FLOWFORGE_FAILPOINTS: failpoints }) }, cwd: home, stdio: 'ignore' }));
    },
    kill: (name) => ended(hosts.get(name), 'SIGKILL'),
    lives: (name) => hosts.get(name).exitCode === null && hosts.get(name).signalCode === null,
    async close() {
      for (const host of hosts.values()) await ended(host, 'SIGTERM');
      await ended(child, 'SIGINT');
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function withoutProxy(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/proxy/i.test(name)));
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export const ASKS = `workflow: asks
title: Asks a person, and says what was answered
input:
  amount: { type: integer, default: 5, minimum: 1 }
nodes:
  twice:
    set: { amount: "\${input.amount * 2}" }
  confirm:
    approval: { title: "Send \${twice.amount}?", show: "\${twice}" }
  sent:
    after: confirm
    set: { amount: "\${twice.amount}" }
output: { sent: "\${sent.amount}" }
`;

export const DIGITS = `workflow: digits
title: Keeps every digit
input:
  id: { type: integer, default: 1 }
nodes:
  each:
    foreach: "[input.id, 18446744073709551615u, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]"
    as: number
    do:
      one: { set: { id: "\${number}", text: "the number \${number} of a list that is long enough to be looked through" } }
output: { all: "\${each}" }
`;

export const TRIGGERED = `workflow: triggered
title: Starts by itself
input:
  order: { type: string, optional: true }
secrets: [hook_key]
triggers:
  web: { webhook: { path: orders/new, hmac: hook_key } }
  nightly: { schedule: { cron: "30 2 * * *", time_zone: Europe/Berlin } }
nodes:
  seen: { set: { order: "\${input.order}" } }
`;

const SHELVES = `workflow: stock-check
title: Looks at every shelf, asks when one is empty, and waits for the delivery
input:
  shelves: { type: array, default: [{ id: 9007199254740993, left: 4, place: "Hall A, row 3" }, { id: 18446744073709551615, left: 0, place: "Hall B, row 1" }, { id: 7, left: 12, place: "Hall C, row 9" }] }
nodes:
  shelves:
    foreach: input.shelves
    as: shelf
    parallel: 2
    do:
      look: { set: { id: "\${shelf.id}", empty: "\${shelf.left == 0}", place: "\${shelf.place}" } }
  again:
    repeat: { until: round >= 3, max: 5 }
    do:
      tick: { set: { at: "\${round}" } }
  confirm:
    after: [again]
    approval: { title: "\${shelves.count(s, s.empty)} shelf is empty. Order more?", show: "\${shelves}", approvers: [duty], expires: 72h }
  delivered:
    after: confirm
    wait: { signal: delivered, timeout: 24h }
output: { shelves: "\${shelves}" }
`;

const ORDER = `workflow: order-check
title: Checks an order, and fails when it is too large for anybody to have meant it
input:
  amount: { type: integer, default: 5, minimum: 1, description: How many pieces were ordered. }
  rush: { type: boolean, optional: true }
nodes:
  checked: { set: { share: "\${100 / (input.amount - 5)}" } }
  told: { after: checked, set: { text: "\${checked.share} %" } }
output: { text: "\${told.text}" }
`;

export const SHORT = `workflow: shelf-report
title: Reports the shelves that are short, and asks before it orders
input:
  least: { type: number, default: 3, description: How many pieces a shelf needs. }
nodes:
  shelves:
    set: { list: [{ place: "Hall A, row 3", left: 4.5 }, { place: "Hall B, row 1", left: 1 }, { place: "Hall C, row 9", left: 2.5 }] }
  short:
    set: { chosen: "\${shelves.list.filter(s, s.left < input.least)}" }
  lines:
    foreach: short.chosen
    as: shelf
    do:
      line: { set: { text: "\${shelf.place}", left: "\${shelf.left}" } }
  report:
    call: flowforge:convert/to_csv
    with: { rows: "\${lines}", columns: [text, left], file_name: shelves.csv }
output: { count: "\${size(lines)}", report: "\${report}" }
`;

/** Saves the draft of a workflow, as another window would. */
async function draftOf(plane, workflow, source) {
  const query = 'mutation($input: SaveDraftInput!) { saveDraft(input: $input) { __typename } }';
  const response = await fetch(`${plane.base}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables: { input: { workflow, source, revision: 0 } } }) });
  const { data } = await response.json();
  if (data.saveDraft.__typename !== 'SaveDraftSuccess') throw new Error(`the draft of ${workflow} was not saved: ${data.saveDraft.__typename}`);
}

/** Workflows, runs, questions, secrets and triggers to be looked at, and the ids of those that pictures are of. */
export async function fill(plane) {
  const start = (name, ...more) => JSON.parse(plane.call('run', 'start', name, ...more, '--output', 'json')).id;
  const until = async (state, run) => {
    for (let tries = 0; tries < 400; tries += 1) {
      if (plane.show(run).state === state.toUpperCase()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`run ${run} is not ${state}`);
  };
  plane.publish('sales-report');
  for (const text of [SHELVES, ORDER, TRIGGERED, ASKS, SHORT, SHORT.replace('default: 3', 'default: 4')]) plane.publish(text);
  const third = SHORT.replace('default: 3', 'default: 4').replace('nodes:', 'config: { shop: "https://shop.example.com" }\nnodes:').replace('s.left < input.least', 's.left <= input.least').replace('output:', '  order:\n    call: flowforge:http/post\n    with: { url: "${config.shop}/orders", json: { lines: "${lines}" } }\n    allow: ["${config.shop}"]\noutput:');
  for (const name of ['shelf-lines', 'shelf-words']) plane.publish(SHORT.replace('shelf-report', name));
  await draftOf(plane, 'shelf-report', third);
  await draftOf(plane, 'two-saved', 'workflow: two-saved\ntitle: Prices of the day\nnodes:\n  base:\n    set: { price: 10 }\n  taxed:\n    set: { price: "${base.price * 1.19}" }\n');
  await until('done', start('shelf-report'));
  for (const name of ['shelf-lines', 'shelf-words']) await until('done', start(name));
  for (let count = 0; count < 4; count += 1) await until('done', start('sales-report'));
  const failed = start('order-check', '--input', '{"amount": 5}');
  await until('failed', failed);
  await until('done', start('order-check', '--input', '{"amount": 9}'));
  const answered = start('asks');
  await until('waiting', answered);
  plane.call('approval', 'approve', 'last', '--comment', 'looks right');
  await until('done', answered);
  const loop = start('stock-check');
  const waiting = start('stock-check');
  await until('waiting', loop);
  await until('waiting', waiting);
  plane.secret('chat_token', 'bearer', 'https://chat.example.com');
  plane.secret('shop_token', 'api-key', 'https://shop.example.com');
  const [answer] = plane.show(answered).approvals;
  return { failed, loop, waiting, question: 'last', answered: answer.id };
}
