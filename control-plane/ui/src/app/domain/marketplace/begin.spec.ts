import { expect, it } from 'vitest';

import { modelOf } from '../document/model';
import { EMPTY_LAYOUT } from '../layout/layout';
import { workflowWith } from './begin';

it('begins a workflow that calls the operation', () => {
  const text = workflowWith('demo:quake-text', { name: 'label', effect: { class: 'pure' }, params: [{ name: 'place', ty: { type: 'string' } }, { name: 'note', ty: { type: 'option', inner: { type: 'string' } } }] });
  expect(text).toBe('workflow: quake-text-label\nnodes:\n  label:\n    call: demo:quake-text/label\n');
  expect(modelOf(text, EMPTY_LAYOUT).graph.byId.get('label')?.kind?.key).toBe('call');
});
