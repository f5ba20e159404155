/** Timers. A connector cannot wait: waiting is the workflow's, where it costs nothing and survives a restart. */

import { enqueue } from "./promise.ts";

const cancelled = new Set<number>();
let last = 0;

function setTimer(job: () => void, delayMs = 0): number {
  if (delayMs > 0) {
    throw new Error(`setTimeout(…, ${delayMs}): a connector cannot wait. Throw Failure.throttled(message, ${delayMs}) to be called again later, or use a wait node`);
  }
  const id = ++last;
  enqueue(() => {
    if (!cancelled.delete(id)) job();
  });
  return id;
}

function clearTimer(id: number | undefined): void {
  if (id !== undefined && id <= last) cancelled.add(id);
}

function setRepeated(): never {
  throw new Error("setInterval: a connector cannot wait. Use a trigger or a wait node of the workflow");
}

const globals = globalThis as unknown as Record<string, unknown>;
globals["setTimeout"] = setTimer;
globals["setInterval"] = setRepeated;
globals["clearTimeout"] = clearTimer;
globals["clearInterval"] = clearTimer;
