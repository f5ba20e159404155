/** What the host throws where its function returns `err`. */

/** The error side of a function of the host. */
export interface Refusal {
  readonly tag: string;
  readonly val?: string | number;
}

/** The refusal in what a call to the host threw; nothing if it threw something else. */
export function refusalIn(thrown: unknown): Refusal | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  // The engine hands the value over inside an error of its own.
  const value = "payload" in thrown ? thrown.payload : thrown;
  return typeof value === "object" && value !== null && "tag" in value ? (value as Refusal) : undefined;
}
