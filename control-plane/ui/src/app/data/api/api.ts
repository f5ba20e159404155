import { Injectable, signal } from '@angular/core';

import { isList, isObject, type Json } from '../../domain/json';
import { jsonText, parseJson } from '../../domain/json-text';
import type { Operation } from './operations';

/** Why there is no answer, for people. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** Stable, for programs; empty when the server was not reached. */
    readonly code: string,
    /** Whether it is a right that is missing. */
    readonly denied = false,
  ) {
    super(message);
  }
}

/** The code of an answer to somebody who lacks a right, whatever the status of the answer. */
const DENIED = 'FF-API-403';
/** Longest wait for an answer, milliseconds: the server gives up before. */
const ANSWER_MS = 15_000;
/** First and longest pause before a broken subscription is tried again, milliseconds. */
const PAUSE_MS = 500;
const PAUSE_MAX_MS = 15_000;

/** The API of the control plane that served this page. */
@Injectable({ providedIn: 'root' })
export class Api {
  private readonly reached = signal(true);
  /** Whether the last call reached the server. */
  readonly online = this.reached.asReadonly();
  private readonly unknown = signal(false);
  /** Whether the last call was refused because nobody is signed in any more. */
  readonly turnedAway = this.unknown.asReadonly();
  private csrf: string | null = null;

  /** What goes with every call beside the cookie of the session; null: nothing does. */
  proof(csrf: string | null): void {
    this.csrf = csrf;
    this.unknown.set(false);
  }

  proofHeaders(): Readonly<Record<string, string>> {
    return this.csrf === null ? {} : { 'x-csrf-token': this.csrf };
  }

  /** Asks, or changes something. Throws an `ApiError` that can be shown. */
  async ask<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables): Promise<Data> {
    let answer: Json;
    let denied = false;
    try {
      const response = await fetch('/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json', ...this.proofHeaders() },
        body: jsonText({ query: operation.text, variables }),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      denied = response.status === 401 || response.status === 403;
      this.unknown.set(response.status === 401);
      answer = parseJson(await response.text());
      this.reached.set(true);
    } catch {
      this.reached.set(false);
      throw new ApiError('The control plane does not answer. It may be starting again; this is tried again by itself.', '');
    }
    const mistake = mistakeIn(answer);
    if (mistake) throw denied ? new ApiError(mistake.message, mistake.code, true) : mistake;
    // What the server gives has the shape of its schema, from which `Data` was made.
    return (answer as unknown as { readonly data: Data }).data;
  }

  /**
   * Follows a subscription until it completes or the returned function is called. A connection that breaks is made again,
   * each time after a longer pause; `broken` says so, and `next` comes again when it is back.
   */
  follow<Data, Variables>(operation: Operation<Data, Variables>, variables: Variables, next: (data: Data) => void, broken: (why: string) => void): () => void {
    let ended = false;
    let pause = PAUSE_MS;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let socket: WebSocket | undefined;
    const connect = (): void => {
      const own = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql/ws`, 'graphql-transport-ws');
      socket = own;
      own.onopen = () => { own.send(jsonText({ type: 'connection_init' })); };
      own.onmessage = ({ data }) => {
        const message = parseJson(String(data));
        if (!isObject(message)) return;
        if (message['type'] === 'connection_ack') own.send(jsonText({ id: '1', type: 'subscribe', payload: { query: operation.text, variables } }));
        else if (message['type'] === 'ping') own.send(jsonText({ type: 'pong' }));
        else if (message['type'] === 'next' && message['payload'] !== undefined) {
          pause = PAUSE_MS;
          this.reached.set(true);
          if (mistakeIn(message['payload'])) own.close();
          else next((message['payload'] as unknown as { readonly data: Data }).data);
        } else if (message['type'] === 'complete') {
          ended = true;
          own.close();
        }
      };
      own.onclose = () => {
        if (ended) return;
        broken('The connection broke. It is made again by itself.');
        timer = setTimeout(connect, pause);
        pause = Math.min(pause * 2, PAUSE_MAX_MS);
      };
    };
    connect();
    return () => {
      ended = true;
      clearTimeout(timer);
      socket?.close();
    };
  }
}

/** The first error of an answer. */
function mistakeIn(answer: Json): ApiError | null {
  if (!isObject(answer)) return new ApiError('The control plane gave no answer that can be read.', '');
  if (typeof answer['code'] === 'string' && typeof answer['message'] === 'string') return new ApiError(answer['message'], answer['code']);
  const errors = answer['errors'];
  const first = isList(errors) ? errors[0] : undefined;
  if (first === undefined || !isObject(first)) return null;
  const extensions = first['extensions'];
  const code = isObject(extensions) && typeof extensions['code'] === 'string' ? extensions['code'] : '';
  const message = typeof first['message'] === 'string' ? first['message'] : 'The control plane refused the call.';
  return new ApiError(`${message.charAt(0).toUpperCase()}${message.slice(1)}`, code, code === DENIED);
}

/** What an error says to people. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : 'Something went wrong in this page. Load it again.';
}
