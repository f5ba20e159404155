import { Failure, type Json } from "@flowforge/sdk";

import { compile } from "./snippet.ts";
import { plain } from "./plain.ts";

/**
 * Run a snippet of JavaScript. It reaches nothing but what it is given.
 * @param code The body of a function: `return` gives the result, `console.log` goes to the log of the step.
 * @param names What the snippet sees, each value under its name, for example `{ rows: "${load.rows}", least: 3 }`.
 */
export function run(code: string, names?: Json): Json {
  const given = named(names ?? {});
  const snippet = compile(code, Object.keys(given));
  return plain(snippet(Object.values(given)), "");
}

/** What the snippet sees. */
function named(names: Json): { [name: string]: Json } {
  if (typeof names !== "object" || names === null || Array.isArray(names)) {
    throw Failure.invalid("names", "must be an object: each value under the name by which the snippet sees it");
  }
  return names;
}
