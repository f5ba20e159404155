/** `console`: lines in the step's log. */

import * as log from "../log.ts";

/** Deepest level of an object that is shown. */
const DEPTH_MAX = 4;

/** A value as a person wants to see it. */
export function show(value: unknown, depth = 0): string {
  if (typeof value === "string") return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[function ${value.name}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (depth >= DEPTH_MAX) return "…";
  if (Array.isArray(value)) return `[${value.map((item) => show(item, depth + 1)).join(", ")}]`;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return `Map ${show([...value], depth)}`;
  if (value instanceof Set) return `Set ${show([...value], depth)}`;
  const fields = Object.entries(value).map(([key, item]) => `${key}: ${show(item, depth + 1)}`);
  return `{ ${fields.join(", ")} }`;
}

function writer(write: (message: string) => void): (...values: unknown[]) => void {
  return (...values) => write(values.map((value) => show(value)).join(" "));
}

(globalThis as unknown as Record<string, unknown>)["console"] = {
  debug: writer(log.debug),
  log: writer(log.info),
  info: writer(log.info),
  warn: writer(log.warn),
  error: writer(log.error),
  trace: writer(log.debug),
};
