/**
 * What an edit may touch: a model of "its own lines" that knows nothing of how edits are made.
 *
 * The lines that `before` has and an edit does not own must stand in `after`, all of them and in their order. Gives the
 * first one that does not, or null. Blank lines carry nothing and are not looked at.
 */
export function missingLine(before: string, after: string, owns: (line: number, text: string) => boolean): string | null {
  const rest = after.split('\n');
  let at = 0;
  for (const [index, line] of before.split('\n').entries()) {
    if (line.trim() === '' || owns(index, line)) continue;
    while (at < rest.length && rest[at] !== line) at += 1;
    if (at >= rest.length) return line;
    at += 1;
  }
  return null;
}
