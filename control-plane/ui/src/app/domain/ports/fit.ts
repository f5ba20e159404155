/** Whether what a node gives fits a port, for the picker that a drag from a port opens. */
import type { Ty } from '../expression/types';
import { tyOfPort } from '../expression/types';
import type { Operation, Port, WitType } from './interface';

/**
 * - `fits`: as it is.
 * - `each`: a list meets a port that takes one element: offer *for each*.
 * - `field`: an object of which a field fits; its name is known.
 * - `maybe`: too little is known to say no.
 * - `no`: certainly not.
 */
export type Fit = { readonly kind: 'fits' | 'each' | 'maybe' | 'no' } | { readonly kind: 'field'; readonly field: string };

/** How a value of a type fits a port. */
export function fit(given: Ty, wanted: WitType): Fit {
  const target = wanted.type === 'option' ? wanted.inner : wanted;
  if (given.kind === 'any' || target.type === 'json') return { kind: given.kind === 'any' ? 'maybe' : 'fits' };
  if (suits(given, tyOfPort(target))) return { kind: 'fits' };
  if (given.kind === 'list' && target.type !== 'list' && target.type !== 'tuple') {
    const inner = fit(given.element, target);
    return { kind: inner.kind === 'no' ? 'no' : 'each' };
  }
  if (given.kind === 'object') {
    const field = given.fields.find((candidate) => candidate.type.kind !== 'any' && suits(candidate.type, tyOfPort(target)));
    if (field) return { kind: 'field', field: field.name };
    return { kind: given.closed ? 'no' : 'maybe' };
  }
  return { kind: 'no' };
}

function suits(given: Ty, wanted: Ty): boolean {
  if (given.kind === 'any' || wanted.kind === 'any') return true;
  if (wanted.kind === 'number' || wanted.kind === 'double') return given.kind === 'int' || given.kind === 'double' || given.kind === 'number';
  if (wanted.kind === 'int') return given.kind === 'int' || given.kind === 'number';
  if (wanted.kind === 'list') return given.kind === 'list' && suits(given.element, wanted.element);
  if (wanted.kind === 'object') {
    if (given.kind !== 'object') return false;
    return wanted.fields.every((field) => {
      const own = given.fields.find((candidate) => candidate.name === field.name);
      return own ? suits(own.type, field.type) : !given.closed;
    });
  }
  return given.kind === wanted.kind;
}

const ORDER = ['fits', 'field', 'each', 'maybe', 'no'] as const;

/** The port of an operation that a value fits best; null if it fits none. */
export function bestPort(given: Ty, operation: Operation): { readonly port: Port; readonly fit: Fit } | null {
  let best: { port: Port; fit: Fit } | null = null;
  for (const port of operation.params) {
    const found = fit(given, port.ty);
    if (found.kind !== 'no' && (!best || ORDER.indexOf(found.kind) < ORDER.indexOf(best.fit.kind))) best = { port, fit: found };
  }
  return best;
}
