import { describe, expect, it } from 'vitest';

import { expressionFor, partOf } from './use';

describe('from data to expressions', () => {
  it.each([
    ['', 'fetch'],
    ['body.features', 'fetch.body.features'],
    ['body.features[]', 'fetch.body.features'],
    ['body.features[].properties.mag', 'fetch.body.features.map(e, e.properties.mag)'],
    ['rows[].cells[].value', 'fetch.rows.map(e, e.cells.map(f, f.value))'],
    ['headers.content-type', 'fetch.headers["content-type"]'],
  ])('%s is %s', (path, expression) => {
    expect(expressionFor('fetch', path)).toBe(expression);
  });

  it('knows how many elements a list has', () => {
    expect(partOf('fetch', 'body.rows', { body: { rows: [1, 2, 3] } })).toEqual({ expression: 'fetch.body.rows', elements: 3 });
    expect(partOf('fetch', 'body', { body: { rows: [1, 2, 3] } }).elements).toBeNull();
  });
});
