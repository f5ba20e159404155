/** A snippet as a function: which names it may have, and where it is wrong when it fails. */

import { Failure } from "@flowforge/sdk";

import { plain } from "./plain.ts";

type Body = (...values: unknown[]) => unknown;

/** What a name of a variable may be. */
const NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
/** What stands before the first line of a snippet: it is strict, so that a misspelt name is an error and no new variable. */
const BEFORE = '"use strict";';
/** A place in the text that the engine compiled. */
const PLACE = /<(?:input|evalScript|anonymous)>:(\d+)/;

/** Compiles a snippet that sees these names; what it throws says where. */
export function compile(code: string, names: string[]): (values: unknown[]) => unknown {
  for (const name of names) {
    if (!isName(name)) throw Failure.invalid(`names.${name}`, "is no name of a variable in JavaScript");
  }
  const body = compiled(code, names);
  const above = linesAbove();
  return (values) => {
    try {
      return body(...values, Failure);
    } catch (error) {
      throw thrown(error, above);
    }
  };
}

function compiled(code: string, names: string[]): Body {
  try {
    return new Function(...names, ...(names.includes("Failure") ? [] : ["Failure"]), `${BEFORE}${code}\n`) as Body;
  } catch (error) {
    throw unreadable(error, linesAbove());
  }
}

function isName(name: string): boolean {
  if (!NAME.test(name)) return false;
  try {
    new Function(name, BEFORE);
    return true;
  } catch {
    return false;
  }
}

/** How many lines the engine puts above the body of a function that it makes of a text. */
function linesAbove(): number {
  try {
    new Function(")");
    return 0;
  } catch (error) {
    return (lineOf(error) ?? 1) - 1;
  }
}

function lineOf(error: unknown): number | undefined {
  const stack = error instanceof Error ? `${error.stack ?? ""}` : "";
  const line = PLACE.exec(stack)?.[1];
  return line === undefined ? undefined : Number(line);
}

/** What is wrong with the text. */
function unreadable(error: unknown, above: number): Failure {
  const line = lineOf(error);
  return Failure.invalid("code", `${line === undefined ? "" : `line ${line - above}: `}${described(error)}`);
}

/**
 * What a snippet threw, as a failure of the step: one of its own goes on as it is. The engine knows the lines of calls, and gives
 * everything else the last one that it knew: the first line may mean that it knew none.
 */
function thrown(error: unknown, above: number): Failure {
  if (error instanceof Failure) return error;
  const line = (lineOf(error) ?? 0) - above;
  return Failure.invalid("code", `${described(error)}${line > 1 ? ` (near line ${line})` : ""}`);
}

function described(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `it threw ${inWords(error)}`;
}

function inWords(value: unknown): string {
  try {
    return JSON.stringify(plain(value, ""));
  } catch {
    return `a ${typeof value}`;
  }
}
