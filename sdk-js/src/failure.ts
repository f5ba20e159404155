/** Why an operation failed, in the words that decide who may try again. */

/** Names of the standard failures. */
export type FailureKind = "invalid" | "rejected" | "denied" | "throttled" | "unavailable" | "timed_out" | "internal";

/** What a {@link Failure} carries besides its message. */
export interface FailureDetails {
  /** `invalid`: path of the wrong value, for example `rows[3].price`. */
  readonly path?: string;
  /** `rejected`: stable code for programs. */
  readonly code?: string;
  /** `throttled`: the least wait before another attempt, in milliseconds. */
  readonly retryAfterMs?: number;
}

/**
 * A typed failure. Throw it; the host retries only `throttled` and `unavailable`, and `timed_out` where a repetition is
 * harmless.
 *
 * @example
 * if (magnitude < 4) throw Failure.invalid("magnitude", "must be 4.0 or more");
 */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly kind: FailureKind;
  readonly details: FailureDetails;

  private constructor(kind: FailureKind, message: string, details: FailureDetails = {}) {
    super(message);
    this.kind = kind;
    this.details = details;
  }

  /** Final: the input at `path` is wrong; `message` says what would be right. */
  static invalid(path: string, message: string): Failure {
    return new Failure("invalid", message, { path });
  }

  /** Final: the service understood and refused. */
  static rejected(code: string, message: string): Failure {
    return new Failure("rejected", message, { code });
  }

  /** Final: the credentials are missing, wrong or not allowed to do this. */
  static denied(message: string): Failure {
    return new Failure("denied", message);
  }

  /** Retryable: the service asks for fewer requests and did nothing. */
  static throttled(message: string, retryAfterMs?: number): Failure {
    return new Failure("throttled", message, retryAfterMs === undefined ? {} : { retryAfterMs });
  }

  /** Retryable: the service could not be reached or is not ready, and did nothing. */
  static unavailable(message: string): Failure {
    return new Failure("unavailable", message);
  }

  /** The outcome is unknown; retried only where a repetition is harmless. */
  static timedOut(message: string): Failure {
    return new Failure("timed_out", message);
  }

  /** Final: the connector itself is wrong. */
  static internal(message: string): Failure {
    return new Failure("internal", message);
  }
}
