// What the interface is made from, as a digest, and where results are kept.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..');

const BUILT_FROM = ['src', 'public', 'tools', 'angular.json', 'package.json', 'package-lock.json', '.npmrc', 'tsconfig.json', 'tsconfig.app.json', '../../examples'];
/** What counts for which result. Tests are not part of what is built. */
const PARTS = {
  lock: ['package-lock.json', '.npmrc'],
  build: BUILT_FROM,
  check: [...BUILT_FROM, 'e2e', 'eslint.config.mjs', 'tsconfig.spec.json', 'vitest.config.ts', '../server/schema.graphql'],
};

/** The digest of the files of a part, and of the Node that makes something of them. */
export function digestOf(part) {
  const hash = createHash('sha256').update(process.version);
  const add = (name) => {
    const file = path.join(root, name);
    if (statSync(file).isDirectory()) {
      for (const entry of readdirSync(file).sort()) if (!entry.startsWith('.')) add(path.posix.join(name, entry));
    } else if (part !== 'build' || !/\.spec\.ts$/.test(name)) {
      const bytes = readFileSync(file);
      hash.update(`${name}\0${bytes.length}\0`).update(bytes);
    }
  };
  for (const name of PARTS[part]) add(name);
  return hash.digest('hex');
}

/** The user's cache folder of this project. */
export function cacheFolder() {
  const base = process.env.XDG_CACHE_HOME;
  return path.join(base && path.isAbsolute(base) ? base : path.join(os.homedir(), '.cache'), 'flowforge');
}
