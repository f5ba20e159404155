/** What a snippet returns, as JSON: what JSON cannot hold is refused at its place and does not get lost. */

import { Failure, type Json } from "@flowforge/sdk";

/** How deep a result may be nested. */
const DEPTH_MAX = 100;

/** This value as JSON. Nothing at all is null; what knows how to be JSON, as a date does, says it. */
export function plain(value: unknown, path: string, depth = 0): Json {
  if (depth > DEPTH_MAX) throw refused(path, `something nested more than ${DEPTH_MAX} deep, or a circle`);
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return finite(value, path);
  if (typeof value !== "object") throw refused(path, `a ${typeof value}`);
  if ("toJSON" in value && typeof value.toJSON === "function") return plain(value.toJSON(), path, depth + 1);
  if (Array.isArray(value)) return value.map((item, index) => plain(item, `${path}[${index}]`, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) throw refused(path, `a ${value.constructor.name}`);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([key, field]) => [key, plain(field, path === "" ? key : `${path}.${key}`, depth + 1)]));
}

function finite(value: number, path: string): number {
  if (Number.isFinite(value)) return value;
  throw refused(path, `the number ${value}`);
}

function refused(path: string, what: string): Failure {
  return Failure.invalid("code", `returned ${what}${path === "" ? "" : ` at ${path}`}, which JSON cannot hold`);
}
