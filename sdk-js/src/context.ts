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

/** Random bytes of cryptographic quality, at most 64 KiB a call. */
export function random(length: number): Uint8Array {
  needsStep("context.random()");
  return randomBytes(length);
}
