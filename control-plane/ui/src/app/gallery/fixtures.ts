/** What the gallery shows its components with. Numbers of the demo's run of earthquake-watch. */
import type { PortControl } from '../domain/ports/controls';
import { controlFor } from '../domain/ports/controls';
import type { Json } from '../domain/json';
import type { RunTimeline } from '../domain/timeline/timeline';
import type { Card } from '../editor/card';
import type { NodeRun } from '../editor/canvas/node-card';
import type { RunState } from '../components/status';
import type { Command } from '../state/commands';

export const STATES: readonly { readonly state: RunState; readonly says: string }[] = [
  { state: 'queued', says: 'accepted, no host has taken it' },
  { state: 'running', says: 'a host has it; the only thing that moves' },
  { state: 'waiting', says: 'for a person; costs nothing' },
  { state: 'paused', says: 'by somebody; no step begins until it goes on' },
  { state: 'done', says: 'quiet: glyph only, no fill' },
  { state: 'failed', says: 'says what, where, and offers the mend' },
  { state: 'review', says: 'the outcome is unknown; a person decides' },
  { state: 'skipped', says: 'nothing in “after” happened' },
  { state: 'offline', says: 'the host is away; work goes on there' },
];

const card = (id: string, line: string, icon: string, more: Partial<Card> = {}): Card => ({ id, name: id, icon, line, formula: '', chips: [], outcomes: [], port: true, tall: false, list: false, disabled: false, problem: null, ...more });
const chat = { icon: 'globe', text: 'chat.example.com', kind: '' } as const;
const notify = card('notify', 'flowforge:http/post', 'http', { chips: [chat] });
const label = card('label', 'demo:quake-text/label', 'text', { chips: [{ icon: 'pure', text: 'pure', kind: 'flat' }] });
const confirm = card('confirm', 'approval · asks duty, 72h', 'approval', { chips: [{ icon: 'approval', text: 'duty', kind: '' }, { icon: 'schedule', text: '72h', kind: '' }] });
const run = (state: RunState, text: string, time: string, share?: number): NodeRun => ({ state, text, time, ...(share === undefined ? {} : { share }) });

export const CARDS: readonly { readonly title: string; readonly card: Card; readonly selected?: boolean; readonly run?: NodeRun }[] = [
  { title: 'At rest', card: notify },
  { title: 'Selected', card: notify, selected: true },
  { title: 'Several chips', card: { ...notify, tall: true, chips: [chat, { icon: 'key', text: 'chat_token', kind: '' }, { icon: 'globe', text: 'feed.example.com', kind: '' }] } },
  { title: 'Wrong: where and the mend', card: { ...label, problem: '`quke` is not in reach here' } },
  { title: 'Disabled', card: { ...notify, disabled: true } },
  { title: 'A formula', card: card('quakes', 'set', 'set', { formula: 'chosen = fetch.body.features.filter(f, f.properties.mag >= 4)' }) },
  { title: 'Outcomes', card: card('gate', 'switch · first true case', 'switch', { outcomes: [{ name: 'strong', when: 'stats.max >= 6.0' }, { name: 'quiet', when: 'else' }] }) },
  { title: 'Approval', card: confirm },
  { title: 'Queued', card: label, run: run('queued', 'for 4 s', 'edge-demo') },
  { title: 'Running', card: label, run: run('running', '57 of 128', '0.2 s', 0.45) },
  { title: 'Waiting', card: confirm, run: run('waiting', 'duty', '0:00:41') },
  { title: 'Done: quiet', card: card('report', 'flowforge:convert/to_csv', 'file'), run: run('done', '128 rows · 8.0 KB', '29 ms') },
  { title: 'Failed', card: notify, run: run('failed', '503, 3 tries', '6.1 s') },
  { title: 'Needs review', card: notify, run: run('review', 'sent, no answer', '?') },
  { title: 'Skipped: why', card: confirm, run: run('skipped', 'gate went quiet', '') },
  { title: 'Not heard from', card: label, run: run('offline', 'since 09:14', '') },
];

export const PORTS: readonly { readonly name: string; readonly words: string; readonly docs: string; readonly control: PortControl; readonly value: Json | undefined }[] = [
  { name: 'place', words: 'text', docs: 'Where it was.', control: controlFor({ type: 'string' }), value: '7km E of Hualian' },
  { name: 'magnitude', words: 'expression', docs: '', control: controlFor({ type: 'f64' }), value: '${quake.properties.mag}' },
  { name: 'depth', words: 'whole number, 0 to 255', docs: '', control: controlFor({ type: 'u8' }), value: 256 },
  { name: 'strict', words: 'true or false', docs: 'Refuses rows that do not fit.', control: controlFor({ type: 'bool' }), value: true },
  { name: 'strength', words: 'light, moderate or strong', docs: '', control: controlFor({ type: 'enum', cases: [{ name: 'light' }, { name: 'moderate' }, { name: 'strong' }] }), value: 'moderate' },
  { name: 'rights', words: 'any of read and write', docs: '', control: controlFor({ type: 'flags', flags: [{ name: 'read' }, { name: 'write' }] }), value: ['read'] },
  { name: 'columns', words: 'list of text', docs: '', control: controlFor({ type: 'list', element: { type: 'string' } }), value: ['magnitude', 'line'] },
  { name: 'body', words: 'none, text or json', docs: '', control: controlFor({ type: 'variant', cases: [{ name: 'none' }, { name: 'text', ty: { type: 'string' } }, { name: 'json', ty: { type: 'json' } }] }), value: { kind: 'text', value: 'Hello' } },
  { name: 'sender', words: 'object', docs: '', control: controlFor({ type: 'record', fields: [{ name: 'name', ty: { type: 'string' } }, { name: 'note', ty: { type: 'option', inner: { type: 'string' } }, docs: 'For people.' }] }), value: { name: 'duty' } },
  { name: 'extra', words: 'any value', docs: '', control: controlFor({ type: 'json' }), value: { a: [1, 2] } },
];

export const TIMELINE: RunTimeline = {
  host: 'edge-demo',
  length: 41_820,
  gaps: [
    { kind: 'down', from: 318, to: 380, text: '09:14:02.3 host killed; back in 62 ms, 57 labels recorded, 8 computed again' },
    { kind: 'gap', from: 26_000, to: 34_000, text: '09:14:28 not heard from for 8 s' },
  ],
  rows: [
    { id: 'fetch', name: 'fetch', state: 'done', tries: 1, result: '200, 1,707 features, 1.2 MB', attempts: [], segments: [{ kind: 'queue', from: 0, to: 30 }, { kind: 'work', from: 30, to: 76 }] },
    { id: 'quakes', name: 'quakes', state: 'done', tries: 1, result: 'chosen: 128', attempts: [], segments: [{ kind: 'work', from: 76, to: 114 }] },
    {
      id: 'labels', name: 'labels', state: 'done', tries: 136, result: '',
      segments: [{ kind: 'work', from: 114, to: 318 }, { kind: 'work', from: 380, to: 711 }],
      attempts: [
        { name: 'attempt 1', tries: '57 + 8', segments: [{ kind: 'work', from: 114, to: 302 }, { kind: 'unknown', from: 302, to: 318 }] },
        { name: 'attempt 2', tries: '71', segments: [{ kind: 'queue', from: 380, to: 386 }, { kind: 'work', from: 386, to: 711 }] },
      ],
    },
    { id: 'stats', name: 'stats', state: 'done', tries: 1, result: '', attempts: [], segments: [{ kind: 'work', from: 711, to: 716 }] },
    { id: 'confirm', name: 'confirm', state: 'done', tries: 0, result: '', attempts: [], segments: [{ kind: 'person', from: 716, to: 41_716, label: '41.0 s, Ana Ruiz' }] },
    { id: 'report', name: 'report', state: 'done', tries: 1, result: '', attempts: [], segments: [{ kind: 'work', from: 41_720, to: 41_749 }] },
    { id: 'notify', name: 'notify', state: 'failed', tries: 2, result: '', attempts: [], segments: [{ kind: 'work', from: 41_760, to: 41_781, state: 'failed' }, { kind: 'work', from: 41_796, to: 41_818 }] },
  ],
};

export const COMMANDS: readonly Command[] = [
  { id: 'demo-1', title: 'earthquake-watch', icon: 'workflows', group: 'Go to', hint: 'workflow, waits for duty', run: () => undefined },
  { id: 'demo-2', title: 'quakes', icon: 'set', group: 'Go to', hint: 'set', run: () => undefined },
  { id: 'demo-3', title: 'Add a node', icon: 'plus', group: 'Do', keys: 'Tab', run: () => undefined },
  { id: 'demo-4', title: 'Publish…', icon: 'verified', group: 'Do', disabled: 'needs the role “publisher”', run: () => undefined },
];
