/** What the card of a node says: its icon, its lines, its reach. The same for canvas, list and gallery. */
import { namesOutcomes, shownOutcomes } from '../domain/layout/layout';
import type { GraphNode, WorkflowGraph } from '../domain/workflow/graph';
import { OUTPUT, START } from '../domain/workflow/graph';
import { destinationName } from '../domain/workflow/read';
import { isList, isObject } from '../domain/json';
import { bareText } from '../domain/workflow/kinds';

/** A small sign on a card. */
export interface Chip {
  readonly icon: string;
  readonly text: string;
  readonly kind: '' | 'flat' | 'ask';
}

/** A card. */
export interface Card {
  readonly id: string;
  readonly name: string;
  readonly icon: string;
  readonly line: string;
  readonly formula: string;
  readonly chips: readonly Chip[];
  readonly outcomes: readonly { readonly name: string; readonly when: string }[];
  /** Whether it has a port of its own beside those of its outcomes. */
  readonly port: boolean;
  /** Whether its chips stand one below the other, because they are names that must not be cut. */
  readonly tall: boolean;
  /** Whether what it gives is a list. */
  readonly list: boolean;
  readonly disabled: boolean;
  readonly problem: string | null;
}

/** The icons of connectors by a word in their names; the first that fits. */
const CONNECTOR_ICONS: readonly (readonly [string, string])[] = [
  ['http', 'http'], ['convert', 'file'], ['csv', 'file'], ['file', 'file'], ['text', 'text'], ['statistics', 'chart'], ['mail', 'form'], ['postgres', 'table'], ['sql', 'table'],
];

/** The icon of a node. */
export function iconOf(node: GraphNode): string {
  const call = node.value['call'];
  if (typeof call !== 'string') return node.kind?.icon ?? 'alert';
  return CONNECTOR_ICONS.find(([word]) => call.includes(word))?.[1] ?? node.kind?.icon ?? 'code';
}

/** The card of a node. */
export function cardOf(graph: WorkflowGraph, node: GraphNode, problem: string | null): Card {
  const cases = node.kind ? node.value[node.kind.key] : undefined;
  return {
    id: node.id,
    name: node.id,
    icon: iconOf(node),
    line: node.kind ? node.kind.line(node.value) : 'does nothing',
    formula: node.kind ? node.kind.formula(node.value) : '',
    chips: chipsOf(node),
    outcomes: shownOutcomes(graph, node).map((name) => ({ name, when: isObject(cases) && namesOutcomes(node) ? bareText(cases[name]) : '' })),
    port: !namesOutcomes(node),
    tall: node.destinations.length + node.secrets.length > 1,
    list: node.kind?.list === true,
    disabled: node.disabled,
    problem,
  };
}

function chipsOf(node: GraphNode): Chip[] {
  const chips: Chip[] = [];
  for (const destination of node.destinations) chips.push({ icon: 'globe', text: destinationName(destination), kind: '' });
  for (const secret of node.secrets) chips.push({ icon: 'key', text: secret, kind: '' });
  const approval = node.value['approval'];
  if (isObject(approval)) {
    const approvers = isList(approval['approvers']) ? approval['approvers'] : [];
    for (const approver of approvers) if (typeof approver === 'string') chips.push({ icon: 'approval', text: approver, kind: '' });
    if (typeof approval['expires'] === 'string') chips.push({ icon: 'schedule', text: approval['expires'], kind: '' });
  }
  if (node.kind?.key === 'call' && chips.length === 0) chips.push({ icon: 'pure', text: 'reaches nothing outside', kind: 'flat' });
  return chips;
}

/** The pill at the start or the end. */
export function pillOf(id: string, graph: WorkflowGraph): { readonly name: string; readonly icon: string; readonly line: string } {
  if (id === START) {
    const [first, ...others] = graph.triggers;
    const icon = first?.type === 'schedule' ? 'schedule' : first?.type === 'webhook' ? 'webhook' : 'start';
    return { name: 'Start', icon, line: first ? `${first.type}${others.length > 0 ? ` + ${String(others.length)}` : ''}` : 'by hand' };
  }
  const count = isObject(graph.output) ? Object.keys(graph.output).length : 1;
  return { name: 'Output', icon: 'flag', line: count === 1 ? '1 value' : `${String(count)} values` };
}

/** Whether an id is one of the pills. */
export function isPill(id: string): boolean {
  return id === START || id === OUTPUT;
}
