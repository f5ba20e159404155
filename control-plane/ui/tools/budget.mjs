// What a browser loads before the first view, compressed: scripts and styles of index.html, the chunks they import, the
// chunk of the first route, and the fonts. Above the budget the build fails.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

const LIMIT = 450 * 1024;
const dist = path.resolve(import.meta.dirname, '../dist');
const text = (name) => readFileSync(path.join(dist, name), 'utf8');
const html = text('index.html');
const seen = new Set();

function load(name) {
  if (seen.has(name)) return;
  seen.add(name);
  if (!name.endsWith('.js')) return;
  // Static imports only: `import(…)` is loaded later.
  for (const [, file] of text(name).matchAll(/(?:from|import)\s*"\.\/([\w-]+\.js)"/g)) load(file);
}

for (const [, name] of html.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)) load(name);
// The first route is the home page: its chunk is named by the dynamic import that leads to it.
const main = [...seen].find((name) => name.startsWith('main'));
const first = /import\("\.\/([\w-]+\.js)"\)\)?\.HomePage/.exec(text(main))?.[1];
if (!first) throw new Error('the chunk of the home page was not found in the main script');
load(first);

const sizes = [...seen].map((name) => ({ name, bytes: gzipSync(readFileSync(path.join(dist, name)), { level: 9 }).length }));
sizes.push({ name: 'index.html', bytes: gzipSync(html, { level: 9 }).length });
for (const name of readdirSync(path.join(dist, 'media'))) {
  // Fonts are compressed already; the extended Latin subset is loaded only by pages that have such letters.
  if (name.endsWith('.woff2') && !name.includes('ext')) sizes.push({ name: `media/${name}`, bytes: statSync(path.join(dist, 'media', name)).size });
}
sizes.sort((a, b) => b.bytes - a.bytes);
const total = sizes.reduce((sum, file) => sum + file.bytes, 0);
if (process.argv.includes('--list')) for (const file of sizes) console.log(`${String(file.bytes).padStart(8)}  ${file.name}`);
console.log(`first load: ${(total / 1024).toFixed(0)} KB of ${(LIMIT / 1024).toFixed(0)} KB compressed, ${sizes.length} files`);
if (total > LIMIT) process.exitCode = 1;
if (/<script(?![^>]*\bsrc=)[^>]*>/.test(html) || /\son\w+="/.test(html)) {
  console.error('index.html has a script in it: the Content-Security-Policy allows none');
  process.exitCode = 1;
}
