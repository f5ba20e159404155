// Puts every icon of src/icons into the sprite of src/index.html, between its two marks.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const page = path.join(root, 'src/index.html');
const symbols = readdirSync(path.join(root, 'src/icons'))
  .filter((name) => name.endsWith('.svg'))
  .sort()
  .map((name) => {
    const text = readFileSync(path.join(root, 'src/icons', name), 'utf8');
    const box = /viewBox="([^"]+)"/.exec(text)?.[1] ?? '0 0 20 20';
    const body = text.replace(/^[\s\S]*?<svg[^>]*>/, '').replace(/<\/svg>\s*$/, '').replace(/\s*\n\s*/g, '');
    return `    <symbol id="i-${name.replace('.svg', '')}" viewBox="${box}">${body}</symbol>`;
  });
const html = readFileSync(page, 'utf8');
const next = html.replace(/(<!-- icons -->)[\s\S]*?( *<!-- end of icons -->)/, `$1\n${symbols.join('\n')}\n$2`);
writeFileSync(page, next);
console.log(`${symbols.length} icons`);
