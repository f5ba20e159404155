/** What kind of value an expression gives. The same types as the lint has; `any` where nothing is known. */
import { isList, isObject, type Json } from '../json';
import type { WitType } from '../ports/interface';

export type Ty =
  | { readonly kind: 'any' | 'null' | 'bool' | 'int' | 'double' | 'number' | 'text' | 'moment' | 'length' }
  | { readonly kind: 'list'; readonly element: Ty }
  | { readonly kind: 'object'; readonly fields: readonly TyField[]; readonly closed: boolean };

export interface TyField {
  readonly name: string;
  readonly type: Ty;
  readonly docs?: string;
}

export const ANY: Ty = { kind: 'any' };
export const TEXT: Ty = { kind: 'text' };
export const BOOL: Ty = { kind: 'bool' };
export const INT: Ty = { kind: 'int' };
export const NUMBER: Ty = { kind: 'number' };
export const MOMENT: Ty = { kind: 'moment' };
export const LENGTH: Ty = { kind: 'length' };

/** A list of these. */
export function listOf(element: Ty): Ty {
  return { kind: 'list', element };
}

/** An object that has these fields; `closed` if it has no others. */
export function objectOf(fields: readonly TyField[], closed = true): Ty {
  return { kind: 'object', fields, closed };
}

/** What it is called for people. */
export function tyName(type: Ty): string {
  switch (type.kind) {
    case 'any':
      return 'any value';
    case 'null':
      return 'nothing';
    case 'bool':
      return 'true or false';
    case 'int':
      return 'whole number';
    case 'double':
    case 'number':
      return 'number';
    case 'text':
      return 'text';
    case 'moment':
      return 'moment';
    case 'length':
      return 'length of time';
    case 'list':
      return type.element.kind === 'any' ? 'list' : `list of ${tyName(type.element)}`;
    case 'object':
      return 'object';
  }
}

/** A type for values of both. */
export function either(a: Ty, b: Ty): Ty {
  if (a.kind === b.kind && a.kind !== 'list' && a.kind !== 'object') return a;
  if (isNumber(a) && isNumber(b)) return NUMBER;
  if (a.kind === 'list' && b.kind === 'list') return listOf(either(a.element, b.element));
  if (a.kind === 'object' && b.kind === 'object') {
    const names = [...new Set([...a.fields, ...b.fields].map((field) => field.name))];
    const fields = names.map((name) => {
      const left = a.fields.find((field) => field.name === name)?.type;
      const right = b.fields.find((field) => field.name === name)?.type;
      return { name, type: left && right ? either(left, right) : (left ?? right ?? ANY) };
    });
    return objectOf(fields, a.closed && b.closed);
  }
  return ANY;
}

/** Whether it is some kind of number. */
export function isNumber(type: Ty): boolean {
  return type.kind === 'int' || type.kind === 'double' || type.kind === 'number';
}

const SAMPLED = 50;

/** The type of a value. A long list is judged by its first elements. */
export function tyOfValue(value: Json): Ty {
  if (value === null) return { kind: 'null' };
  if (typeof value === 'boolean') return BOOL;
  if (typeof value === 'bigint') return INT;
  if (typeof value === 'number') return Number.isInteger(value) ? INT : { kind: 'double' };
  if (typeof value === 'string') return TEXT;
  if (isList(value)) {
    const types = value.slice(0, SAMPLED).map(tyOfValue);
    return listOf(types.length === 0 ? ANY : types.reduce(either));
  }
  return objectOf(Object.entries(value).map(([name, field]) => ({ name, type: tyOfValue(field) })));
}

/** The type of an input field, from its JSON Schema keywords. */
export function tyOfSchema(schema: Json | undefined): Ty {
  if (!isObject(schema)) return ANY;
  switch (schema['type']) {
    case 'string':
      return TEXT;
    case 'number':
      return NUMBER;
    case 'integer':
      return INT;
    case 'boolean':
      return BOOL;
    case 'array':
      return listOf(tyOfSchema(schema['items']));
    case 'object': {
      const properties = schema['properties'];
      if (!isObject(properties)) return objectOf([], false);
      return objectOf(
        Object.entries(properties).map(([name, field]) => ({ name, type: tyOfSchema(field) })),
        false,
      );
    }
    default:
      return ANY;
  }
}

/** The type that a value of a port has in expressions. */
export function tyOfPort(type: WitType): Ty {
  switch (type.type) {
    case 'bool':
      return BOOL;
    case 's8':
    case 'u8':
    case 's16':
    case 'u16':
    case 's32':
    case 'u32':
    case 's64':
    case 'u64':
      return INT;
    case 'f32':
    case 'f64':
      return NUMBER;
    case 'char':
    case 'string':
    case 'bytes':
    case 'enum':
      return TEXT;
    case 'json':
      return ANY;
    case 'artefact':
      return objectOf([
        { name: 'digest', type: TEXT },
        { name: 'name', type: TEXT },
        { name: 'media_type', type: TEXT },
        { name: 'size', type: INT },
      ]);
    case 'list':
      return listOf(tyOfPort(type.element));
    case 'option':
      return tyOfPort(type.inner);
    case 'tuple':
      return listOf(type.items.length === 0 ? ANY : type.items.map(tyOfPort).reduce(either));
    case 'record':
      return objectOf(
        type.fields.map((field) => ({ name: field.name, type: tyOfPort(field.ty), ...(field.docs ? { docs: field.docs } : {}) })),
      );
    case 'variant':
    case 'result':
      return objectOf([
        { name: 'kind', type: TEXT },
        { name: 'value', type: ANY },
      ]);
    case 'flags':
      return listOf(TEXT);
  }
}
