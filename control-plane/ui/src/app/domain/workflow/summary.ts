/** What a release does to the world, in sentences that somebody reads before it is signed. */
import { isList, isObject, type Json } from '../json';
import type { GraphNode, WorkflowGraph } from './graph';
import { destinationName } from './read';

/** What the control plane says that a release has. */
export interface ReleaseFacts {
  readonly destinations: readonly string[];
  readonly secrets: readonly string[];
  readonly connectors: readonly { readonly name: string; readonly version: string }[];
}

/** One thing, and what is said of it. */
export interface SummaryItem {
  readonly name: string;
  readonly words: string;
  /** Whether the version before did not have it. */
  readonly fresh: boolean;
}

/** A part of the summary; without items, what stands there instead. */
export interface SummaryPart {
  readonly title: string;
  readonly icon: string;
  readonly items: readonly SummaryItem[];
  readonly none: string;
}

/** The parts of the summary. `before` is the version that is live. */
export function summaryOf(graph: WorkflowGraph, facts: ReleaseFacts, before: WorkflowGraph | null): SummaryPart[] {
  const had = before ? reachOf(before) : null;
  const part = (title: string, icon: string, none: string, items: readonly SummaryItem[]): SummaryPart => ({ title, icon, none, items });
  return [
    part('Reaches', 'globe', 'nothing outside', facts.destinations.map((destination) => {
      const name = destinationName(destination);
      return { name, words: byNodes(graph.nodes.filter((node) => node.destinations.some((own) => destinationName(own) === name))), fresh: had !== null && !had.destinations.has(name) };
    })),
    part('Uses', 'key', 'no secret', facts.secrets.map((name) => ({ name, words: byNodes(graph.nodes.filter((node) => node.secrets.includes(name))) || 'for its triggers', fresh: had !== null && !had.secrets.has(name) }))),
    part('Asks', 'approval', 'nobody', graph.nodes.flatMap((node) => asks(node, had))),
    part('Starts by', 'triggers', 'by hand', [...graph.triggers.map(({ name, type }) => ({ name: type, words: name, fresh: had !== null && !had.triggers.has(name) })), { name: 'by hand', words: '', fresh: false }]),
    part('Made of', 'marketplace', 'built-in nodes', facts.connectors.map(({ name, version }) => ({ name, words: version, fresh: had !== null && !had.connectors.has(name) }))),
  ];
}

/** Whether the summary has anything that the version before did not have. */
export function reachesMore(parts: readonly SummaryPart[]): boolean {
  return parts.some((part) => part.title !== 'Asks' && part.items.some((item) => item.fresh));
}

/** The summary as plain text, for a message or a ticket. */
export function summaryText(heading: string, parts: readonly SummaryPart[]): string {
  const lines = parts.map((part) => `${part.title}: ${part.items.length === 0 ? part.none : part.items.map((item) => `${item.name}${item.words === '' ? '' : ` (${item.words})`}${item.fresh ? ' [new]' : ''}`).join(', ')}`);
  return [heading, ...lines].join('\n');
}

interface Reach {
  readonly destinations: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
  readonly connectors: ReadonlySet<string>;
  readonly triggers: ReadonlySet<string>;
  readonly approvals: ReadonlySet<string>;
}

function reachOf(graph: WorkflowGraph): Reach {
  return {
    destinations: new Set(graph.nodes.flatMap((node) => node.destinations.map(destinationName))),
    secrets: new Set(graph.secrets),
    connectors: new Set(graph.nodes.flatMap((node) => (typeof node.value['call'] === 'string' ? [node.value['call'].replace(/\/[^/]*$/, '')] : []))),
    triggers: new Set(graph.triggers.map(({ name }) => name)),
    approvals: new Set(graph.nodes.filter((node) => node.kind?.key === 'approval').map((node) => node.id)),
  };
}

function asks(node: GraphNode, had: Reach | null): SummaryItem[] {
  const approval = node.value['approval'];
  if (node.kind?.key !== 'approval' || !isObject(approval)) return [];
  const people = names(approval['approvers']);
  const expires = typeof approval['expires'] === 'string' ? `; ends unanswered after ${approval['expires']}` : '';
  return [{ name: people.length === 0 ? 'anybody' : people.join(', '), words: `at ${node.id}${expires}`, fresh: had !== null && !had.approvals.has(node.id) }];
}

function names(value: Json | undefined): readonly string[] {
  return isList(value) ? value.flatMap((item) => (typeof item === 'string' ? [item] : [])) : typeof value === 'string' ? [value] : [];
}

function byNodes(nodes: readonly GraphNode[]): string {
  return nodes.length === 0 ? '' : `by ${nodes.map((node) => node.id).join(', ')}`;
}
