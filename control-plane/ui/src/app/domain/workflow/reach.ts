/** What a node reaches outside, as far as its own text says, and whether it may. */
import { isList, isObject, type Json } from '../json';
import type { GraphNode, WorkflowGraph } from './graph';

/** A destination that the inputs of a node name. */
export interface Wanted {
  /** `https://chat.example.com`. */
  readonly origin: string;
  /** What is to stand under `allow`: with `${config.…}`, where the input has it so. */
  readonly entry: string;
  readonly allowed: boolean;
}

/** The destinations that the inputs of a node name. */
export function wantedBy(node: GraphNode, graph: WorkflowGraph): Wanted[] {
  if (node.kind?.key !== 'call') return [];
  const allowed = new Set(node.destinations.map(originOf));
  const found = new Map<string, Wanted>();
  visit(node.value['with'], (text) => {
    const name = /^\s*\$\{\s*config\.([a-z0-9_]+)\s*\}/.exec(text)?.[1];
    const value = name === undefined ? undefined : graph.config[name];
    const origin = originOf(typeof value === 'string' ? value : text);
    if (origin !== null && !found.has(origin)) found.set(origin, { origin, entry: name === undefined ? origin : `\${config.${name}}`, allowed: allowed.has(origin) });
  });
  return [...found.values()];
}

function visit(value: Json | undefined, then: (text: string) => void): void {
  if (typeof value === 'string') then(value);
  else if (isList(value)) value.forEach((item) => { visit(item, then); });
  else if (isObject(value)) Object.values(value).forEach((item) => { visit(item, then); });
}

/** Scheme, name and port of an address; null if it has none that is known before the run. */
function originOf(text: string): string | null {
  const found = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d+)?(?=[/?#]|$)/i.exec(text.trim());
  if (!found) return null;
  const [, scheme = '', name = '', port = ''] = found;
  const usual = scheme.toLowerCase() === 'https' ? ':443' : ':80';
  return `${scheme.toLowerCase()}://${name.toLowerCase()}${port === usual ? '' : port}`;
}
