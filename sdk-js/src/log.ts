/** Lines in the step's log: at most 8 KiB each and 1,000 a step; more is cut or dropped, and counted. */

import { write } from "flowforge:connector/log@0.1.0";
import { isRunning } from "./phase.ts";

function line(level: "debug" | "info" | "warn" | "error", message: string): void {
  // While the connector is built there is no step whose log could take the line.
  if (isRunning()) write(level, message);
}

/** A line for the author. */
export function debug(message: string): void {
  line("debug", message);
}

/** A line about what happened. */
export function info(message: string): void {
  line("info", message);
}

/** A line about something degraded. */
export function warn(message: string): void {
  line("warn", message);
}

/** A line about something that someone must look at. */
export function error(message: string): void {
  line("error", message);
}
