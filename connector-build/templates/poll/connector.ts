/** Begins runs for new items. @packageDocumentation */
import { http } from "@flowforge/sdk";

/** One new item. */
export interface Item {
  /** The same for the same item, for ever: it begins one run. */
  id: string;
  /** What people read. */
  title: string;
}

/** What one poll found. */
export interface Batch {
  /** New items, the oldest first. */
  events: Item[];
  /** Where the next poll goes on. */
  cursor?: string;
}

/**
 * Look for items that came after the cursor.
 * @param cursor Where the last poll ended; none the first time.
 */
export async function newItems(cursor?: string): Promise<Batch> {
  const after = cursor === undefined ? "" : `?after=${encodeURIComponent(cursor)}`;
  const answer = await http.get(`https://api.example.com/items${after}`);
  const events: Item[] = answer.json();
  return { events, cursor: events.at(-1)?.id ?? cursor };
}
