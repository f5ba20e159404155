/** Greets people. @packageDocumentation */
import { Failure } from "@flowforge/sdk";

/**
 * What is said to one person.
 * @typedef {object} Greeting
 * @property {string} text A sentence.
 * @property {import("@flowforge/sdk").Int} nameLength How many characters the name has.
 */

/**
 * Greet one person.
 * @param {string} name Whom to greet; must not be empty.
 * @returns {Greeting}
 */
export function greet(name) {
  if (name === "") throw Failure.invalid("name", "must not be empty");
  return { text: `Hello, ${name}!`, nameLength: [...name].length };
}
