/** Random YAML texts as people write them: comments, blank lines, blocks beside braces, every style of scalar. */
import { quoted } from '../yaml/scalar';
import type { Random } from './random';

const KEYS = ['url', 'json', 'title', 'rows', 'a b', 'x-1', 'call', 'list', 'nodes', 'with', 'deep', 'true', '12', 'ä'];
const TEXTS = [
  'word', 'two words', '${fetch.body}', '${a ? "b: c" : d}', "it's", 'say "hi"', 'a#b', 'a: b', '- no', '', ' padded ',
  'true', 'null', '12', '4.0', 'C:\\dir', 'tab\there', 'first\nsecond\n', 'one\n\nthree', 'ends\n\n', 'ünïcode 🌍', '{x}', '*star',
];

/** A scalar as text. */
function scalar(random: Random, flow: boolean, indent: number): string {
  const kind = random.below(10);
  if (kind < 2) return random.pick(['1', '-3', '4.50', '1e3', '0x1F']);
  if (kind < 3) return random.pick(['true', 'false', 'null', '~']);
  if (kind < 5) return random.pick(['plain', 'plain words', 'a-b/c.d', '${fetch.body.x}'].filter((text) => !flow || !text.includes('{')));
  const text = random.pick(TEXTS);
  if (kind < 7) return JSON.stringify(text);
  if (kind < 8) return text.includes('\n') || text.includes('\t') ? JSON.stringify(text) : `'${text.replaceAll("'", "''")}'`;
  if (flow) return quoted(text);
  const pad = '\n' + ' '.repeat(indent + 2);
  return random.pick([`|${pad}line one${pad}  line two`, `>-${pad}folded${pad}text`, `|+${pad}kept\n`, `"long${pad}text"`, `plain${pad}continued`]);
}

function flow(random: Random, depth: number): string {
  if (depth <= 0 || random.percent(40)) return scalar(random, true, 0);
  const count = random.below(4);
  const gap = random.percent(15) ? '\n      ' : ' ';
  const note = gap !== ' ' && random.percent(40) ? ' # inside' : '';
  const comma = `,${note}${gap}`;
  const trail = count > 0 && random.percent(15) ? ',' : '';
  if (random.percent(50)) {
    const items = Array.from({ length: count }, () => flow(random, depth - 1));
    return `[${items.join(comma)}${trail}]`;
  }
  const keys = distinct(random, count);
  if (keys.length === 0) return random.pick(['{}', '{ }']);
  return `{ ${keys.map((key) => `${key}: ${flow(random, depth - 1)}`).join(comma)}${trail} }`;
}

function distinct(random: Random, count: number): string[] {
  const keys = new Set<string>();
  while (keys.size < count) keys.add(random.pick(KEYS));
  return [...keys];
}

function noise(random: Random, indent: number): string {
  if (random.percent(12)) return '\n';
  if (random.percent(14)) return `${' '.repeat(indent)}# a note\n`;
  return '';
}

function tail(random: Random): string {
  return random.percent(18) ? '   # behind' : '';
}

/** The lines of a mapping, each with its line break. */
function block(random: Random, indent: number, depth: number): string {
  let out = '';
  for (const key of distinct(random, 1 + random.below(4))) {
    out += noise(random, indent) + ' '.repeat(indent) + key + ':' + blockValue(random, indent, depth);
    if (random.percent(8)) out += `${' '.repeat(indent + 2)}# inside the entry\n`;
  }
  return out;
}

function blockValue(random: Random, indent: number, depth: number): string {
  const kind = random.below(10);
  if (depth > 0 && kind < 4) return `${tail(random)}\n${block(random, indent + random.pick([2, 2, 4]), depth - 1)}`;
  if (depth > 0 && kind < 6) {
    const at = indent + random.pick([0, 2]);
    let out = `${tail(random)}\n`;
    for (let count = 1 + random.below(3); count > 0; count -= 1) {
      out += noise(random, at) + ' '.repeat(at) + '-';
      if (random.percent(30)) out += ' ' + block(random, at + 2, 0).trimStart().replace(/^#.*\n\s*/, '');
      else out += ` ${inline(random, at)}`;
    }
    return out;
  }
  if (kind === 6) return `${tail(random)}\n`;
  return ` ${inline(random, indent)}`;
}

function inline(random: Random, indent: number): string {
  const text = random.percent(35) ? flow(random, 2) : scalar(random, false, indent);
  const open = /^[|>]/.test(text);
  return text + (open ? '' : tail(random)) + '\n';
}

/** A text of a mapping. */
export function yamlText(random: Random): string {
  let text = (random.percent(30) ? '# head\n' : '') + block(random, 0, 3);
  if (random.percent(10)) text = text.replace(/\n+$/, '');
  if (random.percent(10)) text = text.replaceAll('\n', '\r\n');
  if (random.percent(5)) text = `---\n${text}`;
  return text;
}
