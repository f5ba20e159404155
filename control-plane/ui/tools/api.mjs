// `npm run api`: types and texts of the operations in src/app/data/api/operations.graphql, from the server's schema. An
// operation that the schema does not allow is refused. With --check nothing is written and a stale file is an error.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema, getNamedType, isAbstractType, isEnumType, isInputObjectType, isListType, isNonNullType, isScalarType, parse, print, specifiedRules, typeFromAST, validate, visit } from 'graphql';
import { root } from './sources.mjs';

const folder = path.join(root, 'src/app/data/api');
const schema = buildSchema(readFileSync(path.join(root, '../server/schema.graphql'), 'utf8'), { assumeValidSDL: true });
const document = parse(readFileSync(path.join(folder, 'operations.graphql'), 'utf8'));
const mistakes = validate(schema, document, specifiedRules);
if (mistakes.length > 0) {
  for (const mistake of mistakes) console.error(`✗ operations.graphql:${mistake.locations?.[0]?.line ?? 0}: ${mistake.message}`);
  process.exit(1);
}
const SCALARS = { JSON: 'Json', Long: 'number', Int: 'number', Float: 'number', String: 'string', ID: 'string', Boolean: 'boolean' };
const fragments = new Map(document.definitions.filter((item) => item.kind === 'FragmentDefinition').map((item) => [item.name.value, item]));
const named = new Map();

function nullable(type, render) {
  if (isNonNullType(type)) return wrapped(type.ofType, render);
  return `${wrapped(type, render)} | null`;
}
function wrapped(type, render) {
  return isListType(type) ? `readonly (${nullable(type.ofType, render)})[]` : render(type);
}
/** The name of an enum or an input; its declaration is written once. */
function declared(type) {
  if (isScalarType(type)) return SCALARS[type.name];
  if (!named.has(type.name)) {
    named.set(type.name, '');
    const doc = type.description ? `/** ${type.description.replaceAll('\n', ' ')} */\n` : '';
    if (isEnumType(type)) named.set(type.name, `${doc}export type ${type.name} = ${type.getValues().map((value) => `'${value.name}'`).join(' | ')};\n`);
    else if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).map((field) => `  readonly ${field.name}${isNonNullType(field.type) ? '' : '?'}: ${nullable(field.type, declared)};`);
      named.set(type.name, `${doc}export interface ${type.name} {\n${fields.join('\n')}\n}\n`);
    }
  }
  return type.name;
}
/** The fields that a selection asks of an object type, fragments written out. */
function fieldsOf(type, set, into = new Map()) {
  for (const item of set.selections) {
    if (item.kind === 'Field') {
      const key = item.alias?.value ?? item.name.value;
      if (item.name.value === '__typename') into.set(key, { text: `'${type.name}'` });
      else into.set(key, { field: type.getFields()[item.name.value], set: item.selectionSet });
      continue;
    }
    const part = item.kind === 'FragmentSpread' ? fragments.get(item.name.value) : item;
    const on = part.typeCondition ? typeFromAST(schema, part.typeCondition) : type;
    if (on === type || (isAbstractType(on) && schema.isSubType(on, type))) fieldsOf(type, part.selectionSet, into);
  }
  return into;
}
function shape(type, set) {
  if (!set) return declared(type);
  const possible = isAbstractType(type) ? schema.getPossibleTypes(type) : [type];
  const shapes = possible.map((one) => {
    const fields = [...fieldsOf(one, set)].map(([key, { text, field, set: inner }]) => `readonly ${key}: ${text ?? nullable(field.type, () => shape(getNamedType(field.type), inner))}`);
    return `{ ${fields.join('; ')} }`;
  });
  return [...new Set(shapes)].join(' | ');
}
/** The fragments that an operation needs, with those that they need. */
function needed(node, into = new Set()) {
  visit(node, { FragmentSpread(spread) {
    const name = spread.name.value;
    if (into.has(name)) return;
    into.add(name);
    needed(fragments.get(name), into);
  } });
  return into;
}
const squeeze = (text) => text.replaceAll(/\s+/g, ' ').trim();
const operations = document.definitions.filter((item) => item.kind === 'OperationDefinition').map((operation) => {
  const name = operation.name.value;
  const roots = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() };
  const variables = (operation.variableDefinitions ?? []).map((variable) => {
    const type = typeFromAST(schema, variable.type);
    return `readonly ${variable.variable.name.value}${isNonNullType(type) ? '' : '?'}: ${nullable(type, declared)}`;
  });
  const text = squeeze([operation, ...[...needed(operation)].map((fragment) => fragments.get(fragment))].map((node) => print(node)).join(' '));
  const given = variables.length === 0 ? 'Record<string, never>' : `{ ${variables.join('; ')} }`;
  return `export type ${name}Data = ${shape(roots[operation.operation], operation.selectionSet)};\nexport type ${name}Variables = ${given};\nexport const ${name}: Operation<${name}Data, ${name}Variables> = { text: ${JSON.stringify(text)} };\n`;
});
const code = [
  '// @generated by `npm run api` from operations.graphql and the schema of the server. Do not edit.\n',
  "import type { Json } from '../../domain/json';\n",
  '/** An operation of the API: its text, and the types of what it takes and gives. */',
  'export interface Operation<Data, Variables> {\n  readonly text: string;\n  /** Exists in types only. */\n  readonly types?: (variables: Variables) => Data;\n}\n',
  ...[...named.values()],
  ...operations,
].join('\n');
const file = path.join(folder, 'operations.ts');
if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== code) {
    console.error('✗ src/app/data/api/operations.ts is not what `npm run api` makes of the schema of today');
    process.exit(1);
  }
} else {
  writeFileSync(file, code);
}
