/** Secrets: named, attached by the host, never readable. */

import { describe } from "flowforge:connector/secrets@0.1.0";
import { needsStep } from "./phase.ts";

/** Where the host writes a secret into a request. */
export type SecretPlacement =
  | "bearer"
  | { /** User name; the secret is the password. */ readonly basic: string }
  | { /** Name of the header. */ readonly header: string; /** Text before the secret. */ readonly prefix?: string }
  | { /** Name of the query parameter. */ readonly query: string };

/** A secret to attach to a request. */
export interface Secret {
  readonly slot: string;
  readonly placement: SecretPlacement;
}

/** What may be known of a secret. */
export interface SecretInfo {
  /** `bearer`, `basic`, `api-key`, `hmac-key` or `opaque`. */
  readonly kind: string;
  /** Grows by one with each new value. */
  readonly version: number;
}

/**
 * The secret in this slot, for `auth` of a request.
 *
 * @example
 * await http.post(url, { json: { line }, auth: secret("channel") });
 */
export function secret(slot: string, placement: SecretPlacement = "bearer"): Secret {
  return { slot, placement };
}

/** What is known of the secret in this slot; nothing if the slot is not bound. */
export function describeSecret(slot: string): SecretInfo | undefined {
  needsStep("describeSecret()");
  return describe(slot) ?? undefined;
}
