/** The properties of a call, and those that a node of every kind may have. */
import type { Path } from '../json';
import type { FieldPart, FieldSpec } from './field';

const FAILURES = ['throttled', 'unavailable', 'timed_out', 'rejected', 'denied', 'invalid', 'internal', 'limit'] as const;

/** Keys that a call has beside its own. */
export const CALL_KEYS: readonly string[] = ['with', 'allow', 'secrets', 'retry', 'timeout', 'idle_timeout'];

/** The properties of a call: of a node, or of what takes a node's effect back. */
export function callFields(at: Path, parts: { readonly inputs: FieldPart; readonly reach: FieldPart; readonly failure: FieldPart }): FieldSpec[] {
  const retry = { path: [...at, 'retry'] };
  const fields: FieldSpec[] = [
    { path: [...at, 'call'], label: 'operation', docs: 'publisher:name/operation', control: { type: 'operation' }, part: parts.inputs, required: true, example: 'flowforge:http/get' },
    { path: [...at, 'with'], label: 'inputs', docs: 'A value for each port.', control: { type: 'ports' }, part: parts.inputs },
    { path: [...at, 'allow'], label: 'may reach', docs: 'The only destinations it may reach: scheme://name:port.', control: { type: 'names' }, part: parts.reach, absent: 'nothing outside' },
    { path: [...at, 'secrets'], label: 'secrets', docs: 'Slot of the connector and name of the secret. The host adds it; the connector never sees it.', control: { type: 'slots' }, part: parts.reach, absent: 'none' },
    { path: [...at, 'timeout'], label: 'time limit', docs: 'Of one attempt, at most 24 h.', control: { type: 'duration' }, part: parts.failure, absent: '60s' },
    { path: [...at, 'idle_timeout'], label: 'silence limit', docs: 'An attempt that shows no sign of life for so long has failed.', control: { type: 'duration' }, part: parts.failure, absent: 'no limit' },
    {
      path: [...at, 'retry'], label: 'tries again', docs: 'After a failure that allows it.', part: parts.failure,
      control: { type: 'shape', shapes: [{ label: 'as usual: 10 attempts, 500 ms to 5 min apart', value: undefined }, { label: 'never: one attempt', value: 'never' }, { label: 'as written here', value: { attempts: 3 } }] },
    },
    { path: [...at, 'retry', 'attempts'], label: 'attempts', docs: 'Altogether, the first one counted.', control: { type: 'integer', min: 1, max: 100 }, part: parts.failure, absent: '10', when: retry },
    { path: [...at, 'retry', 'first_delay'], label: 'first delay', docs: 'Before the second attempt; doubles each time.', control: { type: 'duration' }, part: parts.failure, absent: '500ms', when: retry },
    { path: [...at, 'retry', 'max_delay'], label: 'longest delay', docs: 'Between two attempts.', control: { type: 'duration' }, part: parts.failure, absent: '5m', when: retry },
    { path: [...at, 'retry', 'within'], label: 'within', docs: 'No attempt begins later than this after the first one.', control: { type: 'duration' }, part: parts.failure, absent: 'no limit', when: retry },
    { path: [...at, 'retry', 'jitter'], label: 'jitter', docs: 'How much of each delay is left to chance.', control: { type: 'choice', options: ['half', 'full', 'none'] }, part: parts.failure, absent: 'half', when: retry },
    { path: [...at, 'retry', 'on'], label: 'after these failures', docs: 'After timed_out, internal and limit the effect may have happened.', control: { type: 'names', options: FAILURES }, part: parts.failure, absent: 'throttled, unavailable, timed_out', when: retry },
  ];
  return at.length === 0 ? fields : fields.map((field) => ({ ...field, when: field.when ?? { path: at } }));
}

/** Paths of a call whose text is a name and never an expression. */
export function callLiteral(at: Path): Path[] {
  return [['call'], ['secrets', '*'], ['timeout'], ['idle_timeout'], ['retry'], ['retry', '*'], ['retry', 'on', '*']].map((path) => [...at, ...path]);
}

/** Properties that a node of every kind may have. */
export const COMMON_FIELDS: readonly FieldSpec[] = [
  { path: ['after'], label: 'after', docs: 'Nodes, or outcomes of nodes (gate.strong), of which at least one must have happened.', control: { type: 'names' }, part: 'order', absent: 'what its expressions name' },
  { path: ['disabled'], label: 'disabled', docs: 'It is skipped, and what needs its value with it.', control: { type: 'switch' }, part: 'order', absent: 'no' },
  { path: ['on_error'], label: 'when it fails', docs: 'stop: the run fails. branch: the run goes on with what comes after its outcome failed.', control: { type: 'choice', options: ['stop', 'branch'] }, part: 'failure', absent: 'stop' },
  {
    path: ['fallback'], label: 'stands in for it', docs: 'Instead of its result, when it has failed.', part: 'failure',
    control: { type: 'shape', shapes: [{ label: 'nothing', value: undefined }, { label: 'a value', value: { value: null }, key: 'value' }, { label: 'another node', value: { node: '' }, key: 'node' }] },
  },
  { path: ['fallback', 'value'], label: 'value', docs: 'What stands in for the result.', control: { type: 'value' }, part: 'failure', when: { path: ['fallback'], key: 'value' } },
  { path: ['fallback', 'node'], label: 'other node', docs: 'A node beside this one, which runs only then.', control: { type: 'node' }, part: 'failure', required: true, when: { path: ['fallback'], key: 'node' } },
  {
    path: ['undo'], label: 'taken back', docs: 'By a call, when the run fails or is cancelled after it.', part: 'undo',
    control: { type: 'shape', shapes: [{ label: 'never', value: undefined }, { label: 'by a call', value: { call: '' } }] },
  },
  ...callFields(['undo'], { inputs: 'undo', reach: 'undo', failure: 'undo' }),
];

/** Paths of every node whose text is a name and never an expression. */
export const COMMON_LITERAL: readonly Path[] = [['after'], ['after', '*'], ['on_error'], ['fallback', 'node'], ...callLiteral(['undo'])];
