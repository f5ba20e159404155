/**
 * Whether an operation runs.
 *
 * The top level of a connector runs once, when it is built, and its state is frozen into the component: there is no
 * step, no host and no randomness then.
 */

let running = false;

/** Called once an operation starts. */
export function begin(): void {
  running = true;
}

/** Whether the host may be called. */
export function isRunning(): boolean {
  return running;
}

/** Refuse something that needs a host while the connector is built. */
export function needsStep(what: string): void {
  if (!running) throw new Error(`${what} at the top level of a module: the connector is being built, no step runs. Move it into the operation`);
}
