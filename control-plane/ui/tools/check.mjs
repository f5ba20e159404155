// `npm run check`: lint, types, unit tests and the build with its budget, side by side where that is faster. Prints the
// seconds of each stage and the whole output of one that fails.
import { spawn } from 'node:child_process';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const stages = [
  // The build checks the types of the application and its templates; the tests have a project of their own.
  [['build', 'build'], ['lint', 'lint']],
  [['unit', 'unit'], ['types', 'typecheck']],
];

function run(name, script) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', script], { cwd: root, env: { ...process.env, NO_COLOR: '1', NG_CLI_ANALYTICS: 'false' } });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      console.log(`${code === 0 ? '✓' : '✗'} ${name} ${seconds} s`);
      if (code !== 0) console.log(output);
      else console.log(output.split('\n').filter((line) => /first load|Tests /.test(line)).join('\n').trim());
      resolve(code === 0);
    });
  });
}

// Two chains beside each other, for two processors.
const results = await Promise.all(
  stages.map(async (chain) => {
    let good = true;
    for (const [name, script] of chain) good = (await run(name, script)) && good;
    return good;
  }),
);
process.exitCode = results.every(Boolean) ? 0 : 1;
