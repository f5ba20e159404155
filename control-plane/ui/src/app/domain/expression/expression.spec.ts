import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

import type { Json } from '../json';
import { complete } from './complete';
import { infer, type Meaning } from './infer';
import { FUNCTIONS } from './functions';
import { BINDING, parseExpression } from './parser';
import { references } from './references';
import { pieces, soleExpression } from './template';
import { ANY, listOf, NUMBER, objectOf, TEXT, tyName, tyOfValue } from './types';

const FEATURES: Json = [{ properties: { mag: 4.7, magType: 'mb', place: 'Hualian' } }, { properties: { mag: 5.1, magType: 'mww', place: 'Vanj' } }];
const SCOPE = new Map<string, Meaning>([
  ['fetch', { type: ANY, value: { status: 200, body: { features: FEATURES } } }],
  ['input', { type: objectOf([{ name: 'threshold', type: NUMBER, docs: 'Smallest.' }]) }],
  ['labels', { type: listOf(objectOf([{ name: 'magnitude', type: NUMBER }, { name: 'line', type: TEXT }])) }],
]);

/** The labels offered where `|` stands. */
function offers(text: string): string[] {
  const at = text.indexOf('|');
  return complete(text.replace('|', ''), at, SCOPE).options.map((option) => option.label);
}

describe('the functions of the engine', () => {
  const engine = (name: string): string => readFileSync(path.resolve(import.meta.dirname, '../../../../../../workflow/src/expr', name), 'utf8');

  it('are all offered', () => {
    const names = [...engine('functions/table.rs').matchAll(/function\(\s*"(?:[^"\\]|\\.)*",\s*"([\w.]+)"/g)].map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name) => !FUNCTIONS.some((known) => known.name === name))).toEqual([]);
  });

  it('bind a name where they do here', () => {
    const words = /const WORDS[\s\S]*?\];/.exec(engine('tree.rs'))?.[0] ?? '';
    expect([...words.matchAll(/\("(\w+)"/g)].map(([, name]) => name).sort()).toEqual([...BINDING].sort());
  });
});

describe('completion', () => {
  it('offers the names in reach, then functions', () => {
    expect(offers('|').slice(0, 4)).toEqual(['fetch', 'input', 'labels', 'default']);
    expect(offers('la|')).toEqual(['labels', 'last']);
  });

  it('offers fields of types and of real data, with the value at hand', () => {
    expect(offers('fetch.body.|')).toContain('features');
    const { options, from, to } = complete('fetch.st', 8, SCOPE);
    expect([from, to]).toEqual([6, 8]);
    expect(options[0]).toMatchObject({ label: 'status', detail: 'whole number', preview: '200' });
    expect(offers('input.|')).toEqual(['threshold', 'size']);
  });

  it('knows what a macro binds: the element of its list', () => {
    expect(offers('labels.filter(l, l.|)').slice(0, 2)).toEqual(['magnitude', 'line']);
    expect(offers('fetch.body.features.map(f, f.properties.|').slice(0, 3)).toEqual(['mag', 'magType', 'place']);
    expect(offers('fetch.body.features.map(f, f.properties.mag > labels[0].|)').slice(0, 2)).toEqual(['magnitude', 'line']);
    expect(offers('labels.map(e, |)').slice(0, 4)).toContain('e');
  });

  it('offers the functions of a list on a list, of a text on a text', () => {
    expect(offers('labels.fi|')).toEqual(['filter']);
    expect(offers('labels[0].line.low|')).toEqual(['lower', 'lowerAscii']);
    const [filter] = complete('labels.fil', 10, SCOPE).options;
    expect(filter).toMatchObject({ insert: 'filter(e, )', caret: 10 });
  });

  it('offers nothing inside a text', () => {
    expect(offers('"la|')).toEqual([]);
    expect(offers("fetch.body == 'x.|'")).toEqual([]);
  });
});

describe('expressions', () => {
  const names = (source: string): string[] => references(parseExpression(source).tree).map((use) => [use.name, ...use.fields].join('.'));

  it('name what they use, without what they bind', () => {
    expect(names('fetch.body.features.filter(f, f.properties.mag >= input.threshold)')).toEqual(['fetch.body.features', 'input.threshold']);
    expect(names('l + labels.map(l, l.x + k)')).toEqual(['l', 'labels', 'k']);
    expect(names('math.abs(a) + (type(b) == int ? c["d"] : {"e": f})')).toEqual(['a', 'b', 'c', 'f']);
    expect(names('a.?b.orValue(c)')).toEqual(['a.b', 'c']);
  });

  it('say where they are wrong', () => {
    const wrong = (source: string): unknown => parseExpression(source).mistakes[0];
    expect(wrong('a.b >= ')).toEqual({ from: 7, to: 7, message: 'a value is missing here' });
    expect(wrong('a.(b')).toMatchObject({ from: 2, message: 'the name of a field is missing here' });
    expect(wrong('f(a')).toMatchObject({ from: 3, message: '`)` is missing here' });
    expect(wrong('"open')).toMatchObject({ from: 0, message: 'this text has no closing quote' });
    expect(wrong('a b')).toMatchObject({ from: 2, message: 'unexpected `b`' });
    expect(wrong('a ? b : c')).toBeUndefined();
  });

  it('have a type as far as it is known', () => {
    const type = (source: string): string => tyName(infer(parseExpression(source).tree, SCOPE).type);
    expect(type('labels.map(l, l.magnitude)')).toBe('list of number');
    expect(type('fetch.body.features[0].properties.mag')).toBe('number');
    expect(type('input.threshold > 3 && true')).toBe('true or false');
    expect(type('unknown.x')).toBe('any value');
    expect(tyName(tyOfValue([1, 2.5]))).toBe('list of number');
  });

  it('are found in texts, braces and quotes inside them too', () => {
    expect(pieces('a ${b} c ${ {"x": "}"}.x } d').map((piece) => piece.expression)).toEqual(['b', ' {"x": "}"}.x ']);
    expect(pieces('a ${b').map((piece) => piece.closed)).toEqual([false]);
    // Two dollar signs stand for one that begins nothing, as in code of another language.
    expect(pieces('`$${parsed.length}` of ${a}$${b} ${a}${c}').map((piece) => piece.expression)).toEqual(['a', 'a', 'c']);
    expect(soleExpression(' ${a.b} ')).toBe('a.b');
    expect(soleExpression('${a}${b}')).toBeNull();
  });
});
