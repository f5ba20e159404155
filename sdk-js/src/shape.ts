/**
 * Between the author's values and the engine's.
 *
 * The engine stops with a bare "unreachable" at a value of the wrong shape; here the value is checked first, and the
 * message names its path and what was expected. Differences bridged: a variant is `{ kind, value }` for the author and
 * `{ tag, val }` for the engine, `undefined` is none, and the `json` alias is a value for the author and a text on the wire.
 */

import { show } from "./polyfill/console.ts";

/** The type of a port, as the build tool reads it from the world. */
export type Shape =
  | { readonly type: "bool" | "char" | "string" | "json" | "bytes" | "f32" | "f64" }
  | { readonly type: "s8" | "u8" | "s16" | "u16" | "s32" | "u32" | "s64" | "u64" }
  | { readonly type: "artefact" }
  | { readonly type: "list"; readonly element: Shape }
  | { readonly type: "option"; readonly inner: Shape }
  | { readonly type: "tuple"; readonly items: readonly Shape[] }
  | { readonly type: "record"; readonly fields: readonly { readonly name: string; readonly key: string; readonly ty: Shape }[] }
  | { readonly type: "variant"; readonly cases: readonly { readonly name: string; readonly wit_name: string; readonly ty?: Shape }[] }
  | { readonly type: "enum"; readonly cases: readonly Named[] }
  | { readonly type: "flags"; readonly flags: readonly (Named & { readonly key: string })[] }
  | { readonly type: "result"; readonly ok: Shape | null; readonly err: Shape | null };

interface Named {
  readonly name: string;
  readonly wit_name: string;
}

/** A value of the wrong shape. */
export class WrongShape extends Error {}

const ARTEFACT: Shape = {
  type: "record",
  fields: [
    { name: "digest", key: "digest", ty: { type: "string" } },
    { name: "name", key: "name", ty: { type: "string" } },
    { name: "media_type", key: "mediaType", ty: { type: "string" } },
    { name: "size", key: "size", ty: { type: "u64" } },
  ],
};

/** What the author is given for a value of the engine. */
export function lift(shape: Shape, value: unknown): unknown {
  switch (shape.type) {
    case "json":
      return liftJson(value as string);
    case "bytes":
      return value instanceof Uint8Array ? value : Uint8Array.from(value as number[]);
    case "list":
      return (value as unknown[]).map((item) => lift(shape.element, item));
    case "tuple":
      return shape.items.map((item, index) => lift(item, (value as unknown[])[index]));
    case "option":
      return liftOption(shape.inner, value);
    case "record": {
      const out: Record<string, unknown> = {};
      for (const field of shape.fields) {
        const lifted = lift(field.ty, (value as Record<string, unknown>)[field.key]);
        if (lifted !== undefined) out[field.key] = lifted;
      }
      return out;
    }
    case "variant": {
      const { tag, val } = value as { tag: string; val?: unknown };
      const found = shape.cases.find((one) => one.wit_name === tag);
      const kind = found?.name ?? tag;
      return found?.ty === undefined ? { kind } : { kind, value: lift(found.ty, val) };
    }
    case "enum":
      return shape.cases.find((one) => one.wit_name === value)?.name ?? value;
    case "flags":
      return shape.flags.filter((flag) => (value as Record<string, boolean>)[flag.key] === true).map((flag) => flag.name);
    case "result": {
      const { tag, val } = value as { tag: "ok" | "err"; val?: unknown };
      const side = tag === "ok" ? shape.ok : shape.err;
      return side === null ? { kind: tag } : { kind: tag, value: lift(side, val) };
    }
    case "s64":
    case "u64":
      return liftWide(shape.type, value);
    default:
      return value;
  }
}

/**
 * A 64-bit integer for the author, who gets a `bigint`. The engine hands it over as a number, which names every integer only
 * up to 2^53 - 1, and one above 2^63 as a negative one: the call fails instead of going on with another number.
 */
function liftWide(type: "s64" | "u64", value: unknown): bigint {
  if (typeof value === "bigint" && (type === "s64" || value >= 0n)) return value;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || (type === "u64" && value < 0)) {
    throw new WrongShape(`an integer ${TOO_WIDE}`);
  }
  return BigInt(value);
}

const TOO_WIDE = "beyond ±(2^53 - 1), which this engine cannot hold exactly; take it as a text, or as json with a text in it";

/** The value of a JSON text. A reader of JSON rounds an integer that the engine cannot hold, without a word. */
function liftJson(text: string): unknown {
  if (/\d{16}/.test(text)) {
    for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g)) {
      if (/^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token))) {
        throw new WrongShape(`the integer ${token} is ${TOO_WIDE}`);
      }
    }
  }
  return JSON.parse(text);
}

/** An option directly inside an option is wrapped by the engine, so that its none differs from the outer one. */
function liftOption(inner: Shape, value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (inner.type !== "option") return lift(inner, value);
  const { tag, val } = value as { tag: "some" | "none"; val?: unknown };
  return tag === "some" ? { some: lift(inner, val) } : undefined;
}

/** What the engine is given for a value of the author. Throws {@link WrongShape}; `path` is where the value stands. */
export function lower(shape: Shape, value: unknown, path: string): unknown {
  const wrong = (expected: string): never => {
    throw new WrongShape(`${path === "" ? "" : `${path}: `}${short(value)}, expected ${expected}`);
  };
  switch (shape.type) {
    case "bool":
      return typeof value === "boolean" ? value : wrong("true or false");
    case "string":
      return typeof value === "string" ? value : wrong("a text");
    case "char":
      return typeof value === "string" && [...value].length === 1 ? value : wrong("one character");
    case "f32":
    case "f64":
      return typeof value === "number" ? value : wrong("a number");
    case "json":
      return lowerJson(value, wrong);
    case "bytes":
      return value instanceof Uint8Array ? value : wrong("a Uint8Array");
    case "artefact":
      return lower(ARTEFACT, value, path);
    case "list":
      if (!Array.isArray(value)) return wrong("an array");
      return value.map((item, index) => lower(shape.element, item, `${path}[${index}]`));
    case "tuple":
      if (!Array.isArray(value) || value.length !== shape.items.length) return wrong(`an array of ${shape.items.length}`);
      return shape.items.map((item, index) => lower(item, value[index], `${path}[${index}]`));
    case "option":
      return lowerOption(shape.inner, value, path);
    case "record": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong("an object");
      const out: Record<string, unknown> = {};
      for (const field of shape.fields) {
        out[field.key] = lower(field.ty, (value as Record<string, unknown>)[field.key], path === "" ? field.key : `${path}.${field.key}`);
      }
      return out;
    }
    case "variant": {
      const kind = kindOf(value);
      const found = shape.cases.find((one) => one.name === kind);
      if (found === undefined) return wrong(`an object whose kind is one of ${names(shape.cases)}`);
      if (found.ty === undefined) return { tag: found.wit_name };
      return { tag: found.wit_name, val: lower(found.ty, (value as { value?: unknown }).value, `${path}.value`) };
    }
    case "enum":
      return shape.cases.find((one) => one.name === value)?.wit_name ?? wrong(`one of ${names(shape.cases)}`);
    case "flags": {
      if (!Array.isArray(value) || value.some((item) => !shape.flags.some((flag) => flag.name === item))) {
        return wrong(`an array of ${names(shape.flags)}`);
      }
      return Object.fromEntries(shape.flags.map((flag) => [flag.key, value.includes(flag.name)]));
    }
    case "result": {
      const kind = kindOf(value);
      if (kind !== "ok" && kind !== "err") return wrong("an object whose kind is ok or err");
      const side = kind === "ok" ? shape.ok : shape.err;
      return side === null ? { tag: kind } : { tag: kind, val: lower(side, (value as { value?: unknown }).value, `${path}.value`) };
    }
    default:
      return lowerInteger(shape.type, value, wrong);
  }
}

const RANGES: Record<string, readonly [number, number]> = {
  s8: [-128, 127],
  u8: [0, 255],
  s16: [-32_768, 32_767],
  u16: [0, 65_535],
  s32: [-2_147_483_648, 2_147_483_647],
  u32: [0, 4_294_967_295],
  s64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  u64: [0, Number.MAX_SAFE_INTEGER],
};

function lowerInteger(type: string, value: unknown, wrong: (expected: string) => never): number {
  const [least, most] = RANGES[type] ?? [0, 0];
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isInteger(number) || number < least || number > most) {
    return wrong(`a whole number from ${least} to ${most}`);
  }
  return number;
}

function lowerJson(value: unknown, wrong: (expected: string) => never): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    return wrong("a value without cycles that JSON can hold");
  }
  return text ?? wrong("a value that JSON can hold");
}

function lowerOption(inner: Shape, value: unknown, path: string): unknown {
  if (value === null || value === undefined) return inner.type === "option" ? { tag: "none" } : null;
  if (inner.type !== "option") return lower(inner, value, path);
  return { tag: "some", val: lower(inner, (value as { some?: unknown }).some, `${path}.some`) };
}

function kindOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
}

function names(cases: readonly Named[]): string {
  return cases.map((one) => one.name).join(", ");
}

/** A value in at most 80 characters. */
function short(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : show(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
