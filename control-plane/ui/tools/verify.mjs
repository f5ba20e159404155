// Everything that is checked of the interface: lint, a client that fits the schema, types, unit tests, and the programs that
// drive it in Chromium: the editor alone (e2e/smoke.mjs) and all of it, served by a real `flowforge dev` (e2e/live.mjs and the
// journeys of people, e2e/journeys.mjs).
// The checks that follow from the sources alone are not repeated for sources that have passed on this machine.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder, digestOf, root } from './sources.mjs';

const passed = path.join(cacheFolder(), 'ui-passed', digestOf('check'));
const run = (program, words) => {
  const ended = spawnSync(program, words, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, NG_CLI_ANALYTICS: 'false', NO_COLOR: '1' } });
  if (ended.status !== 0) {
    console.error(`✗ ${program} ${words.join(' ')} failed in control-plane/ui`);
    process.exit(1);
  }
};
run('node', ['tools/build.mjs', '--install']);
if (existsSync(passed)) {
  console.log('interface: these sources have passed lint, types, unit tests and the smoke test before');
} else {
  run('npm', ['run', '--silent', 'check']);
  run('node', ['e2e/smoke.mjs']);
  mkdirSync(path.dirname(passed), { recursive: true });
  writeFileSync(passed, '');
}
run('node', ['e2e/live.mjs']);
run('node', ['e2e/journeys.mjs']);
