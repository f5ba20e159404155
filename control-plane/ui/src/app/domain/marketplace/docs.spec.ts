import { expect, it } from 'vitest';

import { docsOf } from './docs';

it('makes paragraphs, joins lines that an editor broke, and knows code', () => {
  expect(docsOf('Send a body.\n\nThe header `x-key` is\nthe same.\n')).toEqual([
    [{ text: 'Send a body.', code: false }],
    [{ text: 'The header ', code: false }, { text: 'x-key', code: true }, { text: ' is the same.', code: false }],
  ]);
});

it('leaves markup as text', () => {
  expect(docsOf('<b>bold</b> `a')).toEqual([[{ text: '<b>bold</b> `a', code: false }]]);
});
