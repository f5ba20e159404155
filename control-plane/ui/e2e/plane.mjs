// A real `flowforge dev` in a folder of its own, with workflows published by its command line.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const programs = process.env.FLOWFORGE_PROGRAMS ?? path.resolve(import.meta.dirname, '../../../target/debug');
const program = path.join(programs, 'flowforge');
export const examples = path.resolve(import.meta.dirname, '../../../examples');

/** Starts it; `publish` takes a folder with a workflow file, or the text of one. */
export async function startPlane() {
  const home = mkdtempSync(path.join(os.tmpdir(), 'ff-plane-'));
  const empty = path.join(home, 'no-connectors');
  mkdirSync(empty);
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: path.join(home, 'config') };
  const child = spawn(program, ['dev', '--data-dir', path.join(home, 'ff'), '--listen', '127.0.0.1:0', '--components', empty, '--output', 'json'], { env, cwd: home, stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = await new Promise((resolve, reject) => {
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
    child.on('exit', (code) => reject(new Error(`flowforge dev ended with ${code}`)));
  });
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
    async close() {
      const ended = new Promise((resolve) => child.on('exit', resolve));
      child.kill('SIGINT');
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
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
