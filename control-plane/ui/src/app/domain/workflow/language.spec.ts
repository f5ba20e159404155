/** The model knows the whole language: everything in its schema, in its documentation and in the examples. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

import { modelOf } from '../document/model';
import { isList, isObject, type Json, type JsonObject, valueAt } from '../json';
import { EMPTY_LAYOUT } from '../layout/layout';
import { nodeAt, readYaml } from '../yaml/tree';
import { plain } from './field';
import { allows, type FieldSpec, fieldsOf, kindOf, KINDS } from './kinds';
import { nameProblem } from './names';
import { type Problem, problemsOf, SECTIONS } from './problems';

const repository = path.resolve(import.meta.dirname, '../../../../../..');
const schema = JSON.parse(readFileSync(path.join(repository, 'examples/workflow.schema.json'), 'utf8')) as Json;
const definition = (name: string): JsonObject => {
  const found = valueAt(schema, ['$defs', name]);
  if (!isObject(found)) throw new Error(`the schema has no ${name}`);
  return found;
};
const strings = (value: Json | undefined): string[] => (isList(value) ? value.filter((item) => typeof item === 'string') : []);
const nodeKinds = (isList(definition('node')['oneOf']) ? (definition('node')['oneOf'] as readonly Json[]) : []).map((item) => plain(valueAt(item, ['$ref'])).replace('#/$defs/', ''));

/** Every property below a part of the schema, with what the schema says of it: alternatives and references written out. */
function properties(part: Json | undefined, at: readonly string[]): { path: readonly string[]; spec: JsonObject }[] {
  if (!isObject(part)) return [];
  const reference = part['$ref'];
  if (typeof reference === 'string') return reference === '#/$defs/nodes' ? [] : properties(definition(reference.replace('#/$defs/', '')), at);
  const own = Object.entries(isObject(part['properties']) ? part['properties'] : {}).flatMap(([name, inner]) => {
    const spec = isObject(inner) && typeof inner['$ref'] === 'string' ? { ...definition(inner['$ref'].replace('#/$defs/', '')), ...inner } : inner;
    return [...(isObject(spec) ? [{ path: [...at, name], spec }] : []), ...properties(inner, [...at, name])];
  });
  return [...own, ...(isList(part['oneOf']) ? part['oneOf'].flatMap((item) => properties(item, at)) : [])];
}

/** Whether a form edits this property: itself, or as a part of a value whose keys are the author's. */
function edits(field: FieldSpec, at: readonly string[]): boolean {
  return field.path.every((step, index) => step === at[index]) && (field.path.length === at.length || ['ports', 'value', 'values', 'slots', 'expressions'].includes(field.control.type));
}

/** What a yaml text of the documentation describes: a whole workflow, sections of one, or nodes. */
function asWorkflow(text: string): { readonly sections: readonly string[]; readonly workflow: string } {
  const source = readYaml(text);
  const keys = source.root?.kind === 'map' ? source.root.entries.map((entry) => entry.key) : [];
  if (keys.every((key) => SECTIONS.includes(key))) return { sections: keys, workflow: '' };
  return { sections: [], workflow: `workflow: shown\nnodes:\n${text.split('\n').map((line) => (line === '' ? '' : `  ${line}`)).join('\n')}` };
}

/** Problems that say that a key, a kind or a value is not of the language. A part of a workflow may name what stands elsewhere. */
const unknown = (problems: readonly Problem[]): string[] => problems.filter(({ code }) => !['FF-WF-013', 'FF-WF-021'].includes(code)).map(({ code, node, message }) => `${code} ${node ?? ''}: ${message}`);
const problems = (text: string): Problem[] => {
  const { source, graph } = modelOf(text, EMPTY_LAYOUT);
  return problemsOf(source, graph);
};

describe('the schema of the language', () => {
  it('has no section that is unknown here, and none is made up', () => {
    expect([...SECTIONS].sort()).toEqual(Object.keys(isObject(valueAt(schema, ['properties'])) ? (valueAt(schema, ['properties']) as JsonObject) : {}).sort());
  });

  it('has the kinds of nodes that the table has', () => {
    expect(KINDS.map(({ key }) => key).sort()).toEqual([...nodeKinds].sort());
  });

  it.each(nodeKinds)('has no property of %s without a form', (name) => {
    const kind = kindOf(name);
    if (!kind) throw new Error(`${name} is not in the table`);
    const fields = fieldsOf(kind);
    const shown = properties(definition(name), []);
    expect(shown.filter(({ path: [first = ''] }) => !allows(kind, first))).toEqual([]);
    const formless = shown.filter(({ path: at, spec }) => at[0] !== kind.body && !fields.some((field) => edits(field, at)) && properties(spec, []).length === 0);
    expect(formless.map(({ path: at }) => at.join('.'))).toEqual([]);
  });

  it.each(nodeKinds)('has the same bounds and choices for %s as its form', (name) => {
    const kind = kindOf(name);
    const told: string[] = [];
    for (const { path: at, spec } of properties(definition(name), [])) {
      const field = kind && fieldsOf(kind).find((candidate) => candidate.path.join('.') === at.join('.'));
      if (!field) continue;
      const { control } = field;
      if (typeof spec['maximum'] === 'number') expect([at, control]).toEqual([at, { type: 'integer', min: spec['minimum'], max: spec['maximum'] }]);
      if (isList(spec['enum'])) expect([at, control.type === 'choice' ? control.options : control]).toEqual([at, spec['enum']]);
      const items = valueAt(spec, ['items', 'enum']);
      if (isList(items)) expect([at, control.type === 'names' ? control.options : control]).toEqual([at, items]);
      told.push(at.join('.'));
    }
    expect(told).toContain('on_error');
  });

  it('reserves the names that are refused here', () => {
    const reserved = strings(valueAt(definition('free_name'), ['not', 'enum']));
    expect(reserved.length).toBeGreaterThan(10);
    expect(reserved.filter((name) => nameProblem(name) === null)).toEqual([]);
  });
});

describe('the documentation of the language', () => {
  const blocks = [...readFileSync(path.join(repository, 'docs/language.md'), 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);

  it('has texts', () => {
    expect(blocks.length).toBeGreaterThan(10);
  });

  it.each(blocks)('shows nothing that is unknown: %s', (text) => {
    const { sections, workflow } = asWorkflow(text);
    if (workflow === '') expect(sections.length).toBeGreaterThan(0);
    else expect(unknown(problems(workflow))).toEqual([]);
  });
});

describe('every example', () => {
  const files = readdirSync(path.join(repository, 'examples'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('workflow.yaml') || /parent-child.*\.yaml$/.test(name));

  it.each(files)('%s is right', (name) => {
    const text = readFileSync(path.join(repository, 'examples', name), 'utf8');
    expect(unknown(problems(text))).toEqual([]);
    expect(problems(text)).toEqual([]);
    expect(nodeAt(readYaml(text).root, ['nodes'])?.kind).toBe('map');
  });
});
