/**
 * `Math.random` and `crypto` over the host's randomness.
 *
 * The engine's own generator is seeded when the connector is built, so that every instance of it would draw the same
 * numbers. This one is seeded by the host at the first use in each instance.
 */

import { randomBytes } from "flowforge:connector/context@0.1.0";
import { needsStep } from "../phase.ts";

/** The most that one call to the host gives, in bytes. */
const CALL_BYTES_MAX = 65_536;

let state: Uint32Array | undefined;

/** xoshiro128**. Source: Blackman and Vigna, Scrambled Linear Pseudorandom Number Generators. */
function next(): number {
  if (state === undefined) {
    needsStep("Math.random()");
    state = new Uint32Array(new Uint8Array(randomBytes(16)).buffer);
    state[0] = (state[0] ?? 0) | 1;
  }
  const [a = 0, b = 0, c = 0, d = 0] = state;
  const scrambled = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
  const c1 = c ^ a;
  const d1 = d ^ b;
  state[0] = a ^ d1;
  state[1] = b ^ c1;
  state[2] = c1 ^ (b << 9);
  state[3] = rotate(d1, 11);
  return scrambled;
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function getRandomValues<T extends ArrayBufferView>(array: T): T {
  needsStep("crypto.getRandomValues()");
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let at = 0; at < bytes.length; at += CALL_BYTES_MAX) {
    bytes.set(randomBytes(Math.min(CALL_BYTES_MAX, bytes.length - at)), at);
  }
  return array;
}

/** Source: RFC 9562 §5.4. */
function randomUUID(): string {
  const bytes = getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

// 53 random bits, as the engine's own function has.
Math.random = (): number => ((next() >>> 5) * 67_108_864 + (next() >>> 6)) / 9_007_199_254_740_992;
(globalThis as unknown as Record<string, unknown>)["crypto"] ??= { getRandomValues, randomUUID };
