/** The expressions in a part of the file, with the place of each character. */
import type { Path } from '../json';
import { parseExpression } from '../expression/parser';
import { references } from '../expression/references';
import { pieces, soleExpression } from '../expression/template';
import { positionsInText } from '../yaml/scalar';
import { toJson, type YamlNode, type YamlScalar } from '../yaml/tree';
import type { ExpressionPlace, NameUse } from './graph';
import { matches } from './kinds';

/** What the text at a path is. */
export interface Roles {
  readonly bare: readonly Path[];
  readonly literal: readonly Path[];
  /** Keys at the first level that are left out. */
  readonly without: readonly string[];
}

/** Every expression below a node. `base` is the path of the node in the file. */
export function expressionsIn(text: string, node: YamlNode, base: Path, roles: Roles): ExpressionPlace[] {
  const found: ExpressionPlace[] = [];
  visit(node, []);
  return found;

  function visit(value: YamlNode, path: Path): void {
    if (value.kind === 'map') {
      for (const entry of value.entries) {
        if (path.length > 0 || !roles.without.includes(entry.key)) visit(entry.value, [...path, entry.key]);
      }
    } else if (value.kind === 'list') {
      value.items.forEach((item, index) => {
        visit(item.value, [...path, index]);
      });
    } else if (!matches(path, roles.literal)) {
      scalar(value, path);
    }
  }

  function scalar(value: YamlScalar, path: Path): void {
    const whole = toJson(value);
    const bare = matches(path, roles.bare);
    if (typeof whole !== 'string' || (!bare && !whole.includes('${'))) return;
    const positions = positionsInText(text.slice(value.from, value.to), whole, value.style)?.map((at) => at + value.from) ?? null;
    const full = [...base, ...path];
    if (bare && soleExpression(whole) === null) {
      const skip = /^\s*=?\s*/.exec(whole)?.[0].length ?? 0;
      if (whole.trim() === 'else') return;
      found.push({ source: whole.slice(skip), path: full, positions: positions?.slice(skip) ?? null, from: value.from, to: value.to, open: false });
      return;
    }
    for (const piece of pieces(whole)) {
      found.push({
        source: piece.expression,
        path: full,
        positions: positions?.slice(piece.inner, piece.inner + piece.expression.length + 1) ?? null,
        from: value.from,
        to: value.to,
        open: !piece.closed,
      });
    }
  }
}

/** The names that expressions use. */
export function namesIn(expressions: readonly ExpressionPlace[]): NameUse[] {
  return expressions.flatMap((place) =>
    references(parseExpression(place.source).tree).map((use) => ({
      name: use.name,
      fields: use.fields,
      from: place.positions?.[use.from] ?? place.from,
      to: place.positions ? (place.positions[use.to - 1] ?? place.to - 1) + 1 : place.to,
      path: place.path,
    })),
  );
}
