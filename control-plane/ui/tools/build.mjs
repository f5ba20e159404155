// Builds the interface for the control plane: installs what the lock file pins, builds, and puts the files, compressed,
// into control-plane/server/ui, where the server's build script embeds them. Needs only Node itself to begin with.
//
// Nothing is done twice. What was built is kept in the user's cache folder under the digest of everything that it was
// built from, so that a fresh clone with the same sources takes it from there.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { cacheFolder, digestOf, root } from './sources.mjs';

const target = path.resolve(root, '../server/ui');
const stamp = path.join(target, '.built-from');
const COMPRESSIBLE = /\.(?:html|js|css|svg|txt)$/;

const wanted = digestOf('build');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  const kept = path.join(cacheFolder(), 'ui', wanted);
  if (!existsSync(kept)) {
    install();
    run('npm', ['run', '--silent', 'build']);
    keep(kept);
  }
  place(kept);
  console.log('interface built');
} else {
  console.log('interface unchanged');
}
if (process.argv.includes('--install')) install();

function run(program, words) {
  const ended = spawnSync(program, words, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, NG_CLI_ANALYTICS: 'false', NO_COLOR: '1' } });
  if (ended.status !== 0) {
    console.error(`✗ ${program} ${words.join(' ')} failed in control-plane/ui`);
    process.exit(1);
  }
}

/** Installs exactly what the lock file says, unless that is there already. */
function install() {
  const mark = path.join(root, 'node_modules', '.installed-from');
  const lock = digestOf('lock');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return;
  run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']);
  writeFileSync(mark, lock);
}

/** Puts the built files into the cache in one step. */
function keep(folder) {
  const unfinished = `${folder}.${process.pid}`;
  for (const name of readdirSync(path.join(root, 'dist'), { recursive: true })) {
    const from = path.join(root, 'dist', name);
    if (!statSync(from).isFile() || name.endsWith('.json')) continue;
    const compressed = COMPRESSIBLE.test(name);
    const to = path.join(unfinished, compressed ? `${name}.gz` : name);
    mkdirSync(path.dirname(to), { recursive: true });
    const bytes = readFileSync(from);
    writeFileSync(to, compressed ? gzipSync(bytes, { level: 9 }) : bytes);
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
}

/** Replaces what is embedded. */
function place(kept) {
  for (const name of readdirSync(target)) if (name !== '.gitignore') rmSync(path.join(target, name), { recursive: true });
  cpSync(kept, target, { recursive: true });
  writeFileSync(stamp, wanted);
}
