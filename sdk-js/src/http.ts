/**
 * Outgoing HTTP.
 *
 * The host attaches secrets, checks destinations, decodes what the transfer encoded and follows redirects where a request
 * allows it. An answer that says "later" becomes a retryable {@link Failure}, so that the retry policy waits, not the
 * connector.
 */

import { decodeText, send, type Request as HostRequest, type Response as HostResponse } from "flowforge:connector/http@0.1.0";
import { step } from "./context.ts";
import { Failure } from "./failure.ts";
import { needsStep } from "./phase.ts";
import { decodeUtf8, encodeUtf8 } from "./polyfill/utf8.ts";
import { type Refusal, refusalIn } from "./refusal.ts";
import type { Secret } from "./secret.ts";
import type { Artefact } from "./types.ts";

/** How a request is made. */
export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Body, sent as JSON. At most one of `json`, `text`, `bytes`, `artefact`. */
  readonly json?: unknown;
  /** Body, sent as UTF-8. */
  readonly text?: string;
  /** Body, at most 2 MiB. */
  readonly bytes?: Uint8Array;
  /** Body, at most 64 MiB. */
  readonly artefact?: Artefact;
  /** A secret for the host to attach. */
  readonly auth?: Secret;
  /** Limit for the whole exchange, in milliseconds; the step's own limit holds besides. */
  readonly timeoutMs?: number;
  /** Store the body of a response of status 2xx as an artefact of this name, up to 64 MiB. */
  readonly saveAs?: string;
  /**
   * Let the host follow at most this many redirects, at most 10, of a `GET` or `HEAD`. Each passes every check of the node
   * again; the secret stays with the origin of this request.
   */
  readonly redirectsMax?: number;
  /** Send the step's idempotency key, so that a repeated attempt acts once. */
  readonly idempotent?: boolean;
  /** Give back an answer of any status instead of throwing for 400 and above. */
  readonly anyStatus?: boolean;
}

/** One response. */
export class HttpResponse {
  readonly status: number;
  /** Header fields by lower-case name; fields of one name are joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** The address that answered: another than the request's where redirects were followed. */
  readonly url: string;
  /** What `retry-after` asks for, in milliseconds from now, whichever of its two forms was used. */
  readonly retryAfterMs: number | undefined;
  /** The body, if `saveAs` asked for an artefact. */
  readonly artefact: Artefact | undefined;
  readonly #body: Uint8Array;

  constructor(answer: HostResponse) {
    const headers: Record<string, string> = {};
    for (const { name, value } of answer.headers) {
      const key = name.toLowerCase();
      headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
    }
    this.status = answer.status;
    this.headers = headers;
    this.url = answer.url;
    this.retryAfterMs = answer.retryAfterMs ?? undefined;
    this.artefact = answer.body.tag === "artefact" ? answer.body.val : undefined;
    this.#body = answer.body.tag === "bytes" ? new Uint8Array(answer.body.val) : new Uint8Array(0);
  }

  /** The body; empty if it was saved as an artefact. */
  bytes(): Uint8Array {
    return this.#body;
  }

  /**
   * The body as text: a byte order mark decides, then the `charset` of `content-type`, then UTF-8. Throws `rejected` with code
   * `not_text`.
   */
  text(): string {
    return textOf(this.#body, this.headers["content-type"]);
  }

  /**
   * The body as JSON. Throws `rejected` with code `not_json`. The type is the author's claim; without one it is `any`, so
   * that `answer.json().id` can be written.
   */
  json<T = any>(): T {
    try {
      return JSON.parse(this.text()) as T;
    } catch (error) {
      throw Failure.rejected("not_json", `the response is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** `GET`. */
export function get(url: string, options: RequestOptions = {}): Promise<HttpResponse> {
  return request("GET", url, options);
}

/** `POST`. */
export function post(url: string, options: RequestOptions = {}): Promise<HttpResponse> {
  return request("POST", url, options);
}

/** `PUT`. */
export function put(url: string, options: RequestOptions = {}): Promise<HttpResponse> {
  return request("PUT", url, options);
}

/** `PATCH`. */
export function patch(url: string, options: RequestOptions = {}): Promise<HttpResponse> {
  return request("PATCH", url, options);
}

/** `DELETE`. */
export function del(url: string, options: RequestOptions = {}): Promise<HttpResponse> {
  return request("DELETE", url, options);
}

/**
 * Send one request and wait for the whole response.
 *
 * Rejects with a {@link Failure}: `denied` without a grant or for 401 and 403, `throttled` for 429, `unavailable` for
 * 408, 425 and 5xx or if nothing was sent, `timed_out` if the outcome is unknown, `rejected` for every other 4xx.
 */
export async function request(method: string, url: string, options: RequestOptions = {}): Promise<HttpResponse> {
  needsStep("a request");
  const answer = new HttpResponse(exchange(hostRequest(method, url, options)));
  const failure = options.anyStatus === true ? undefined : failureOf(answer);
  if (failure !== undefined) throw failure;
  return answer;
}

function hostRequest(method: string, url: string, options: RequestOptions): HostRequest {
  const headers = Object.entries(options.headers ?? {}).map(([name, value]) => ({ name, value }));
  const has = (wanted: string): boolean => headers.some(({ name }) => name.toLowerCase() === wanted);
  const typed = (mediaType: string): void => {
    if (!has("content-type")) headers.push({ name: "content-type", value: mediaType });
  };
  const bodies = [options.json, options.text, options.bytes, options.artefact].filter((body) => body !== undefined);
  if (bodies.length > 1) throw Failure.internal("a request has at most one of json, text, bytes and artefact");
  let body: HostRequest["body"] = null;
  if (options.json !== undefined) {
    typed("application/json");
    body = { tag: "bytes", val: encodeUtf8(JSON.stringify(options.json)) };
  } else if (options.text !== undefined) {
    typed("text/plain; charset=utf-8");
    body = { tag: "bytes", val: encodeUtf8(options.text) };
  } else if (options.bytes !== undefined) {
    body = { tag: "bytes", val: options.bytes };
  } else if (options.artefact !== undefined) {
    typed(options.artefact.mediaType);
    body = { tag: "artefact", val: options.artefact };
  }
  if (options.idempotent === true && !has("idempotency-key")) {
    headers.push({ name: "idempotency-key", value: step().idempotencyKey });
  }
  return {
    method,
    url,
    headers,
    body,
    auth: options.auth === undefined ? null : { slot: options.auth.slot, placement: placementOf(options.auth) },
    timeoutMs: options.timeoutMs ?? null,
    saveAs: options.saveAs ?? null,
    redirectsMax: options.redirectsMax ?? null,
  };
}

function placementOf({ placement }: Secret): NonNullable<HostRequest["auth"]>["placement"] {
  if (placement === "bearer") return { tag: "bearer" };
  if ("basic" in placement) return { tag: "basic", val: placement.basic };
  if ("query" in placement) return { tag: "query", val: placement.query };
  return { tag: "header", val: { name: placement.header, prefix: placement.prefix ?? "" } };
}

function exchange(request: HostRequest): HostResponse {
  try {
    return send(request);
  } catch (thrown) {
    const refusal = refusalIn(thrown);
    throw refusal === undefined ? thrown : sendFailure(refusal);
  }
}

function sendFailure({ tag, val }: Refusal): Failure {
  switch (tag) {
    case "destination-denied":
      return Failure.denied(`this node may not reach ${val}`);
    case "secret-denied":
      return Failure.denied(String(val));
    case "body-unavailable":
    case "unreachable":
      return Failure.unavailable(String(val));
    case "timed-out":
      return Failure.timedOut(String(val));
    case "storage":
      return Failure.timedOut(`the response came and could not be stored: ${val}`);
    case "malformed-response":
      return Failure.rejected("malformed_response", String(val));
    case "not-kept":
      return Failure.rejected("not_kept", String(val));
    case "redirect":
      return Failure.rejected("redirect", String(val));
    case "too-large":
      return Failure.rejected("too_large", `the response is larger than ${val} bytes`);
    default:
      return Failure.internal(`request refused: ${val}`);
  }
}

/** How much of a refusal's body its failure quotes, in characters. */
const QUOTED_CHARS = 200;

function failureOf(answer: HttpResponse): Failure | undefined {
  const { status } = answer;
  if (status < 400) return undefined;
  const quoted = quotable(answer).trim().slice(0, QUOTED_CHARS);
  const message = quoted === "" ? `answered ${status}` : `answered ${status}: ${quoted}`;
  const wait = answer.retryAfterMs;
  if (status === 401 || status === 403) return Failure.denied(message);
  if (status === 429) return Failure.throttled(message, wait);
  if (status === 408 || status === 425 || status >= 500) {
    return wait === undefined ? Failure.unavailable(message) : Failure.throttled(message, wait);
  }
  return Failure.rejected(String(status), message);
}

/** The body for a failure's message, readable as far as it is text. */
function quotable(answer: HttpResponse): string {
  try {
    return answer.text();
  } catch {
    return decodeUtf8(answer.bytes(), false);
  }
}

/** UTF-8 is read here, everything else by the host. */
function textOf(bytes: Uint8Array, contentType: string | undefined): string {
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType ?? "")?.[1]?.toLowerCase();
  if (marked || charset === undefined || charset === "utf-8" || charset === "utf8") {
    try {
      return decodeUtf8(marked ? bytes.subarray(3) : bytes, true);
    } catch {
      // Perhaps a byte order mark of another encoding: the host says what is wrong.
    }
  }
  try {
    return decodeText(bytes, contentType ?? null);
  } catch (thrown) {
    const refusal = refusalIn(thrown);
    if (refusal === undefined) throw thrown;
    switch (refusal.tag) {
      case "unknown-charset":
        throw Failure.rejected("not_text", `the response is in the charset ${refusal.val}, which no host knows`);
      case "malformed":
        throw Failure.rejected("not_text", `the response is no text in ${refusal.val}`);
      default:
        throw Failure.rejected("not_text", `the response is larger than ${refusal.val} bytes of text`);
    }
  }
}
