import { Failure } from "@flowforge/sdk";

/** One line about one earthquake. */
export interface Label {
  magnitude: number;
  strength: "light" | "moderate" | "strong";
  /** A sentence for people. */
  line: string;
}

/** Classify one earthquake and describe it. */
export function label(magnitude: number, place: string, time: bigint): Label {
  if (magnitude < 4) throw Failure.invalid("magnitude", "must be 4.0 or more");
  const strength = magnitude < 5 ? "light" : magnitude < 6 ? "moderate" : "strong";
  const day = new Date(Number(time)).toISOString().slice(0, 10);
  return { magnitude, strength, line: `${day}  M ${magnitude.toFixed(1)}  ${place}` };
}
