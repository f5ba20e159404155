import { Failure } from "@flowforge/sdk";

/**
 * Greet one person.
 * @param {string} name Whom to greet.
 * @returns {{ text: string, nameLength: number }}
 */
export function greet(name) {
  if (name === "") throw Failure.invalid("name", "must not be empty");
  return { text: `Hello, ${name}!`, nameLength: [...name].length };
}
