/**
 * What the picker offers for a few typed letters: built-in kinds, operations of the catalogue, and the words of other
 * products, with what stands for them here.
 */
import type { Ty } from '../expression/types';
import { bestPort, type Fit } from '../ports/fit';
import type { CatalogueEntry, Operation } from '../ports/interface';
import type { JsonObject } from '../json';
import { KINDS, type NodeKind } from '../workflow/kinds';
import type { TriggerType } from '../workflow/sections';
import { TRIGGERS, UNNEEDED, type Unneeded } from './synonyms';

/** One line of the picker. */
export type Offer =
  | { readonly type: 'kind'; readonly id: string; readonly kind: NodeKind; readonly also: string | null; readonly fit: Fit | null }
  | { readonly type: 'operation'; readonly id: string; readonly entry: CatalogueEntry; readonly operation: Operation; readonly fit: Fit | null; readonly port: string | null }
  | { readonly type: 'trigger'; readonly id: string; readonly trigger: TriggerType; readonly title: string; readonly docs: string; readonly icon: string }
  | { readonly type: 'unneeded'; readonly id: string; readonly entry: Unneeded };

/** Offers under one heading. */
export interface OfferGroup {
  readonly title: string;
  readonly offers: readonly Offer[];
}

/** The offers for a query, best first. `given` is what the port gives that the picker was dragged from. */
export function offersFor(query: string, catalogue: readonly CatalogueEntry[], given: Ty | null = null): OfferGroup[] {
  const words = query.trim().toLowerCase();
  const kinds = KINDS.flatMap((kind) => {
    const found = rankKind(kind, words);
    const fits = given === null ? null : kindFit(kind, given);
    return found && fits?.kind !== 'no' ? [{ rank: found.rank, offer: { type: 'kind', id: `kind:${kind.key}`, kind, also: found.also, fit: fits } as const }] : [];
  });
  const operations = catalogue.flatMap((entry) =>
    entry.interface.operations.flatMap((operation) => {
      const rank = rankOperation(entry, operation, words);
      if (rank === null) return [];
      const into = given === null ? null : bestPort(given, operation);
      if (given !== null && !into) return [];
      const id = `call:${entry.name}/${operation.name}`;
      return [{ rank, offer: { type: 'operation', id, entry, operation, fit: into?.fit ?? null, port: into?.port.name ?? null } as const }];
    }),
  );
  const triggers = given !== null ? [] : TRIGGERS.flatMap(({ words: called, ...shown }) => {
    const found = words === '' ? { rank: 9 } : rankWords(words, called);
    return found === null ? [] : [{ rank: found.rank, offer: { type: 'trigger', id: `trigger:${shown.trigger}`, ...shown } as const }];
  });
  const unneeded = words === '' || given !== null ? [] : UNNEEDED.flatMap((entry) => {
    const rank = rankWords(words, entry.words);
    return rank === null ? [] : [{ rank: rank.rank, offer: { type: 'unneeded', id: `unneeded:${entry.title}`, entry } as const }];
  });
  const groups = [{ title: 'Built in', found: kinds }, { title: 'Connectors', found: operations }, { title: 'Starts the workflow', found: triggers }, { title: 'Called otherwise here', found: unneeded }];
  // The group whose best offer fits best stands first; without words they stand in this order.
  return groups
    .filter(({ found }) => found.length > 0)
    .sort((a, b) => (words === '' ? 0 : best(a.found) - best(b.found)))
    .map(({ title, found }) => ({ title, offers: sorted(found) }));
}

/** The text and the value of the node that an offer adds. */
export function nodeFor(offer: Offer): { readonly name: string; readonly value: JsonObject } | null {
  switch (offer.type) {
    case 'kind':
      return { name: offer.kind.name, value: offer.kind.starter };
    case 'operation': {
      const inputs = offer.operation.params.filter((port) => port.ty.type !== 'option').map((port) => [port.name, '']);
      const name = offer.operation.name.split('.').at(-1) ?? offer.operation.name;
      return { name, value: { call: `${offer.entry.name}/${offer.operation.name}`, ...(inputs.length > 0 ? { with: Object.fromEntries(inputs) as JsonObject } : {}) } };
    }
    case 'trigger':
    case 'unneeded':
      return null;
  }
}

function kindFit(kind: NodeKind, given: Ty): Fit {
  if (kind.list === true) return { kind: given.kind === 'list' ? 'fits' : given.kind === 'any' ? 'maybe' : 'no' };
  return { kind: 'fits' };
}

function best(found: readonly { readonly rank: number }[]): number {
  return Math.min(...found.map(({ rank }) => rank));
}

function sorted(found: readonly { rank: number; offer: Offer }[]): Offer[] {
  return [...found].sort((a, b) => a.rank - b.rank).map(({ offer }) => offer);
}

function rankKind(kind: NodeKind, words: string): { rank: number; also: string | null } | null {
  if (words === '') return { rank: 0, also: null };
  const own = rankWords(words, [kind.key, kind.title.toLowerCase()]);
  const other = rankWords(words, kind.synonyms);
  if (own && (!other || own.rank <= other.rank)) return { rank: own.rank, also: null };
  if (other) return { rank: other.rank + 1, also: other.word };
  return describes(kind.docs, words) ? { rank: 6, also: null } : null;
}

function rankOperation(entry: CatalogueEntry, operation: Operation, words: string): number | null {
  if (words === '') return 0;
  const found = rankWords(words, [operation.name, `${entry.name}/${operation.name}`, entry.name, ...entry.name.split(/[:-]/), operation.title?.toLowerCase() ?? '']);
  if (found) return found.rank;
  // Several words: each of them begins a word of the operation's whole name, as in `http get`.
  if (typedWords(words).length > 1 && describes(`${entry.name} ${operation.name} ${operation.title ?? ''}`, words)) return 3;
  return describes(`${operation.docs ?? ''} ${entry.interface.docs ?? ''}`, words) ? 6 : null;
}

function typedWords(typed: string): string[] {
  return typed.split(/[^a-z0-9]+/).filter((word) => word !== '');
}

/** Whether every typed word begins a word of the description. */
function describes(docs: string, typed: string): boolean {
  const words = docs.toLowerCase().split(/[^a-z0-9]+/);
  return typedWords(typed).every((part) => words.some((word) => word.startsWith(part)));
}

/** How well words of an offer match what was typed: the same, beginning so, a word of it beginning so, containing it. */
function rankWords(typed: string, candidates: readonly string[]): { rank: number; word: string } | null {
  let best: { rank: number; word: string } | null = null;
  for (const word of candidates) {
    const rank = word === typed ? 0 : word.startsWith(typed) ? 1 : word.split(/[\s_/:.-]+/).some((part) => part.startsWith(typed)) ? 2 : typed.length > 2 && word.includes(typed) ? 4 : null;
    if (rank !== null && (best === null || rank < best.rank)) best = { rank, word };
  }
  return best;
}
