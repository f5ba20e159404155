import { describe, expect, it } from 'vitest';

import { briefly, type Json } from './json';
import { jsonText, parseJson } from './json-text';
import { Random } from './testing/random';
import { readYaml, toJson } from './yaml/tree';
import { flowText } from './yaml/write';

describe('JSON', () => {
  it.each([
    ['9007199254740993', 9_007_199_254_740_993n], ['-9223372036854775808', -9_223_372_036_854_775_808n], ['18446744073709551615', 18_446_744_073_709_551_615n],
    ['9007199254740991', 9_007_199_254_740_991], ['1e30', 1e30], ['0.12345678901234568', 0.12345678901234568],
  ])('keeps every digit of %s', (text, value) => {
    expect(parseJson(text)).toBe(value);
    expect(parseJson(`{"a":[${text},"${text}"]}`)).toEqual({ a: [value, text] });
    if (typeof value === 'bigint') expect(jsonText([value, text])).toBe(`[${text},"${text}"]`);
  });

  it('is not fooled by texts that look like numbers, quotes or its own marks', () => {
    const texts = ['"9007199254740993', '\\9007199254740993\\', 'x"9007199254740993"', '\u0000:9007199254740993'];
    const text = JSON.stringify({ texts, n: 0 }).replace(':0', ':9007199254740993');
    expect(parseJson(text)).toEqual({ texts, n: 9_007_199_254_740_993n });
    expect(jsonText(parseJson(text))).toBe(text);
  });

  it('is read as any reader does, and written so that it is read back', () => {
    const random = new Random(7);
    const value = (depth: number): Json => {
      const kind = random.below(depth > 3 ? 5 : 7);
      if (kind === 0) return BigInt(`${random.percent(50) ? '-' : ''}9${String(random.below(1e9)).padStart(17, '1')}`);
      if (kind === 1) return random.below(1e6) / 8;
      if (kind === 2) return ['', '"', '\\"', '1234567890123456789', 'ä\n'][random.below(5)] ?? '';
      if (kind === 3) return random.percent(50);
      if (kind === 4) return null;
      if (kind === 5) return Array.from({ length: random.below(4) }, () => value(depth + 1));
      return Object.fromEntries(Array.from({ length: random.below(4) }, (_, index) => [`k${String(index)}"`, value(depth + 1)]));
    };
    for (let round = 0; round < 500; round += 1) {
      const made = value(0);
      expect(parseJson(jsonText(made, round % 3))).toEqual(made);
    }
  });

  it('refuses what is no JSON', () => {
    expect(() => parseJson('{"a": 9007199254740993')).toThrow(SyntaxError);
    expect(() => parseJson('9007199254740993 x')).toThrow(SyntaxError);
  });

  it('is the same in a workflow file, and short for people', () => {
    const { root } = readYaml('limit: 9007199254740993\n');
    expect(toJson(root)).toEqual({ limit: 9_007_199_254_740_993n });
    expect(flowText(toJson(root))).toBe('{ limit: 9007199254740993 }');
    expect(briefly(9_007_199_254_740_993n)).toBe('9007199254740993');
  });
});
