import { Failure } from "@flowforge/sdk";

/** One line about one earthquake. */
export interface Label {
  /** Magnitude as the feed gives it. */
  magnitude: number;
  /** How strong it is. */
  strength: "light" | "moderate" | "strong";
  /** A sentence for people. */
  line: string;
}

/** Classify one earthquake and describe it. */
export function label(magnitude: number, place: string, time: bigint): Label {
  if (magnitude < 4) throw Failure.invalid("magnitude", "must be 4.0 or more");
  const strength = magnitude < 5 ? "light" : magnitude < 6 ? "moderate" : "strong";
  const at = new Date(Number(time));
  if (Number.isNaN(at.getTime())) throw Failure.invalid("time", "must be within 8.64e15 ms of 1970, as far as a calendar goes");
  const day = at.toISOString().slice(0, 10);
  return { magnitude, strength, line: `${day}  M ${magnitude.toFixed(1)}  ${place}` };
}
