/** What the control plane has of a document, as far as this window knows. */
export interface DraftMark {
  readonly workflow: string;
  /** Revision of the draft; 0: there is none yet. */
  readonly revision: number;
  /** The published version that it began from. */
  readonly baseVersion: number | null;
  /** The text that stands there: what later changes are compared with. */
  readonly text: string;
  /** When it was saved, milliseconds, and by whom. */
  readonly savedAt: number;
  readonly savedBy: string;
}

/** Whether a workflow can have this name. */
export function isWorkflowName(name: string): boolean {
  return /^[a-z][a-z0-9-]{0,63}$/.test(name);
}

/** A name that is not taken: the wanted one, or with a number behind it. */
export function freeWorkflowName(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted;
  for (let number = 2; ; number += 1) if (!taken.has(`${wanted}-${String(number)}`)) return `${wanted}-${String(number)}`;
}
