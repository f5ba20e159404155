import { Failure } from "@flowforge/sdk";

/** What is said to one person. */
export interface Greeting {
  /** A sentence. */
  text: string;
  /** How many characters the name has. */
  nameLength: number;
}

/** Greet one person. */
export function greet(name: string): Greeting {
  if (name === "") throw Failure.invalid("name", "must not be empty");
  return { text: `Hello, ${name}!`, nameLength: [...name].length };
}
