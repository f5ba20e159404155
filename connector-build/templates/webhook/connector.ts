/** Begins runs for items that a service sends. @packageDocumentation */
import { Failure } from "@flowforge/sdk";

/** A header field. */
export interface Header {
  /** Lower-case name. */
  name: string;
  /** Its value. */
  value: string;
}

/** A request whose signature was verified. */
export interface Incoming {
  /** Header fields in the order of the request. */
  headers: Header[];
  /** The body as it was sent. */
  body: Uint8Array;
}

/** One item. */
export interface Item {
  /** The same for the same item, for ever: it begins one run. */
  id: string;
  /** What people read. */
  title: string;
}

/**
 * Read the items of one request.
 * @param request What the service sent.
 */
export function readItems(request: Incoming): Item[] {
  try {
    const { items } = JSON.parse(new TextDecoder().decode(request.body)) as { items: Item[] };
    return items.map(({ id, title }) => ({ id, title }));
  } catch {
    throw Failure.invalid("request.body", "must be JSON with `items`");
  }
}
