/**
 * What the build tool puts around every operation. Not for authors.
 *
 * Whatever an operation throws or returns, the host gets a typed failure or a value of the declared shape.
 */

import "./polyfill/promise.ts";
import "./polyfill/timers.ts";
import "./polyfill/text.ts";
import "./polyfill/url.ts";
import "./polyfill/random.ts";
import "./polyfill/console.ts";
import "./polyfill/clone.ts";
import { Failure } from "./failure.ts";
import * as log from "./log.ts";
import { begin } from "./phase.ts";
import { placeOf } from "./place.ts";
import { show } from "./polyfill/console.ts";
import { drain } from "./polyfill/promise.ts";
import { type Shape, WrongShape, lift, lower } from "./shape.ts";

/** What is known of an operation from the world and the source. */
export interface Definition {
  /** Name as workflows write it. */
  readonly name: string;
  readonly params: readonly Shape[];
  readonly result: Shape | null;
  /** Shape of the error side; absent if the operation cannot fail. */
  readonly failure: Shape | null;
  /** Whether the error side is the standard failure. */
  readonly standard: boolean;
  /** Where the author wrote it: `src/connector.ts:14`. */
  readonly place: string;
}

type Operation = (...values: unknown[]) => unknown;

/** The export of the component for a function of the author. */
export function operation(definition: Definition, author: Operation): Operation {
  return (...values) => {
    begin();
    try {
      const answer = settled(definition, author(...definition.params.map((shape, index) => given(shape, values[index], index))));
      return definition.result === null ? undefined : returned(definition, definition.result, answer);
    } catch (thrown) {
      throw failure(definition, thrown);
    }
  };
}

/** A value for the author. One that the engine could not hand over exactly fails the step as an input. */
function given(shape: Shape, value: unknown, index: number): unknown {
  try {
    return lift(shape, value);
  } catch (error) {
    if (!(error instanceof WrongShape)) throw error;
    throw Failure.invalid("", `parameter ${index + 1}: ${error.message}`);
  }
}

/** The value of a promise, once everything that can run has run. */
function settled(definition: Definition, answer: unknown): unknown {
  if (typeof answer !== "object" || answer === null || !("then" in answer) || typeof answer.then !== "function") return answer;
  let outcome: { value: unknown } | { reason: unknown } | undefined;
  answer.then(
    (value: unknown) => { outcome = { value }; },
    (reason: unknown) => { outcome = { reason }; },
  );
  drain();
  if (outcome === undefined) {
    throw Failure.internal(`${definition.name} never ended: it awaits something that nothing resolves (${definition.place})`);
  }
  if ("reason" in outcome) throw outcome.reason;
  return outcome.value;
}

function returned(definition: Definition, shape: Shape, answer: unknown): unknown {
  try {
    return lower(shape, answer, "");
  } catch (error) {
    if (!(error instanceof WrongShape)) throw error;
    throw Failure.internal(`${definition.name} returned ${error.message} (${definition.place})`);
  }
}

/** What to throw at the engine for what the author threw. */
function failure(definition: Definition, thrown: unknown): unknown {
  if (definition.failure !== null && !definition.standard && !(thrown instanceof Error)) {
    return lower(definition.failure, thrown, "");
  }
  const typed = thrown instanceof Failure ? thrown : Failure.internal(explain(thrown, definition.place));
  if (definition.standard) return lowerFailure(typed);
  // The world gives this operation no way to fail: the log is the only place for the reason.
  log.error(`${definition.name} failed: ${typed.kind}: ${typed.message}`);
  return new Error(`${typed.kind}: ${typed.message}`);
}

function explain(thrown: unknown, place: string): string {
  if (!(thrown instanceof Error)) return `threw ${show(thrown)} (${place})`;
  const kind = thrown.name === "Error" ? "" : `${thrown.name}: `;
  return `${kind}${thrown.message} (${placeOf(thrown) ?? place})`;
}

function lowerFailure({ kind, message, details }: Failure): unknown {
  switch (kind) {
    case "invalid":
      return { tag: "invalid", val: { path: details.path ?? "", message } };
    case "rejected":
      return { tag: "rejected", val: { code: details.code ?? "", message } };
    case "throttled":
      return { tag: "throttled", val: { message, retryAfterMs: details.retryAfterMs ?? null } };
    case "timed_out":
      return { tag: "timed-out", val: message };
    default:
      return { tag: kind, val: message };
  }
}
