import { describe, expect, it } from 'vitest';

import { INT, listOf, NUMBER, objectOf, TEXT } from '../expression/types';
import type { Json } from '../json';
import { controlFor, initialValue, portProblems, typeWords } from './controls';
import { bestPort, fit } from './fit';
import type { Operation, WitType } from './interface';

const string: WitType = { type: 'string' };
const strength: WitType = { type: 'enum', cases: [{ name: 'light' }, { name: 'moderate' }, { name: 'strong' }] };
const record: WitType = {
  type: 'record',
  fields: [
    { name: 'name', ty: string },
    { name: 'note', ty: { type: 'option', inner: string }, docs: 'For people.' },
  ],
};

const problems = (type: WitType, value: Json | undefined): string[] => portProblems(controlFor(type), value).map((problem) => `${problem.path.join('.')}: ${problem.message}`);

describe('from the type of a port to its control', () => {
  it.each<[WitType, string, Json]>([
    [{ type: 'bool' }, 'toggle', false],
    [{ type: 'u8' }, 'integer', 0],
    [{ type: 's64' }, 'integer', 0],
    [{ type: 'f64' }, 'number', 0],
    [{ type: 'char' }, 'character', ''],
    [string, 'text', ''],
    [{ type: 'json' }, 'json', null],
    [{ type: 'bytes' }, 'bytes', ''],
    [{ type: 'artefact' }, 'artefact', null],
    [{ type: 'list', element: string }, 'list', []],
    [{ type: 'option', inner: string }, 'optional', null],
    [{ type: 'tuple', items: [string, { type: 'bool' }] }, 'tuple', ['', false]],
    [record, 'record', { name: '' }],
    [{ type: 'variant', cases: [{ name: 'none' }, { name: 'some', ty: string }] }, 'variant', { kind: 'none' }],
    [{ type: 'result', ok: string, err: null }, 'variant', { kind: 'ok', value: '' }],
    [strength, 'choice', 'light'],
    [{ type: 'flags', flags: [{ name: 'read' }, { name: 'write' }] }, 'flags', []],
  ])('%o is %s', (type, control, initial) => {
    expect(controlFor(type).type).toBe(control);
    expect(initialValue(controlFor(type))).toEqual(initial);
  });

  it('says what is wanted in words', () => {
    expect(typeWords({ type: 'u8' })).toBe('whole number, 0 to 255');
    expect(typeWords(strength)).toBe('light, moderate or strong');
    expect(typeWords({ type: 'option', inner: { type: 'list', element: { type: 'f32' } } })).toBe('list of number, optional');
  });

  it('judges values by the bounds of the type, and leaves expressions to the evaluator', () => {
    expect(problems({ type: 'u8' }, 256)).toEqual([': 256 is above 255']);
    expect(problems({ type: 's8' }, -129)).toEqual([': -129 is below -128']);
    expect(problems({ type: 'u8' }, 255)).toEqual([]);
    expect(problems({ type: 'u64' }, '18446744073709551616')).toEqual([': 18446744073709551616 is above 18446744073709551615']);
    expect(problems({ type: 'u64' }, '18446744073709551615')).toEqual([]);
    expect(problems({ type: 'u32' }, '7')).toEqual([': a whole number is wanted here']);
    expect(problems({ type: 'u8' }, '${x}')).toEqual([]);
    expect(problems({ type: 'char' }, '🌍')).toEqual([]);
    expect(problems(strength, 'weak')).toEqual([': must be light, moderate or strong']);
    expect(problems(record, { nmae: 1 })).toEqual(['name: a value is missing here', 'nmae: there is no field `nmae`']);
    expect(problems({ type: 'bytes' }, 'aGk=')).toEqual([]);
    expect(problems({ type: 'bytes' }, 'a$')).toEqual([': base64 text is wanted here']);
    expect(problems({ type: 'option', inner: { type: 'option', inner: string } }, 'x')).toEqual([': write {"some": …} here']);
    expect(problems({ type: 'flags', flags: [{ name: 'read' }] }, ['read', 'read'])).toEqual([': a name stands here twice']);
  });
});

describe('what fits a port', () => {
  it('offers for each where a list meets a port that takes one element', () => {
    expect(fit(listOf(NUMBER), { type: 'f64' })).toEqual({ kind: 'each' });
    expect(fit(listOf(NUMBER), { type: 'list', element: { type: 'f64' } })).toEqual({ kind: 'fits' });
    expect(fit(listOf(TEXT), { type: 'u8' })).toEqual({ kind: 'no' });
  });

  it('finds a field of an object that fits', () => {
    expect(fit(objectOf([{ name: 'count', type: INT }]), { type: 'u32' })).toEqual({ kind: 'field', field: 'count' });
    expect(fit(objectOf([{ name: 'count', type: INT }]), string)).toEqual({ kind: 'no' });
    expect(fit(objectOf([], false), string)).toEqual({ kind: 'maybe' });
  });

  it('chooses the port that fits best', () => {
    const operation: Operation = { name: 'x', effect: { class: 'pure' }, params: [{ name: 'one', ty: { type: 'f64' } }, { name: 'many', ty: { type: 'list', element: { type: 'f64' } } }] };
    expect(bestPort(listOf(NUMBER), operation)).toMatchObject({ port: { name: 'many' }, fit: { kind: 'fits' } });
    expect(bestPort(TEXT, operation)).toBeNull();
  });
});
