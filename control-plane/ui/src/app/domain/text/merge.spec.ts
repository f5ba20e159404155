import { describe, expect, it } from 'vitest';

import { Random } from '../testing/random';
import { commonLines, linesOf } from './line-diff';
import { clashes, mergedText, mergeTexts } from './merge';

const BASE = 'workflow: a\nnodes:\n  one:\n    set: { a: 1 }\n  two:\n    set: { b: 2 }\n';

/** A text with a few of its lines changed, taken out, or with others put in. */
function changed(text: string, next: () => number): string {
  const lines = linesOf(text);
  for (let times = 0; times < 4; times += 1) {
    const at = Math.floor(next() * (lines.length + 1));
    const word = `line ${String(Math.floor(next() * 5))}\n`;
    if (next() < 0.4) lines.splice(at, 0, word);
    else if (next() < 0.5) lines.splice(at, 1);
    else if (at < lines.length) lines[at] = word;
  }
  return lines.join('');
}

describe('merging two texts', () => {
  it('takes what only one side changed, on both sides', () => {
    const pieces = mergeTexts(BASE, BASE.replace('a: 1', 'a: 10'), BASE.replace('b: 2', 'b: 20'));
    expect(clashes(pieces)).toBe(0);
    expect(mergedText(pieces, [])).toBe(BASE.replace('a: 1', 'a: 10').replace('b: 2', 'b: 20'));
  });

  it('leaves what both changed to a person', () => {
    const pieces = mergeTexts(BASE, BASE.replace('a: 1', 'a: 10'), BASE.replace('a: 1', 'a: 11').replace('b: 2', 'b: 20'));
    expect(clashes(pieces)).toBe(1);
    expect(pieces.find((piece) => piece.kind === 'clash')).toMatchObject({ mine: '    set: { a: 10 }\n', theirs: '    set: { a: 11 }\n', line: 4 });
    expect(mergedText(pieces, [])).toBeNull();
    expect(mergedText(pieces, ['mine'])).toBe(BASE.replace('a: 1', 'a: 10').replace('b: 2', 'b: 20'));
    expect(mergedText(pieces, ['theirs'])).toBe(BASE.replace('a: 1', 'a: 11').replace('b: 2', 'b: 20'));
  });

  it('without a common beginning asks about all that differs', () => {
    const pieces = mergeTexts(null, 'a\nb\nc\n', 'a\nB\nc\nd\n');
    expect(clashes(pieces)).toBe(2);
    expect(mergedText(pieces, ['theirs', 'theirs'])).toBe('a\nB\nc\nd\n');
  });

  it('keeps every byte: 500 seeded pairs, with one side unchanged and with both', () => {
    const random = new Random(11);
    const next = (): number => random.next();
    let base = BASE;
    for (let round = 0; round < 500; round += 1) {
      const [mine, theirs] = [changed(base, next), changed(base, next)];
      expect(mergedText(mergeTexts(base, base, theirs), [])).toBe(theirs);
      expect(mergedText(mergeTexts(base, mine, base), [])).toBe(mine);
      expect(mergedText(mergeTexts(base, mine, mine), [])).toBe(mine);
      const besides = mergeTexts(null, mine, theirs);
      expect(mergedText(besides, Array.from({ length: clashes(besides) }, () => 'mine' as const))).toBe(mine);
      expect(mergedText(besides, Array.from({ length: clashes(besides) }, () => 'theirs' as const))).toBe(theirs);
      base = round % 7 === 0 ? BASE : mine;
    }
  }, 120_000);

  it('finds a shortest way between two lists of lines', () => {
    const common = commonLines(linesOf('a\nb\nc\na\nb\nb\na\n'), linesOf('c\nb\na\nb\na\nc\n'));
    expect(common.reduce((sum, { count }) => sum + count, 0)).toBe(4);
  });
});
