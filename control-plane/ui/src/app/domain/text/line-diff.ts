/**
 * What two texts have in common, line by line.
 *
 * Lines keep their line breaks, so that joining them gives the text byte for byte. The search (Myers) is bounded: texts that
 * differ in more lines than that are one stretch of difference between what they begin and end with alike.
 */

/** A stretch of lines that both texts have: `count` lines from `before` in the one and from `after` in the other. */
export interface Common {
  readonly before: number;
  readonly after: number;
  readonly count: number;
}

/** Lines that differ at most before the search gives up. */
const DIFFERENCES_MAX = 1500;

/** The lines of a text, each with its line break. */
export function linesOf(text: string): string[] {
  const lines = text.split(/(?<=\n)/);
  return lines.length === 1 && lines[0] === '' ? [] : lines;
}

/** The stretches that two lists of lines have in common, in order. */
export function commonLines(before: readonly string[], after: readonly string[]): Common[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  const middle = search(before.slice(start, before.length - end), after.slice(start, after.length - end));
  const all = [
    { before: 0, after: 0, count: start },
    ...middle.map((common) => ({ before: common.before + start, after: common.after + start, count: common.count })),
    { before: before.length - end, after: after.length - end, count: end },
  ];
  return all.filter((common) => common.count > 0);
}

/** The shortest way from one list to the other, after Myers; nothing in common where it would be too long. */
function search(a: readonly string[], b: readonly string[]): Common[] {
  if (a.length === 0 || b.length === 0) return [];
  const most = Math.min(a.length + b.length, DIFFERENCES_MAX);
  const ends = new Map<number, number>([[1, 0]]);
  const trail: Map<number, number>[] = [];
  for (let steps = 0; steps <= most; steps += 1) {
    trail.push(new Map(ends));
    for (let k = -steps; k <= steps; k += 2) {
      const down = k === -steps || (k !== steps && (ends.get(k - 1) ?? 0) < (ends.get(k + 1) ?? 0));
      let x = down ? (ends.get(k + 1) ?? 0) : (ends.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      ends.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(trail, a.length, b.length);
    }
  }
  return [];
}

function walkBack(trail: readonly Map<number, number>[], toX: number, toY: number): Common[] {
  const found: Common[] = [];
  let [x, y] = [toX, toY];
  for (let steps = trail.length - 1; steps >= 0; steps -= 1) {
    const ends = trail[steps] ?? new Map<number, number>();
    const k = x - y;
    const down = k === -steps || (k !== steps && (ends.get(k - 1) ?? 0) < (ends.get(k + 1) ?? 0));
    const fromX = ends.get(down ? k + 1 : k - 1) ?? 0;
    const fromY = fromX - (down ? k + 1 : k - 1);
    const startX = steps === 0 ? 0 : down ? fromX : fromX + 1;
    const count = x - startX;
    if (count > 0) found.unshift({ before: x - count, after: y - count, count });
    [x, y] = [fromX, fromY];
  }
  return found;
}
