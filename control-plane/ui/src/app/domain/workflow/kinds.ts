/**
 * The kinds of nodes: one table that everything about a kind is read from.
 *
 * The reader, the canvas, the picker, the forms and the problems list know no kind by name. A new kind of the language
 * is a new row here.
 */
import { isList, isObject, type Json, type JsonObject, type Path } from '../json';

/** How a property is edited. */
export type FieldControl =
  | { readonly type: 'text'; readonly lines?: number }
  | { readonly type: 'expression' }
  | { readonly type: 'value' }
  | { readonly type: 'duration' }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'choice'; readonly options: readonly string[] }
  | { readonly type: 'switch' }
  | { readonly type: 'names' }
  | { readonly type: 'values' }
  | { readonly type: 'expressions' }
  | { readonly type: 'ports' }
  | { readonly type: 'slots' };

/** One property of a node. */
export interface FieldSpec {
  /** Where it stands in the node. */
  readonly path: Path;
  readonly label: string;
  readonly docs: string;
  readonly control: FieldControl;
  readonly required?: boolean;
  /** What holds if it is absent, for people. */
  readonly absent?: string;
  readonly example?: string;
}

/** A kind of node. */
export interface NodeKind {
  /** The key that makes a node of this kind. */
  readonly key: string;
  readonly title: string;
  readonly icon: string;
  /** What it does, one sentence. */
  readonly docs: string;
  /** Words that people from other products look for. */
  readonly synonyms: readonly string[];
  /** What a new node of this kind has. */
  readonly starter: JsonObject;
  readonly fields: readonly FieldSpec[];
  /** Keys beside the kind's own and the common ones that such a node may have. */
  readonly keys: readonly string[];
  /** Paths whose text is an expression as it stands, without `${…}`. `*` is any key. */
  readonly bare: readonly Path[];
  /** Paths whose text is a name and never an expression. */
  readonly literal: readonly Path[];
  /** The key under which the nodes stand that it contains. */
  readonly body?: string;
  /** The key whose value names the element in the body. */
  readonly item?: string;
  /** The ways in which it can end, if there is more than one. */
  readonly outcomes: (value: Json) => readonly string[];
  /** The second line of its card. */
  readonly line: (node: JsonObject) => string;
  /** The third line of its card: what it computes, in the language of expressions. */
  readonly formula: (node: JsonObject) => string;
}

const none = (): readonly string[] => [];
const empty = (): string => '';
const text = (value: Json | undefined): string => (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '');

/** An expression without the marks around it. */
export function bareText(value: Json | undefined): string {
  return text(value).replace(/^\s*\$\{([\s\S]*)\}\s*$/, '$1').replace(/^=\s*/, '');
}

const NODE_KINDS: readonly NodeKind[] = [
  {
    key: 'call',
    title: 'Call',
    icon: 'code',
    docs: 'Calls an operation of a connector.',
    synonyms: ['run', 'use', 'action', 'connector', 'integration', 'node', 'code', 'function', 'http request', 'http', 'request'],
    starter: { call: 'flowforge:http/get', with: { url: '' } },
    fields: [
      { path: ['call'], label: 'operation', docs: 'publisher:name/operation', control: { type: 'text' }, required: true, example: 'flowforge:http/get' },
      { path: ['with'], label: 'inputs', docs: 'A value for each port.', control: { type: 'ports' } },
      { path: ['allow'], label: 'may reach', docs: 'The only destinations this node may reach: scheme://name:port.', control: { type: 'names' }, absent: 'nothing outside' },
      { path: ['secrets'], label: 'secrets', docs: 'Slot of the connector and name of the secret. The host adds it; the connector never sees it.', control: { type: 'slots' }, absent: 'none' },
      { path: ['timeout'], label: 'time limit', docs: 'Of one attempt, at most 1 h.', control: { type: 'duration' }, absent: '60s' },
      { path: ['retry', 'attempts'], label: 'attempts', docs: 'Altogether, the first one counted.', control: { type: 'integer', min: 1, max: 100 }, absent: '10' },
      { path: ['retry', 'first_delay'], label: 'first delay', docs: 'Before the second attempt; doubles each time.', control: { type: 'duration' }, absent: '500ms' },
      { path: ['retry', 'max_delay'], label: 'longest delay', docs: 'Between two attempts.', control: { type: 'duration' }, absent: '5m' },
    ],
    keys: ['with', 'allow', 'secrets', 'retry', 'timeout'],
    bare: [],
    literal: [['call'], ['secrets', '*'], ['timeout'], ['retry'], ['retry', '*']],
    outcomes: none,
    line: (node) => text(node['call']),
    formula: empty,
  },
  {
    key: 'set',
    title: 'Set',
    icon: 'set',
    docs: 'Makes an object of values.',
    synonyms: ['edit fields', 'set fields', 'map fields', 'assign', 'transform', 'aggregate', 'filter', 'sort', 'limit', 'remove duplicates', 'split out', 'date & time', 'rename keys', 'code'],
    starter: { set: { value: '' } },
    fields: [{ path: ['set'], label: 'fields', docs: 'The fields are what the node gives.', control: { type: 'values' }, required: true }],
    keys: [],
    bare: [],
    literal: [],
    outcomes: none,
    line: () => 'set',
    formula: (node) => {
      const fields = isObject(node['set']) ? Object.entries(node['set']) : [];
      const [first] = fields;
      if (!first) return '';
      return fields.length === 1 ? `${first[0]} = ${bareText(first[1]) || JSON.stringify(first[1])}` : fields.map(([name]) => name).join(', ');
    },
  },
  {
    key: 'switch',
    title: 'Switch',
    icon: 'switch',
    docs: 'Chooses the first case that is true.',
    synonyms: ['if', 'condition', 'case', 'router', 'branch', 'decision', 'filter'],
    starter: { switch: { yes: true, no: 'else' } },
    fields: [{ path: ['switch'], label: 'cases', docs: 'The first true one is the outcome. The last may be else.', control: { type: 'expressions' }, required: true }],
    keys: [],
    bare: [['switch', '*']],
    literal: [],
    outcomes: (value) => (isObject(value) ? Object.keys(value) : []),
    line: () => 'switch · first true case',
    formula: empty,
  },
  {
    key: 'foreach',
    title: 'For each',
    icon: 'foreach',
    docs: 'Runs the nodes in it for each element of a list and gives the list of results.',
    synonyms: ['loop', 'loop over items', 'split in batches', 'iterate', 'map', 'for each', 'batch'],
    starter: { foreach: '[]', do: { step: { set: { value: '${item}' } } } },
    fields: [
      { path: ['foreach'], label: 'list', docs: 'The list whose elements it goes through.', control: { type: 'expression' }, required: true },
      { path: ['as'], label: 'element is called', docs: 'The name of the element in the nodes inside.', control: { type: 'text' }, absent: 'item' },
      { path: ['parallel'], label: 'at the same time', docs: 'How many elements are worked on at once.', control: { type: 'integer', min: 1, max: 1000 }, absent: '1' },
    ],
    keys: ['as', 'parallel', 'do'],
    bare: [['foreach']],
    literal: [['as'], ['parallel']],
    body: 'do',
    item: 'as',
    outcomes: none,
    line: (node) => `each ${text(node['as']) || 'item'} in ${bareText(node['foreach'])}`,
    formula: (node) => (typeof node['parallel'] === 'number' ? `${String(node['parallel'])} at a time` : 'one at a time'),
  },
  {
    key: 'wait',
    title: 'Wait',
    icon: 'wait',
    docs: 'Waits for a length of time, or until a moment. It costs nothing meanwhile.',
    synonyms: ['sleep', 'delay', 'pause', 'timer', 'schedule'],
    starter: { wait: { for: '5m' } },
    fields: [
      { path: ['wait', 'for'], label: 'for', docs: 'A length of time: 200ms, 5s, 90m, 72h, 7d, 1h30m.', control: { type: 'duration' } },
      { path: ['wait', 'until'], label: 'until', docs: 'A moment, instead of a length of time.', control: { type: 'expression' } },
    ],
    keys: [],
    bare: [['wait', 'until']],
    literal: [['wait', 'for']],
    outcomes: none,
    line: (node) => {
      const wait = isObject(node['wait']) ? node['wait'] : {};
      return wait['until'] === undefined ? `wait ${text(wait['for'])}` : `wait until ${bareText(wait['until'])}`;
    },
    formula: empty,
  },
  {
    key: 'approval',
    title: 'Approval',
    icon: 'approval',
    docs: 'Asks a person and waits for the answer.',
    synonyms: ['human in the loop', 'send and wait', 'ask', 'confirm', 'review', 'manual', 'wait for approval'],
    starter: { approval: { title: 'Go on?' } },
    fields: [
      { path: ['approval', 'title'], label: 'question', docs: 'What the person is asked.', control: { type: 'text', lines: 2 }, required: true },
      { path: ['approval', 'show'], label: 'shown with it', docs: 'What the person sees beside the question.', control: { type: 'value' }, absent: 'nothing' },
      { path: ['approval', 'approvers'], label: 'who may answer', docs: 'Groups or people.', control: { type: 'names' }, absent: 'anybody' },
      { path: ['approval', 'expires'], label: 'stands for', docs: 'Then the run ends as expired.', control: { type: 'duration' }, absent: 'no limit' },
    ],
    keys: [],
    bare: [],
    literal: [['approval', 'approvers'], ['approval', 'approvers', '*'], ['approval', 'expires']],
    outcomes: () => ['approved', 'rejected', 'expired'],
    line: (node) => {
      const approval = isObject(node['approval']) ? node['approval'] : {};
      const asks = isList(approval['approvers']) ? approval['approvers'].map(text).join(', ') : 'anybody';
      const expires = text(approval['expires']);
      return `approval · asks ${asks}${expires ? `, ${expires}` : ''}`;
    },
    formula: empty,
  },
];

/** Properties that a node of every kind has. */
export const COMMON_FIELDS: readonly FieldSpec[] = [
  { path: ['after'], label: 'after', docs: 'Nodes, or outcomes of nodes (gate.strong), of which at least one must have happened.', control: { type: 'names' }, absent: 'what its expressions name' },
  { path: ['disabled'], label: 'disabled', docs: 'It is skipped, and what reads it gets nothing.', control: { type: 'switch' }, absent: 'no' },
];

/** Every kind, in the order of the picker. */
export const KINDS: readonly NodeKind[] = NODE_KINDS;

const BY_KEY = new Map(NODE_KINDS.map((kind) => [kind.key, kind]));
const COMMON_KEYS = new Set(COMMON_FIELDS.flatMap((field) => (typeof field.path[0] === 'string' ? [field.path[0]] : [])));

/** The kind that this key makes. */
export function kindOf(key: string): NodeKind | null {
  return BY_KEY.get(key) ?? null;
}

/** The keys that say what a node does, in the order of the file. */
export function kindKeys(keys: readonly string[]): NodeKind[] {
  return keys.flatMap((key) => BY_KEY.get(key) ?? []);
}

/** Whether a node of this kind may have this key. */
export function allows(kind: NodeKind, key: string): boolean {
  return key === kind.key || kind.keys.includes(key) || COMMON_KEYS.has(key);
}

/** The kind that a word of another product stands for. */
export function kindForWord(word: string): NodeKind | null {
  const wanted = word.toLowerCase().replaceAll('_', ' ');
  return NODE_KINDS.find((kind) => kind.synonyms.includes(wanted) && wanted !== 'filter' && wanted !== 'code') ?? null;
}

/** Whether a path is one of these patterns. */
export function matches(path: Path, patterns: readonly Path[]): boolean {
  return patterns.some((pattern) => pattern.length === path.length && pattern.every((step, index) => step === '*' || step === path[index]));
}
