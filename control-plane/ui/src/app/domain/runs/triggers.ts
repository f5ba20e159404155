/** The triggers of a workflow as its release declares them. Reads what it knows; another kind keeps its name. */
import { isList, isObject, type Json, type JsonObject } from '../json';

/** One trigger. */
export interface Trigger {
  readonly name: string;
  readonly type: string;
  /** Of a webhook, behind `/hooks/`; of a form, behind `/forms/`. */
  readonly path: string | null;
  /** The secret whose key signs the requests of a webhook. */
  readonly secret: string | null;
  readonly cron: string;
  readonly zone: string;
  /** What a request or a moment does, for people. */
  readonly does: string;
}

const ANSWERS: Readonly<Record<string, string>> = { at_once: 'starts a run, answers at once', result: 'starts a run, answers with its result', respond: 'starts a run, answers when it says so' };

/** Every trigger, in the order of the file. */
export function triggersOf(triggers: Json): Trigger[] {
  return (isList(triggers) ? triggers : []).flatMap((trigger) => {
    if (!isObject(trigger)) return [];
    const [type = '', inner = null] = Object.entries(isObject(trigger['kind']) ? trigger['kind'] : {})[0] ?? [];
    const spec = isObject(inner) ? inner : {};
    const zone = text(spec, 'time_zone');
    return { name: text(trigger, 'name'), type, path: hasPath(type) ? text(spec, 'path') : null, secret: text(spec, 'hmac') || null, cron: text(spec, 'cron'), zone: zone === '' ? 'UTC' : zone, does: doing(type, spec) };
  });
}

/** Whether a run was started by this trigger. A schedule leaves no name in the run, so that any schedule of the workflow counts. */
export function isStartedBy(started: Json, trigger: Trigger): boolean {
  if (!isObject(started) || started['kind'] !== trigger.type) return false;
  return !hasPath(trigger.type) || started['path'] === trigger.path;
}

/** What started a run: `by hand`, `webhook orders`, `schedule`. */
export function startedBy(started: Json): string {
  if (!isObject(started)) return 'by hand';
  switch (started['kind']) {
    case 'webhook':
      return `webhook ${text(started, 'path')}`;
    case 'form':
      return `form ${text(started, 'path')}`;
    case 'run_ended':
      return 'the end of another run';
    case 'schedule':
      return 'schedule';
    case 'parent':
      return 'another run';
    default: {
      const by = text(started, 'by');
      return by === '' || by === 'local' ? 'by hand' : `by ${by}`;
    }
  }
}

function hasPath(type: string): boolean {
  return type === 'webhook' || type === 'form';
}

function doing(type: string, spec: JsonObject): string {
  if (type === 'schedule') return 'starts a run';
  if (type === 'form') return text(spec, 'answer') === 'result' ? 'a page that shows the result' : 'a page that starts a run';
  if (type !== 'webhook') return '';
  const signal = isObject(spec['signal']) ? text(spec['signal'], 'name') : '';
  return signal === '' ? (ANSWERS[text(spec, 'answer')] ?? 'starts a run, answers at once') : `sends the signal ${signal}`;
}

function text(spec: JsonObject, key: string): string {
  const found = spec[key];
  return typeof found === 'string' ? found : '';
}
