/** What a node is given: the values of its expressions over the data of a try. */
import type { Previewer } from '../../components/previewer';
import { isList, isObject, type Json } from '../../domain/json';
import { soleExpression } from '../../domain/expression/template';
import type { GraphNode } from '../../domain/workflow/graph';

/** Expressions of one node that are evaluated at most. */
const LEAVES_MAX = 40;

/** What stands for a value that cannot be known. */
export const UNKNOWN = '(no value yet)';

/** The inputs of a node by their names; undefined for a node that takes none. */
export async function givenTo(node: GraphNode, previewer: Previewer): Promise<Json | undefined> {
  const source = inputsOf(node);
  if (source === undefined) return undefined;
  let left = LEAVES_MAX;
  const value = async (part: Json, code: boolean): Promise<Json> => {
    if (isList(part)) return Promise.all(part.map((item) => value(item, code)));
    if (isObject(part)) return Object.fromEntries(await Promise.all(Object.entries(part).map(async ([key, inner]) => [key, await value(inner, code)] as const)));
    if (typeof part !== 'string' || (!code && !part.includes('${'))) return part;
    if (code && part === 'else') return part;
    left -= 1;
    if (left < 0) return '…';
    const sole = code ? (soleExpression(part) ?? part) : null;
    const seen = await previewer.look(sole ?? part, sole === null, null);
    return seen?.fault === null ? seen.value : UNKNOWN;
  };
  return value(source.value, source.code);
}

function inputsOf(node: GraphNode): { readonly value: Json; readonly code: boolean } | undefined {
  const key = node.kind?.key ?? '';
  const own = node.value[key];
  if (key === 'call' || key === 'workflow') return node.value['with'] === undefined ? undefined : { value: node.value['with'], code: false };
  if (own === undefined) return undefined;
  if (key === 'switch') return { value: own, code: true };
  if (key === 'foreach') return { value: { [typeof node.value['as'] === 'string' ? `each ${node.value['as']} of` : 'each of']: own }, code: true };
  return ['set', 'approval', 'respond'].includes(key) ? { value: own, code: false } : undefined;
}
