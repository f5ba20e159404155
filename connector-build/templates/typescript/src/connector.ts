/** Greets people. @packageDocumentation */
import { Failure, type Int } from "@flowforge/sdk";

/** What is said to one person. */
export interface Greeting {
  /** A sentence. */
  text: string;
  /** How many characters the name has. */
  nameLength: Int;
}

/**
 * Greet one person.
 * @param name Whom to greet; must not be empty.
 */
export function greet(name: string): Greeting {
  if (name === "") throw Failure.invalid("name", "must not be empty");
  return { text: `Hello, ${name}!`, nameLength: [...name].length };
}
