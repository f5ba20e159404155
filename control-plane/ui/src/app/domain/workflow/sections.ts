/**
 * What can be done to a workflow beside its nodes: title, input, config, secrets, triggers, output.
 *
 * A section that is not there yet is written where people look for it, in the order of the language, and not at the end.
 */
import type { Model } from '../document/model';
import { isList, isObject, type Json, type JsonObject, type Path, pathText } from '../json';
import { lineBreak, lineStart } from '../text/lines';
import { TextDraft } from '../yaml/draft';
import { EditRefused } from '../yaml/edit';
import { toJson, type YamlMap } from '../yaml/tree';
import { entryLines } from '../yaml/write';
import { freeName, nameProblem } from './names';
import { finish, type Operation, startOf } from './operations';
import { SECTIONS } from './problems';

/** A trigger that the form can make. */
export type TriggerType = 'webhook' | 'schedule';

/** A trigger of the file, as the form shows it. */
export interface TriggerRow {
  readonly name: string;
  /** The key that says what it is; empty if there is none. */
  readonly type: string;
  readonly value: JsonObject;
}

/** A field of the input, as the form shows it. */
export interface InputRow {
  readonly name: string;
  readonly value: JsonObject;
}

/** The triggers, in the order of the file. */
export function triggerRows(model: Model): TriggerRow[] {
  return entriesOf(top(model)['triggers']).map(([name, value]) => {
    const [type = '', inner] = Object.entries(isObject(value) ? value : {})[0] ?? [];
    return { name, type, value: isObject(inner) ? inner : {} };
  });
}

/** The fields that a run is asked for, in the order of the file. */
export function inputRows(model: Model): InputRow[] {
  return entriesOf(top(model)['input']).filter(([name]) => name !== 'additional').map(([name, value]) => ({ name, value: isObject(value) ? value : {} }));
}

/** The names of secrets that the file declares. */
export function secretNames(model: Model): string[] {
  const names = top(model)['secrets'];
  return isList(names) ? names.filter((name): name is string => typeof name === 'string') : [];
}

/** Puts a value into a section, or takes it away with what becomes empty. */
export function setSection(model: Model, path: Path, value: Json | undefined): Operation {
  const draft = new TextDraft(model.source);
  write(draft, path, value);
  return { ...finish(model, draft, `Change ${pathText(path)}`, []), joins: `set ${pathText(path)}` };
}

/** Gives an entry of a section another name. */
export function renameSection(model: Model, path: Path, to: string): Operation {
  const problem = nameProblem(to);
  if (problem) throw new EditRefused(problem);
  const draft = new TextDraft(model.source);
  draft.rename(path, to);
  return finish(model, draft, `Rename ${pathText(path)} to ${to}`, []);
}

/** Adds a trigger: a webhook at an address of the workflow's name, or a time table for every morning. */
export function addTrigger(model: Model, type: TriggerType): Operation {
  const draft = new TextDraft(model.source);
  const taken = new Set(triggerRows(model).map((row) => row.name));
  const name = freeName(type === 'webhook' ? 'web' : 'timer', taken);
  const path = `${model.graph.name || 'workflow'}${name === 'web' ? '' : `-${name.replaceAll('_', '-')}`}`;
  const value: JsonObject = type === 'webhook' ? { webhook: { path, scheme: 'none' } } : { schedule: { cron: '0 8 * * *', time_zone: 'UTC' } };
  startOf(draft);
  write(draft, ['triggers', name], value);
  return finish(model, draft, `Add the trigger ${name}`, []);
}

/**
 * Says how the sender of a webhook proves who they are. A scheme needs a key, whose name is declared among the secrets;
 * `none` has none.
 */
export function setScheme(model: Model, trigger: string, scheme: string, secret: string): Operation {
  const draft = new TextDraft(model.source);
  const at = ['triggers', trigger, 'webhook'];
  write(draft, [...at, 'hmac'], undefined, at.length);
  write(draft, [...at, 'scheme'], scheme);
  if (scheme === 'none') {
    write(draft, [...at, 'secret'], undefined, at.length);
  } else {
    const problem = nameProblem(secret);
    if (problem) throw new EditRefused(problem);
    write(draft, [...at, 'secret'], secret);
    if (!secretNames(model).includes(secret)) write(draft, ['secrets'], [...secretNames(model), secret]);
  }
  return finish(model, draft, `Change triggers.${trigger}`, []);
}

/** Adds a field to what a run is asked for. */
export function addInput(model: Model): Operation {
  const draft = new TextDraft(model.source);
  const name = freeName('value', new Set(inputRows(model).map((row) => row.name)));
  startOf(draft);
  write(draft, ['input', name], { type: 'string' });
  return finish(model, draft, `Add the input ${name}`, []);
}

/** Writes into the text; a new section stands where the language has it. */
function write(draft: TextDraft, path: Path, value: Json | undefined, keep = 0): void {
  if (value === undefined) {
    draft.unset(path, keep);
    return;
  }
  const [key, ...rest] = path;
  const { root, text } = draft.source;
  const known = root?.kind === 'map' && !root.flow ? root : null;
  if (typeof key !== 'string' || known === null || known.entries.some((entry) => entry.key === key)) {
    draft.set(path, value);
    return;
  }
  const next = following(known, key);
  if (next === null) {
    draft.set(path, value);
    return;
  }
  const eol = lineBreak(text);
  const at = aboveComments(text, lineStart(text, next));
  const whole = rest.reduceRight<Json>((inner, step) => ({ [String(step)]: inner }), value);
  draft.patch([{ from: at, to: at, insert: entryLines(key, whole).map((line) => `${line}${eol}`).join('') }]);
}

/** Where the first section begins that stands behind this one in the order of the language; null if none does. */
function following(root: YamlMap, key: string): number | null {
  const place = SECTIONS.indexOf(key);
  const next = root.entries.find((entry) => SECTIONS.indexOf(entry.key) > place);
  return place < 0 || next === undefined ? null : next.keyFrom;
}

/** The line above which the comments of a section begin. */
function aboveComments(text: string, line: number): number {
  let at = line;
  while (at > 0) {
    const before = lineStart(text, at - 1);
    if (!text.startsWith('#', before)) break;
    at = before;
  }
  return at;
}

function top(model: Model): JsonObject {
  const value = toJson(model.source.root);
  return isObject(value) ? value : {};
}

function entriesOf(value: Json | undefined): [string, Json][] {
  return isObject(value) ? Object.entries(value) : [];
}
