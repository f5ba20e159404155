/** Which names an expression uses, and where; the names it binds itself are not among them. */
import { binds, type Expression } from './parser';

/** One use of a name. */
export interface Reference {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** The fields that follow the name: `body`, `features` in `fetch.body.features`. */
  readonly fields: readonly string[];
}

const NAMESPACES = new Set(['math', 'lists', 'strings', 'optional']);
const TYPES = new Set(['int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'null_type', 'type', 'dyn']);

/** Every use of a name, in the order of the text. */
export function references(tree: Expression): Reference[] {
  const found: Reference[] = [];
  walk(tree, [], [], found);
  return found.sort((a, b) => a.from - b.from);
}

function walk(node: Expression, bound: readonly string[], fields: readonly string[], found: Reference[]): void {
  switch (node.kind) {
    case 'name':
      if (!bound.includes(node.name) && !TYPES.has(node.name)) found.push({ name: node.name, from: node.from, to: node.to, fields });
      return;
    case 'select':
      walk(node.target, bound, node.field === '' ? [] : [node.field, ...fields], found);
      return;
    case 'index':
      walk(node.target, bound, [], found);
      walk(node.index, bound, [], found);
      return;
    case 'call': {
      const { target, args, name } = node;
      if (target && !(target.kind === 'name' && NAMESPACES.has(target.name) && !bound.includes(target.name))) walk(target, bound, [], found);
      const variable = target && binds(name) ? args[0] : undefined;
      const inner = variable?.kind === 'name' ? [...bound, variable.name] : bound;
      args.forEach((arg, index) => {
        if (!(variable?.kind === 'name' && index === 0)) walk(arg, inner, [], found);
      });
      return;
    }
    case 'operator':
      node.args.forEach((arg) => {
        walk(arg, bound, [], found);
      });
      return;
    case 'list':
      node.items.forEach((item) => {
        walk(item, bound, [], found);
      });
      return;
    case 'map':
      node.entries.forEach(({ key, value }) => {
        walk(key, bound, [], found);
        walk(value, bound, [], found);
      });
      return;
    case 'literal':
    case 'missing':
      return;
    default:
      node satisfies never;
  }
}
