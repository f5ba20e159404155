/**
 * Two versions of a text that began as the same one, put together.
 *
 * What only one of them changed is taken; what both changed otherwise is a clash, which a person decides. Invariant: with
 * one side unchanged the result is the other side, byte for byte.
 */
import { type Common, commonLines, linesOf } from './line-diff';

/** A stretch of the result: settled, or to be decided. */
export type Piece =
  | { readonly kind: 'settled'; readonly text: string; readonly from: 'both' | 'mine' | 'theirs' }
  | { readonly kind: 'clash'; readonly mine: string; readonly theirs: string; readonly line: number };

/** Which side of a clash is taken. */
export type Side = 'mine' | 'theirs';

/** The pieces of the result. Without a text that both began from, all that differs is a clash. */
export function mergeTexts(base: string | null, mine: string, theirs: string): Piece[] {
  return base === null ? besides(linesOf(mine), linesOf(theirs)) : threeWay(linesOf(base), linesOf(mine), linesOf(theirs));
}

/** How many clashes there are. */
export function clashes(pieces: readonly Piece[]): number {
  return pieces.filter((piece) => piece.kind === 'clash').length;
}

/** The text that the pieces make, with the side that was chosen for each clash in order; null while one is not decided. */
export function mergedText(pieces: readonly Piece[], sides: readonly (Side | undefined)[]): string | null {
  let text = '';
  let clash = 0;
  for (const piece of pieces) {
    if (piece.kind === 'settled') {
      text += piece.text;
      continue;
    }
    const side = sides[clash];
    if (side === undefined) return null;
    text += piece[side];
    clash += 1;
  }
  return text;
}

function besides(mine: readonly string[], theirs: readonly string[]): Piece[] {
  const pieces: Piece[] = [];
  let [m, t] = [0, 0];
  for (const common of [...commonLines(mine, theirs), { before: mine.length, after: theirs.length, count: 0 }]) {
    const [own, other] = [mine.slice(m, common.before).join(''), theirs.slice(t, common.after).join('')];
    if (own !== other) pieces.push({ kind: 'clash', mine: own, theirs: other, line: m + 1 });
    [m, t] = [common.before + common.count, common.after + common.count];
    if (common.count > 0) pieces.push({ kind: 'settled', text: mine.slice(common.before, m).join(''), from: 'both' });
  }
  return pieces;
}

/** Where a line of the first text is in another one; absent where it was changed. */
function positions(common: readonly Common[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const { before, after, count } of common) for (let index = 0; index < count; index += 1) found.set(before + index, after + index);
  return found;
}

function threeWay(base: readonly string[], mine: readonly string[], theirs: readonly string[]): Piece[] {
  const [inMine, inTheirs] = [positions(commonLines(base, mine)), positions(commonLines(base, theirs))];
  const pieces: Piece[] = [];
  let [b, m, t] = [0, 0, 0];
  for (;;) {
    // The next line that all three have: what stands before it in each is one stretch.
    let next = b;
    while (next < base.length && !((inMine.get(next) ?? -1) >= m && (inTheirs.get(next) ?? -1) >= t)) next += 1;
    const toMine = inMine.get(next) ?? mine.length;
    const toTheirs = inTheirs.get(next) ?? theirs.length;
    stretch(pieces, base.slice(b, next).join(''), mine.slice(m, toMine).join(''), theirs.slice(t, toTheirs).join(''), m + 1);
    if (next >= base.length) return pieces;
    [b, m, t] = [next + 1, toMine + 1, toTheirs + 1];
    settle(pieces, base[next] ?? '', 'both');
  }
}

function stretch(pieces: Piece[], base: string, mine: string, theirs: string, line: number): void {
  if (mine === theirs) settle(pieces, mine, 'both');
  else if (mine === base) settle(pieces, theirs, 'theirs');
  else if (theirs === base) settle(pieces, mine, 'mine');
  else pieces.push({ kind: 'clash', mine, theirs, line });
}

function settle(pieces: Piece[], text: string, from: 'both' | 'mine' | 'theirs'): void {
  const last = pieces.at(-1);
  if (last?.kind === 'settled' && last.from === from) pieces[pieces.length - 1] = { ...last, text: last.text + text };
  else if (text !== '' || from !== 'both') pieces.push({ kind: 'settled', text, from });
}
