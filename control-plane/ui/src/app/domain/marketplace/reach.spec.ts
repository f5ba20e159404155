import { describe, expect, it } from 'vitest';

import { effectWords, isPure, reachOf, sizeWords } from './reach';

describe('what a connector may do', () => {
  it('is pure only when nothing leaves the step', () => {
    expect(isPure([])).toBe(true);
    expect(isPure(['context', 'log'])).toBe(true);
    expect(isPure(['artefacts'])).toBe(false);
    expect(isPure(['log', 'http'])).toBe(false);
  });

  it('counts what nobody knows as leading outside', () => {
    expect(reachOf('sockets')).toMatchObject({ outside: true, title: 'sockets' });
    expect(isPure(['sockets'])).toBe(false);
  });

  it('says what a repetition does, and how large it is', () => {
    expect(effectWords({ class: 'unsafe' })).toBe('each call does it again');
    expect(effectWords({ class: 'keyed', retention_ms: 86_400_000 })).toBe('the same call twice is one, for 24 h');
    expect(effectWords({ class: 'keyed', retention_ms: 7 * 86_400_000 })).toBe('the same call twice is one, for 7 days');
    expect([sizeWords(400), sizeWords(184_486), sizeWords(19_413_047)]).toEqual(['1 KB', '184 KB', '19.4 MB']);
  });
});
