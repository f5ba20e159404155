/**
 * Changes of a text as ranges.
 *
 * A patch names a range of the text before the change. The patches of one change do not overlap and are in order; the
 * inverse of a change gives the text before it byte for byte, whatever the text is.
 */
export interface Patch {
  /** First position that is replaced. */
  readonly from: number;
  /** First position after the replaced range. */
  readonly to: number;
  /** What stands there afterwards. */
  readonly insert: string;
}

/** Patches that are applied together, in order and without overlap. */
export type Change = readonly Patch[];

/** The patches in order. Throws if two of them overlap: that is a mistake of the caller, never of a user. */
export function ordered(patches: Iterable<Patch>): Patch[] {
  const sorted = [...patches].sort((a, b) => a.from - b.from || a.to - b.to);
  for (let index = 1; index < sorted.length; index += 1) {
    const before = sorted[index - 1];
    const patch = sorted[index];
    if (before && patch && patch.from < before.to) throw new RangeError('two patches of one change overlap');
  }
  return sorted;
}

/** The text after a change. */
export function applyChange(text: string, change: Change): string {
  let out = '';
  let at = 0;
  for (const patch of change) {
    out += text.slice(at, patch.from) + patch.insert;
    at = patch.to;
  }
  return out + text.slice(at);
}

/** The change that undoes a change of this text. */
export function invertChange(text: string, change: Change): Patch[] {
  const inverse: Patch[] = [];
  let shift = 0;
  for (const patch of change) {
    const from = patch.from + shift;
    inverse.push({ from, to: from + patch.insert.length, insert: text.slice(patch.from, patch.to) });
    shift += patch.insert.length - (patch.to - patch.from);
  }
  return inverse;
}

/** The smallest single patch that makes one text of another; none if they are equal. */
export function difference(before: string, after: string): Patch[] {
  if (before === after) return [];
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start += 1;
  let end = 0;
  while (
    end < shorter - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  ) {
    end += 1;
  }
  return [{ from: start, to: before.length - end, insert: after.slice(start, after.length - end) }];
}

/** Where a position of the text before the change is afterwards. */
export function movePosition(position: number, change: Change): number {
  let shift = 0;
  for (const patch of change) {
    if (patch.from > position) break;
    if (position < patch.to) return patch.from + shift;
    shift += patch.insert.length - (patch.to - patch.from);
  }
  return position + shift;
}
