/** The step in which a call runs. */

import { nowMs, randomBytes, step as hostStep } from "flowforge:connector/context@0.1.0";
import { needsStep } from "./phase.ts";

/** What a connector may know of its step. */
export interface Step {
  /** The run, unique for ever. */
  readonly runId: string;
  /** Node and iteration, for example `labels[3].label`. */
  readonly step: string;
  /** 1 for the first try. */
  readonly attempt: number;
  /** The same for every attempt of this step: send it as the idempotency key of the service. */
  readonly idempotencyKey: string;
  /** Milliseconds that this call may still take. */
  readonly deadlineMs: number;
}

/** The step in which this call runs. */
export function step(): Step {
  needsStep("context.step()");
  return hostStep();
}

/** Milliseconds since 1970-01-01 UTC. */
export function now(): number {
  needsStep("context.now()");
  return nowMs();
}

/** The most that one call to the host gives, in bytes. */
const CALL_BYTES_MAX = 65_536;

/** Exactly this many random bytes of cryptographic quality, in as many calls to the host as it takes. */
export function random(length: number): Uint8Array {
  needsStep("context.random()");
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += CALL_BYTES_MAX) {
    bytes.set(randomBytes(Math.min(CALL_BYTES_MAX, length - at)), at);
  }
  return bytes;
}
