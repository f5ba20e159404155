/**
 * From the type of a port to the control that edits it, and back from what was entered to what is wrong with it.
 *
 * The shapes of values are those that the ports accept as JSON. A value with an expression in it is not judged here:
 * what it gives is known only when it is evaluated.
 */
import { isList, isObject, type Json, type Path } from '../json';
import { jsonText } from '../json-text';
import type { IntegerName, WitName, WitType } from './interface';

/** How a value of a port is edited. */
export type PortControl =
  | { readonly type: 'toggle' }
  | { readonly type: 'integer'; readonly min: bigint; readonly max: bigint; readonly large: boolean }
  | { readonly type: 'number' }
  | { readonly type: 'character' }
  | { readonly type: 'text' }
  | { readonly type: 'json' }
  | { readonly type: 'bytes' }
  | { readonly type: 'artefact' }
  | { readonly type: 'list'; readonly element: PortControl }
  | { readonly type: 'optional'; readonly inner: PortControl; readonly nested: boolean }
  | { readonly type: 'tuple'; readonly items: readonly PortControl[] }
  | { readonly type: 'record'; readonly fields: readonly { readonly name: string; readonly control: PortControl; readonly docs: string; readonly required: boolean }[] }
  | { readonly type: 'variant'; readonly cases: readonly { readonly name: string; readonly control: PortControl | null; readonly docs: string }[] }
  | { readonly type: 'choice'; readonly options: readonly WitName[] }
  | { readonly type: 'flags'; readonly options: readonly WitName[] };

const BOUNDS: Readonly<Record<IntegerName, readonly [bigint, bigint]>> = {
  s8: [-128n, 127n],
  u8: [0n, 255n],
  s16: [-32768n, 32767n],
  u16: [0n, 65535n],
  s32: [-2147483648n, 2147483647n],
  u32: [0n, 4294967295n],
  s64: [-9223372036854775808n, 9223372036854775807n],
  u64: [0n, 18446744073709551615n],
};

/** The control for a type. */
export function controlFor(type: WitType): PortControl {
  switch (type.type) {
    case 'bool':
      return { type: 'toggle' };
    case 's8':
    case 'u8':
    case 's16':
    case 'u16':
    case 's32':
    case 'u32':
    case 's64':
    case 'u64': {
      const [min, max] = BOUNDS[type.type];
      return { type: 'integer', min, max, large: type.type === 's64' || type.type === 'u64' };
    }
    case 'f32':
    case 'f64':
      return { type: 'number' };
    case 'char':
      return { type: 'character' };
    case 'string':
      return { type: 'text' };
    case 'json':
    case 'bytes':
    case 'artefact':
      return { type: type.type };
    case 'list':
      return { type: 'list', element: controlFor(type.element) };
    case 'option':
      return { type: 'optional', inner: controlFor(type.inner), nested: type.inner.type === 'option' };
    case 'tuple':
      return { type: 'tuple', items: type.items.map(controlFor) };
    case 'record':
      return {
        type: 'record',
        fields: type.fields.map((field) => ({ name: field.name, control: controlFor(field.ty), docs: field.docs ?? '', required: field.ty.type !== 'option' })),
      };
    case 'variant':
      return { type: 'variant', cases: type.cases.map((found) => ({ name: found.name, control: found.ty ? controlFor(found.ty) : null, docs: found.docs ?? '' })) };
    case 'result':
      return {
        type: 'variant',
        cases: [
          { name: 'ok', control: type.ok ? controlFor(type.ok) : null, docs: '' },
          { name: 'err', control: type.err ? controlFor(type.err) : null, docs: '' },
        ],
      };
    case 'enum':
      return { type: 'choice', options: type.cases };
    case 'flags':
      return { type: 'flags', options: type.flags };
  }
}

/** What a person calls a value of a type: `whole number, 0 to 255`, `light, moderate or strong`. */
export function typeWords(type: WitType): string {
  const control = controlFor(type);
  switch (control.type) {
    case 'toggle':
      return 'true or false';
    case 'integer':
      return control.max > 4294967295n ? 'whole number' : `whole number, ${String(control.min)} to ${String(control.max)}`;
    case 'number':
      return 'number';
    case 'character':
      return 'one character';
    case 'text':
      return 'text';
    case 'json':
      return 'any value';
    case 'bytes':
      return 'base64 text';
    case 'artefact':
      return 'file';
    case 'list':
      return type.type === 'list' ? `list of ${typeWords(type.element)}` : 'list';
    case 'optional':
      return type.type === 'option' ? `${typeWords(type.inner)}, optional` : 'optional';
    case 'tuple':
      return `list of ${String(control.items.length)}`;
    case 'record':
      return 'object';
    case 'variant':
      return oneOf(control.cases.map((found) => found.name));
    case 'choice':
      return oneOf(control.options.map((option) => option.name));
    case 'flags':
      return `any of ${oneOf(control.options.map((option) => option.name)).replace(' or ', ' and ')}`;
  }
}

const SHOWN = 6;

function oneOf(names: readonly string[]): string {
  if (names.length > SHOWN) return `${names.slice(0, SHOWN).join(', ')} …`;
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1) ?? ''}`;
}

/** A value to begin with. */
export function initialValue(control: PortControl): Json {
  switch (control.type) {
    case 'toggle':
      return false;
    case 'integer':
      return control.min > 0n ? Number(control.min) : 0;
    case 'number':
      return 0;
    case 'character':
    case 'text':
    case 'bytes':
      return '';
    case 'json':
    case 'artefact':
    case 'optional':
      return null;
    case 'list':
    case 'flags':
      return [];
    case 'tuple':
      return control.items.map(initialValue);
    case 'record':
      return Object.fromEntries(control.fields.filter((field) => field.required).map((field) => [field.name, initialValue(field.control)]));
    case 'variant': {
      const [first] = control.cases;
      return first ? caseValue(first.name, first.control) : null;
    }
    case 'choice':
      return control.options[0]?.name ?? '';
  }
}

/** The value of a variant's case. */
export function caseValue(name: string, control: PortControl | null): Json {
  return control ? { kind: name, value: initialValue(control) } : { kind: name };
}

/** Something that a port would not accept. */
export interface PortProblem {
  readonly path: Path;
  readonly message: string;
}

/** Whether a value is decided by an expression. */
export function isExpression(value: Json | undefined): boolean {
  return typeof value === 'string' && value.includes('${');
}

/** What a port would not accept in a value. */
export function portProblems(control: PortControl, value: Json | undefined, path: Path = []): PortProblem[] {
  if (isExpression(value)) return [];
  const wrong = (message: string): PortProblem[] => [{ path, message }];
  if (control.type === 'optional') return optionalProblems(control, value, path);
  if (control.type === 'json') return [];
  if (value === undefined || value === null) return wrong('a value is missing here');
  switch (control.type) {
    case 'toggle':
      return typeof value === 'boolean' ? [] : wrong('true or false is wanted here');
    case 'integer':
      return integerProblems(control, value).flatMap(wrong);
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint' ? [] : wrong('a number is wanted here');
    case 'character':
      return typeof value === 'string' && Array.from(value).length === 1 ? [] : wrong('exactly one character is wanted here');
    case 'text':
      return typeof value === 'string' ? [] : wrong('text is wanted here; put it in quotes');
    case 'bytes':
      return typeof value === 'string' && /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value) ? [] : wrong('base64 text is wanted here');
    case 'artefact':
      return isObject(value) && ['digest', 'name', 'media_type', 'size'].every((key) => key in value) ? [] : wrong('a file is wanted here: use the output of a node that makes one');
    case 'list':
      if (!isList(value)) return wrong('a list is wanted here');
      return value.flatMap((item, index) => portProblems(control.element, item, [...path, index]));
    case 'tuple':
      if (!isList(value) || value.length !== control.items.length) return wrong(`a list of ${String(control.items.length)} is wanted here`);
      return control.items.flatMap((item, index) => portProblems(item, value[index], [...path, index]));
    case 'record': {
      if (!isObject(value)) return wrong('an object is wanted here');
      const known = new Set(control.fields.map((field) => field.name));
      const strange = Object.keys(value).filter((key) => !known.has(key)).map((key) => ({ path: [...path, key], message: `there is no field \`${key}\`` }));
      return [...control.fields.flatMap((field) => portProblems(field.control, value[field.name], [...path, field.name])), ...strange];
    }
    case 'variant': {
      const chosen = isObject(value) ? control.cases.find((candidate) => candidate.name === value['kind']) : undefined;
      if (!chosen || !isObject(value)) return wrong(`\`kind\` must be ${oneOf(control.cases.map((candidate) => candidate.name))}`);
      return chosen.control ? portProblems(chosen.control, value['value'], [...path, 'value']) : [];
    }
    case 'choice':
      return control.options.some((option) => option.name === value) ? [] : wrong(`must be ${oneOf(control.options.map((option) => option.name))}`);
    case 'flags': {
      if (!isList(value)) return wrong('a list of names is wanted here');
      const unknown = value.find((item) => !control.options.some((option) => option.name === item));
      if (unknown !== undefined) return wrong(`there is no \`${typeof unknown === 'string' ? unknown : jsonText(unknown)}\``);
      return new Set(value).size === value.length ? [] : wrong('a name stands here twice');
    }
  }
}

function optionalProblems(control: PortControl & { type: 'optional' }, value: Json | undefined, path: Path): PortProblem[] {
  if (value === undefined || value === null) return [];
  if (!control.nested) return portProblems(control.inner, value, path);
  if (!isObject(value) || !('some' in value)) return [{ path, message: 'write {"some": …} here' }];
  return portProblems(control.inner, value['some'], [...path, 'some']);
}

function integerProblems(control: PortControl & { type: 'integer' }, value: Json): string[] {
  let number: bigint;
  if (typeof value === 'bigint') number = value;
  else if (typeof value === 'number' && Number.isInteger(value)) number = BigInt(value);
  else if (control.large && typeof value === 'string' && /^-?\d{1,20}$/.test(value)) number = BigInt(value);
  else return ['a whole number is wanted here'];
  if (number < control.min) return [`${String(number)} is below ${String(control.min)}`];
  return number > control.max ? [`${String(number)} is above ${String(control.max)}`] : [];
}
