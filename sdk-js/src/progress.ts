/** Signs of life of a call that takes long. Each report is one; the host passes on at most five a second. */

import { report as toHost } from "flowforge:connector/progress@0.1.0";
import { needsStep } from "./phase.ts";

/** How far a call is. */
export interface Progress {
  /** From 0 to 100. */
  readonly percent?: number;
  /** For people, one line of at most 256 bytes. */
  readonly message?: string;
}

/** Say that the call is alive, and how far it is if that is known. */
export function report(progress?: Progress): void {
  needsStep("progress.report()");
  if (progress === undefined) {
    toHost(null);
    return;
  }
  const { percent, message } = progress;
  const bounded = percent === undefined ? null : Math.round(Math.min(100, Math.max(0, percent)));
  toHost({ percent: bounded, message: message ?? null });
}
