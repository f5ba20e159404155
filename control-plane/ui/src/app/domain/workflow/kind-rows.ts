/** The table of kinds: a row for each kind of node that the language has, in the order of the picker. */
import { isList, isObject, type JsonObject } from '../json';
import { jsonText } from '../json-text';
import { CALL_KEYS, callFields, callLiteral } from './common-fields';
import { bareText, type NodeKind, plain } from './field';

const done = (): readonly string[] => ['done'];
const empty = (): string => '';
const part = (node: JsonObject, key: string): JsonObject => (isObject(node[key]) ? node[key] : {});

export const NODE_KINDS: readonly NodeKind[] = [
  {
    key: 'call',
    title: 'Call',
    icon: 'code',
    docs: 'Calls an operation of a connector.',
    synonyms: ['run', 'use', 'action', 'connector', 'integration', 'node', 'code', 'function', 'http request', 'http', 'request'],
    name: 'get',
    starter: { call: 'flowforge:http/get', with: { url: '' } },
    fields: callFields([], { inputs: 'inputs', reach: 'reach', failure: 'failure' }),
    keys: CALL_KEYS,
    bare: [],
    literal: callLiteral([]),
    outcomes: done,
    line: (node) => plain(node['call']),
    formula: empty,
  },
  {
    key: 'set',
    title: 'Set',
    icon: 'set',
    docs: 'Makes an object of values.',
    synonyms: ['edit fields', 'set fields', 'map fields', 'assign', 'transform', 'aggregate', 'filter', 'sort', 'limit', 'remove duplicates', 'split out', 'date & time', 'rename keys', 'code'],
    name: 'values',
    starter: { set: { value: '' } },
    fields: [{ path: ['set'], label: 'fields', docs: 'The fields are what the node gives.', control: { type: 'values' }, part: 'inputs', required: true }],
    keys: [],
    bare: [],
    literal: [],
    outcomes: done,
    line: () => 'set',
    formula: (node) => {
      const fields = Object.entries(part(node, 'set'));
      const [first] = fields;
      if (!first) return '';
      return fields.length === 1 ? `${first[0]} = ${bareText(first[1]) || jsonText(first[1])}` : fields.map(([name]) => name).join(', ');
    },
  },
  {
    key: 'switch',
    title: 'Switch',
    icon: 'switch',
    docs: 'Chooses the first case that is true.',
    synonyms: ['if', 'condition', 'case', 'router', 'branch', 'decision', 'filter'],
    name: 'gate',
    starter: { switch: { yes: true, no: 'else' } },
    fields: [{ path: ['switch'], label: 'cases', docs: 'The first true one is the outcome. The last may be else.', control: { type: 'expressions' }, part: 'inputs', required: true }],
    keys: [],
    bare: [['switch', '*']],
    literal: [],
    branches: true,
    outcomes: (node) => Object.keys(part(node, 'switch')),
    line: () => 'switch · first true case',
    formula: empty,
  },
  {
    key: 'foreach',
    title: 'For each',
    icon: 'foreach',
    docs: 'Runs the nodes in it for each element of a list and gives the list of results.',
    synonyms: ['loop', 'loop over items', 'split in batches', 'iterate', 'map', 'for each', 'batch'],
    name: 'each',
    starter: { foreach: '[]', do: { step: { set: { value: '${item}' } } } },
    fields: [
      { path: ['foreach'], label: 'list', docs: 'The list whose elements it goes through.', control: { type: 'expression' }, part: 'inputs', required: true },
      { path: ['as'], label: 'element is called', docs: 'The name of the element in the nodes inside.', control: { type: 'text' }, part: 'inputs', absent: 'item' },
      { path: ['parallel'], label: 'at the same time', docs: 'How many elements are worked on at once.', control: { type: 'integer', min: 1, max: 64 }, part: 'inputs', absent: '1' },
    ],
    keys: ['as', 'parallel', 'do'],
    bare: [['foreach']],
    literal: [['as'], ['parallel']],
    body: 'do',
    list: true,
    item: { key: 'as', name: 'item', is: 'element' },
    outcomes: done,
    line: (node) => `each ${plain(node['as']) || 'item'} in ${bareText(node['foreach'])}`,
    formula: (node) => (typeof node['parallel'] === 'number' ? `${String(node['parallel'])} at a time` : 'one at a time'),
  },
  {
    key: 'repeat',
    title: 'Repeat',
    icon: 'retry',
    docs: 'Runs the nodes in it again and again, until a condition holds, and gives what the last round gave.',
    synonyms: ['while', 'do while', 'until', 'poll', 'polling', 'loop until', 'loop', 'retry until'],
    name: 'poll',
    starter: { repeat: { until: 'round >= 3', max: 10, every: '30s' }, do: { step: { set: { value: '${round}' } } } },
    fields: [
      {
        path: ['repeat'], label: 'goes on', docs: 'The condition is looked at after each round. It sees the nodes of that round, and round: 1, 2, 3, …', part: 'inputs', required: true,
        control: { type: 'shape', shapes: [{ label: 'until a condition holds', value: { until: 'round >= 3', max: 10 }, key: 'until' }, { label: 'while a condition holds', value: { while: 'round < 3', max: 10 }, key: 'while' }] },
      },
      { path: ['repeat', 'until'], label: 'until', docs: 'True ends the loop.', control: { type: 'expression' }, part: 'inputs', required: true, when: { path: ['repeat'], key: 'until' } },
      { path: ['repeat', 'while'], label: 'while', docs: 'False ends the loop.', control: { type: 'expression' }, part: 'inputs', required: true, when: { path: ['repeat'], key: 'while' } },
      { path: ['repeat', 'max'], label: 'most rounds', docs: 'The node fails when they are over.', control: { type: 'integer', min: 1, max: 10000 }, part: 'inputs', required: true, when: { path: ['repeat'] } },
      { path: ['repeat', 'every'], label: 'pause', docs: 'Between the end of a round and the next.', control: { type: 'duration' }, part: 'inputs', absent: 'none', when: { path: ['repeat'] } },
    ],
    keys: ['do'],
    bare: [['repeat', 'until'], ['repeat', 'while']],
    literal: [['repeat', 'max'], ['repeat', 'every']],
    body: 'do',
    item: { name: 'round', is: 'round' },
    outcomes: done,
    line: (node) => {
      const repeat = part(node, 'repeat');
      return repeat['while'] === undefined ? `until ${bareText(repeat['until'])}` : `while ${bareText(repeat['while'])}`;
    },
    formula: (node) => {
      const repeat = part(node, 'repeat');
      return `at most ${plain(repeat['max'])} rounds${repeat['every'] === undefined ? '' : `, every ${plain(repeat['every'])}`}`;
    },
  },
  {
    key: 'wait',
    title: 'Wait',
    icon: 'wait',
    docs: 'Waits for a length of time, until a moment, or for a signal. It costs nothing meanwhile.',
    synonyms: ['sleep', 'delay', 'pause', 'timer', 'schedule', 'signal', 'event', 'wait for webhook', 'callback', 'resume'],
    name: 'pause',
    starter: { wait: { for: '5m' } },
    fields: [
      {
        path: ['wait'], label: 'waits', docs: 'A signal comes from a webhook, from the command line or from a person on the page of the run.', part: 'inputs', required: true,
        control: { type: 'shape', shapes: [{ label: 'for a length of time', value: { for: '5m' }, key: 'for' }, { label: 'until a moment', value: { until: 'run.started' }, key: 'until' }, { label: 'for a signal', value: { signal: 'arrived' }, key: 'signal' }] },
      },
      { path: ['wait', 'for'], label: 'for', docs: 'A length of time: 200ms, 5s, 90m, 72h, 7d, 1h30m.', control: { type: 'duration' }, part: 'inputs', required: true, when: { path: ['wait'], key: 'for' } },
      { path: ['wait', 'until'], label: 'until', docs: 'The moment at which it goes on.', control: { type: 'expression' }, part: 'inputs', required: true, when: { path: ['wait'], key: 'until' } },
      { path: ['wait', 'signal'], label: 'signal', docs: 'Its name. What the signal carries is what the node gives.', control: { type: 'text' }, part: 'inputs', required: true, when: { path: ['wait'], key: 'signal' } },
      { path: ['wait', 'correlate'], label: 'correlation', docs: 'Only a signal with this correlation counts.', control: { type: 'expression' }, part: 'inputs', absent: 'any signal of the name', when: { path: ['wait'], key: 'signal' } },
      { path: ['wait', 'timeout'], label: 'at most', docs: 'How long it is waited for; then the outcome is expired.', control: { type: 'duration' }, part: 'inputs', absent: 'no limit', when: { path: ['wait'], key: 'signal' } },
    ],
    keys: [],
    bare: [['wait', 'until'], ['wait', 'correlate']],
    literal: [['wait', 'for'], ['wait', 'signal'], ['wait', 'timeout']],
    outcomes: (node) => (part(node, 'wait')['signal'] === undefined ? ['done'] : ['done', 'expired']),
    line: (node) => {
      const wait = part(node, 'wait');
      if (wait['signal'] !== undefined) return `wait for the signal ${plain(wait['signal'])}`;
      return wait['until'] === undefined ? `wait ${plain(wait['for'])}` : `wait until ${bareText(wait['until'])}`;
    },
    formula: (node) => {
      const wait = part(node, 'wait');
      return [wait['correlate'] === undefined ? '' : bareText(wait['correlate']), wait['timeout'] === undefined ? '' : `at most ${plain(wait['timeout'])}`].filter((text) => text !== '').join(' · ');
    },
  },
  {
    key: 'approval',
    title: 'Approval',
    icon: 'approval',
    docs: 'Asks a person and waits for the answer.',
    synonyms: ['human in the loop', 'send and wait', 'ask', 'confirm', 'review', 'manual', 'wait for approval'],
    name: 'confirm',
    starter: { approval: { title: 'Go on?' } },
    fields: [
      { path: ['approval', 'title'], label: 'question', docs: 'What the person is asked.', control: { type: 'template' }, part: 'inputs', required: true },
      { path: ['approval', 'show'], label: 'shown with it', docs: 'What the person sees beside the question.', control: { type: 'value' }, part: 'inputs', absent: 'nothing' },
      { path: ['approval', 'approvers'], label: 'who may answer', docs: 'Groups or people, but nobody who started the run.', control: { type: 'names' }, part: 'inputs', absent: 'anybody' },
      { path: ['approval', 'signed_by'], label: 'who signs', docs: 'In place of who may answer: names, each with the public key of the own signature. flowforge account key prints it.', control: { type: 'value' }, part: 'inputs', absent: 'nobody has to' },
      { path: ['approval', 'quorum'], label: 'how many must say yes', docs: 'One no is enough for a no.', control: { type: 'integer', min: 1, max: 8 }, part: 'inputs', absent: '1' },
      { path: ['approval', 'form'], label: 'to be filled in', docs: 'Fields as those of the input; the output has them as form.', control: { type: 'value' }, part: 'inputs', absent: 'nothing' },
      { path: ['approval', 'expires'], label: 'stands for', docs: 'Then it has expired, or what is chosen below.', control: { type: 'duration' }, part: 'inputs', absent: 'no limit' },
      { path: ['approval', 'on_expiry'], label: 'when that is over', docs: 'expire: the outcome expired. reject: a no. approve: a yes.', control: { type: 'choice', options: ['expire', 'reject', 'approve'] }, part: 'inputs', absent: 'expire' },
      { path: ['approval', 'remind'], label: 'reminds after', docs: 'And again after as long; counted in the list of questions.', control: { type: 'duration' }, part: 'inputs', absent: 'never' },
    ],
    keys: [],
    bare: [],
    literal: [['approval', 'approvers'], ['approval', 'approvers', '*'], ['approval', 'quorum'], ['approval', 'form'], ['approval', 'form', '*'], ['approval', 'signed_by'], ['approval', 'signed_by', '*'], ['approval', 'expires'], ['approval', 'on_expiry'], ['approval', 'remind']],
    outcomes: (node) => (['reject', 'approve'].includes(plain(part(node, 'approval')['on_expiry'])) ? ['approved', 'rejected'] : ['approved', 'rejected', 'expired']),
    line: (node) => {
      const approval = part(node, 'approval');
      const names = isObject(approval['signed_by']) ? Object.keys(approval['signed_by']) : isList(approval['approvers']) ? approval['approvers'].map(plain) : [];
      const quorum = plain(approval['quorum']);
      const asks = `${quorum && quorum !== '1' ? `${quorum} of ` : ''}${names.length > 0 ? names.join(', ') : 'anybody'}`;
      const expires = plain(approval['expires']);
      return `approval · asks ${asks}${expires ? `, ${expires}` : ''}`;
    },
    formula: empty,
  },
  {
    key: 'workflow',
    title: 'Workflow',
    icon: 'subflow',
    docs: 'Runs another published workflow.',
    synonyms: ['execute workflow', 'sub-workflow', 'subworkflow', 'sub flow', 'subflow', 'call workflow', 'run workflow', 'flow'],
    name: 'child',
    starter: { workflow: '' },
    fields: [
      { path: ['workflow'], label: 'workflow', docs: 'Its name. The release pins the version that is published then.', control: { type: 'workflow' }, part: 'inputs', required: true, example: 'invoice-run' },
      { path: ['with'], label: 'inputs', docs: 'A value for each field of its input.', control: { type: 'ports' }, part: 'inputs' },
      { path: ['detach'], label: 'does not wait', docs: 'Done as soon as the other run is ordered; gives its id as run.', control: { type: 'switch' }, part: 'inputs', absent: 'waits for its end' },
    ],
    keys: ['with', 'detach'],
    bare: [],
    literal: [['workflow'], ['detach']],
    outcomes: done,
    line: (node) => `workflow ${plain(node['workflow'])}`,
    formula: (node) => (node['detach'] === true ? 'does not wait for it' : 'waits for its end'),
  },
  {
    key: 'respond',
    title: 'Respond',
    icon: 'webhook',
    docs: 'Answers the webhook that started the run, before the run ends.',
    synonyms: ['respond to webhook', 'webhook response', 'http response', 'response', 'return', 'answer', 'reply'],
    name: 'answer',
    starter: { respond: { status: 200, body: '' } },
    fields: [
      { path: ['respond', 'status'], label: 'status', docs: 'Of HTTP, 200 to 599.', control: { type: 'value' }, part: 'inputs', absent: '200' },
      { path: ['respond', 'headers'], label: 'headers', docs: 'Of HTTP.', control: { type: 'values' }, part: 'inputs', absent: 'none' },
      { path: ['respond', 'body'], label: 'body', docs: 'Text is sent as it is, anything else as JSON.', control: { type: 'value' }, part: 'inputs', absent: 'nothing' },
    ],
    keys: [],
    bare: [],
    literal: [],
    outcomes: done,
    line: (node) => `answers with ${plain(part(node, 'respond')['status']) || '200'}`,
    formula: (node) => bareText(part(node, 'respond')['body']),
  },
];
