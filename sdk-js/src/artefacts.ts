/** Writing and reading artefacts. */

import { create as hostCreate, open as hostOpen, type Writer as HostWriter } from "flowforge:connector/artefacts@0.1.0";
import { Failure } from "./failure.ts";
import { needsStep } from "./phase.ts";
import { decodeUtf8, encodeUtf8 } from "./polyfill/utf8.ts";
import { refusalIn } from "./refusal.ts";
import type { Artefact } from "./types.ts";

/** The most one call to the host carries, in bytes. */
const CALL_BYTES_MAX = 1024 * 1024;

/** An artefact being written. */
export class Writer {
  readonly #host: HostWriter;

  constructor(host: HostWriter) {
    this.#host = host;
  }

  /** Append bytes, or a text as UTF-8. */
  write(content: Uint8Array | string): void {
    const bytes = typeof content === "string" ? encodeUtf8(content) : content;
    for (let at = 0; at < bytes.length; at += CALL_BYTES_MAX) {
      const chunk = bytes.subarray(at, at + CALL_BYTES_MAX);
      typed(() => this.#host.write(chunk));
    }
  }

  /** Close and name the artefact. */
  finish(): Artefact {
    return typed(() => this.#host.finish());
  }
}

/** Begin a new artefact of this file name and media type, at most 64 MiB. */
export function create(name: string, mediaType: string): Writer {
  needsStep("artefacts.create()");
  return new Writer(typed(() => hostCreate(name, mediaType)));
}

/** The whole content of an artefact. Throws `rejected` with code `too_large` above `maxBytes`. */
export function bytes(artefact: Artefact, maxBytes = 16 * CALL_BYTES_MAX): Uint8Array {
  needsStep("artefacts.bytes()");
  if (artefact.size > maxBytes) {
    throw Failure.rejected("too_large", `${artefact.name} has ${artefact.size} bytes, at most ${maxBytes} are read at once`);
  }
  const all = new Uint8Array(artefact.size);
  let length = 0;
  for (const chunk of chunks(artefact)) {
    all.set(chunk, length);
    length += chunk.length;
  }
  return all.subarray(0, length);
}

/** The whole content of an artefact as text. */
export function text(artefact: Artefact, maxBytes?: number): string {
  return decodeUtf8(bytes(artefact, maxBytes), false);
}

/** The content of an artefact, piece by piece, for one that is too large to hold. */
export function* chunks(artefact: Artefact): Generator<Uint8Array, void, undefined> {
  needsStep("artefacts.chunks()");
  const reader = typed(() => hostOpen(artefact));
  for (;;) {
    const chunk = typed(() => reader.read(CALL_BYTES_MAX));
    if (chunk.length === 0) return;
    yield new Uint8Array(chunk);
  }
}

/** Call the host and turn its refusal into a failure. */
function typed<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    const refusal = refusalIn(thrown);
    if (refusal === undefined) throw thrown;
    if (refusal.tag === "not-granted") throw Failure.denied(String(refusal.val));
    if (refusal.tag === "too-large") throw Failure.rejected("too_large", `the artefact is larger than ${refusal.val} bytes`);
    if (refusal.tag === "invalid") throw Failure.internal(String(refusal.val));
    if (refusal.tag === "quota") throw Failure.rejected("quota", String(refusal.val));
    if (refusal.tag === "holds-secret") throw Failure.rejected("holds_secret", `the content holds the value of secret ${refusal.val}`);
    throw Failure.unavailable(String(refusal.val));
  }
}
