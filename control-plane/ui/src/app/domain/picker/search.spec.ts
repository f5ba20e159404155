import { describe, expect, it } from 'vitest';

import { listOf, NUMBER } from '../expression/types';
import type { CatalogueEntry } from '../ports/interface';
import { offersFor } from './search';

const CATALOGUE: readonly CatalogueEntry[] = [
  {
    name: 'flowforge:http', version: '0.1.0', grade: 'A',
    interface: { capabilities: [], operations: [{ name: 'post', docs: 'Sends a request with a body.', effect: { class: 'unsafe' }, params: [{ name: 'url', ty: { type: 'string' } }] }] },
  },
  {
    name: 'demo:statistics', version: '0.1.0',
    interface: { capabilities: [], operations: [{ name: 'summarise', effect: { class: 'pure' }, params: [{ name: 'values', ty: { type: 'list', element: { type: 'f64' } } }] }] },
  },
];
const ids = (query: string): string[] => offersFor(query, CATALOGUE).flatMap((group) => group.offers.map((offer) => offer.id));

describe('the picker', () => {
  it.each([
    ['if', 'kind:switch'], ['loop', 'kind:foreach'], ['edit fields', 'kind:set'], ['human', 'kind:approval'], ['sleep', 'kind:wait'], ['http request', 'kind:call'],
    ['merge', 'unneeded:merge'], ['webhook', 'trigger:webhook'], ['cron', 'trigger:schedule'], ['respond', 'kind:respond'], ['credential', 'unneeded:credential'], ['send a request', 'call:flowforge:http/post'], ['summ', 'call:demo:statistics/summarise'], ['http post', 'call:flowforge:http/post'], ['flowforge-http post', 'call:flowforge:http/post'], ['statistics summ', 'call:demo:statistics/summarise'],
  ])('finds %s', (query, id) => {
    expect(ids(query)[0]).toBe(id);
  });

  it('lists built-ins first, and says by which word it was found', () => {
    const [built] = offersFor('', CATALOGUE);
    expect(built?.title).toBe('Built in');
    expect(offersFor('loop', CATALOGUE)[0]?.offers[0]).toMatchObject({ also: 'loop' });
  });

  it('offers from a port only what can take its value', () => {
    const from = offersFor('', CATALOGUE, listOf(NUMBER)).flatMap((group) => group.offers);
    expect(from.find((offer) => offer.id === 'call:demo:statistics/summarise')).toMatchObject({ port: 'values', fit: { kind: 'fits' } });
    expect(from.find((offer) => offer.id === 'call:flowforge:http/post')).toBeUndefined();
    expect(from.find((offer) => offer.id === 'kind:foreach')).toBeDefined();
    expect(offersFor('', CATALOGUE, NUMBER).flatMap((group) => group.offers).find((offer) => offer.id === 'kind:foreach')).toBeUndefined();
  });
});
