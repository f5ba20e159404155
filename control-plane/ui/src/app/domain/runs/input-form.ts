/** From the JSON Schema of a workflow's input to fields that people fill in, and from what they type to values. */
import { isList, isObject, type Json } from '../json';
import { jsonText } from '../json-text';
import { readJson, readNumber, type Typed } from '../typed-json';

/** One field. */
export interface InputField {
  readonly name: string;
  readonly control: 'text' | 'number' | 'choice' | 'json';
  /** Its type and bounds, for people. */
  readonly words: string;
  readonly docs: string;
  readonly required: boolean;
  readonly options: readonly string[];
  /** What stands in it at first. */
  readonly initial: string;
  readonly type: string;
}

/** The fields of a schema, in its order. */
export function fieldsOfSchema(schema: Json): InputField[] {
  const properties = isObject(schema) && isObject(schema['properties']) ? schema['properties'] : {};
  const wanted = isObject(schema) && isList(schema['required']) ? schema['required'] : [];
  return Object.entries(properties).map(([name, property]) => {
    const spec = isObject(property) ? property : {};
    const type = typeof spec['type'] === 'string' ? spec['type'] : '';
    const choices = isList(spec['enum']) ? spec['enum'].flatMap((option) => (typeof option === 'string' ? [option] : [])) : [];
    const control = type === 'boolean' || choices.length > 0 ? 'choice' : type === 'string' ? 'text' : type === 'number' || type === 'integer' ? 'number' : 'json';
    const initial = spec['default'];
    return {
      name,
      type,
      control,
      words: wordsOf(type, spec['minimum'], spec['maximum'], wanted.includes(name)),
      docs: [spec['title'], spec['description']].filter((words) => typeof words === 'string').join('. '),
      required: wanted.includes(name),
      options: choices.length > 0 ? choices : ['true', 'false'],
      initial: initial === undefined ? '' : typeof initial === 'string' ? initial : jsonText(initial),
    };
  });
}

/** The fields of a question's form: a list of fields, each with its schema. */
export function fieldsOfForm(form: Json): InputField[] {
  const properties: Record<string, Json> = {};
  const required: string[] = [];
  for (const field of isList(form) ? form : []) {
    if (!isObject(field) || typeof field['name'] !== 'string') continue;
    const given = isObject(field['schema']) ? field['schema'] : {};
    properties[field['name']] = 'default' in field ? { ...given, default: field['default'] ?? null } : given;
    if (!('default' in field) && field['optional'] !== true) required.push(field['name']);
  }
  return fieldsOfSchema({ properties, required });
}

function wordsOf(type: string, minimum: Json | undefined, maximum: Json | undefined, required: boolean): string {
  const names: Readonly<Record<string, string>> = { string: 'text', number: 'number', integer: 'whole number', boolean: 'true or false', array: 'list, as JSON', object: 'object, as JSON' };
  const bounds = typeof minimum === 'number' && typeof maximum === 'number' ? `, ${String(minimum)} to ${String(maximum)}` : typeof minimum === 'number' ? `, at least ${String(minimum)}` : typeof maximum === 'number' ? `, at most ${String(maximum)}` : '';
  return `${names[type] ?? 'JSON'}${bounds}${required ? '' : ', may be left out'}`;
}

/** What was typed, as a value; undefined if it is left out. Bounds are the server's to check, which names the place. */
export function readField(field: InputField, typed: string): Typed {
  if (typed.trim() === '') return field.required && field.type !== 'string' ? { mistake: 'A value is needed.' } : field.required ? { value: typed } : {};
  if (field.control === 'text' || (field.control === 'choice' && field.type !== 'boolean')) return { value: typed };
  return field.control === 'number' ? readNumber(typed) : readJson(typed);
}

/** The input that was typed into the fields, and what is wrong with it by field. */
export function readInput(fields: readonly InputField[], texts: ReadonlyMap<string, string>): { readonly input: Readonly<Record<string, Json>>; readonly mistakes: ReadonlyMap<string, string> } {
  const input: Record<string, Json> = {};
  const mistakes = new Map<string, string>();
  for (const field of fields) {
    const read = readField(field, texts.get(field.name) ?? '');
    if (read.mistake !== undefined) mistakes.set(field.name, read.mistake);
    else if (read.value !== undefined) input[field.name] = read.value;
  }
  return { input, mistakes };
}

/** What the server says of the fields of a form, by the name of each; the rest of it under an empty name. */
export function mistakesOfForm(fields: readonly { readonly path: string; readonly message: string }[]): ReadonlyMap<string, string> {
  return mistakesBy(fields.map(({ path, message }) => ({ path: path.replace(/^form\.?/, ''), message })));
}

/** What the server says of fields, by the name of each. */
export function mistakesBy(fields: readonly { readonly path: string; readonly message: string }[]): ReadonlyMap<string, string> {
  return new Map(fields.map((field) => [field.path.split(/[.[]/)[0] ?? '', `${field.path}: ${field.message}`]));
}
