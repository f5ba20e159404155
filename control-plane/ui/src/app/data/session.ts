import { computed, inject, Injectable, signal } from '@angular/core';

import { isObject, type Json, type JsonObject } from '../domain/json';
import { jsonText, parseJson } from '../domain/json-text';
import { lacks, type Right } from '../domain/session/rights';
import { readSession, type SessionState } from '../domain/session/session';
import { Api, ApiError } from './api/api';

/** Why signing in, or using a link, did not do. `field` is the part of the form that is wrong. */
export class SignInError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly field: string | null,
    /** After how many milliseconds another try may be made; 0: at once. */
    readonly waitMs: number,
  ) {
    super(message);
  }
}

const DOOR = '/session';
const ANSWER_MS = 15_000;
/** A server without this door gives the page itself, because that is accepted too, and needs no sign-in. */
const ACCEPT = 'application/json, text/html;q=0.1';
const OPEN: SessionState = { needed: false, workspace: '', account: null };

/** The session of this browser. Its secret stays in a cookie that no script reads; what goes with a change is told here. */
@Injectable({ providedIn: 'root' })
export class Session {
  private readonly api = inject(Api);
  private readonly known = signal<SessionState | null>(null);
  private readonly asked = signal(false);
  /** Whether the server was asked, so that what follows goes with the proof that it gave, or is known to have none. */
  readonly settled = this.asked.asReadonly();
  /** Null until the server has said. */
  readonly state = this.known.asReadonly();
  readonly account = computed(() => this.known()?.account ?? null);
  /** Whether somebody has to sign in before anything is shown. */
  readonly away = computed(() => {
    const known = this.known();
    return known !== null && known.needed && (known.account === null || this.api.turnedAway());
  });

  /** Why whoever is signed in may not do what needs this right; null if they may. */
  lacks(right: Right): string | null {
    return lacks(this.known(), right);
  }

  /** Asks who this is. A server that does not answer leaves what was known. */
  async look(): Promise<void> {
    try {
      const { answer } = await this.call('GET', DOOR, null);
      this.keep(answer);
    } catch {
      // The views say that nothing answers; this is asked again when one of them is refused.
    } finally {
      this.asked.set(true);
    }
  }

  async signIn(name: string, password: string): Promise<void> {
    await this.begin(DOOR, { name, password });
  }

  /** Uses a one-time link, and signs in. */
  async join(invitation: string, name: string, password: string): Promise<void> {
    await this.begin(`${DOOR}/link`, { link: invitation, name, password });
  }

  async signOut(): Promise<void> {
    await this.call('DELETE', DOOR, null);
    this.known.update((known) => (known === null ? known : { ...known, account: null }));
    this.api.proof(null);
  }

  private async begin(path: string, body: JsonObject): Promise<void> {
    const { status, answer } = await this.call('POST', path, body);
    if (status >= 400) throw mistakeOf(answer);
    this.keep(answer);
  }

  private keep(answer: Json | undefined): void {
    const read = answer === undefined ? null : readSession(answer);
    this.known.set(read?.state ?? OPEN);
    this.api.proof(read?.csrf ?? null);
  }

  private async call(method: string, path: string, body: JsonObject | null): Promise<{ readonly status: number; readonly answer: Json | undefined }> {
    const headers: Record<string, string> = { accept: ACCEPT, ...this.api.proofHeaders() };
    if (body !== null) headers['content-type'] = 'application/json';
    const response = await fetch(path, { method, headers, ...(body === null ? {} : { body: jsonText(body) }), signal: AbortSignal.timeout(ANSWER_MS) });
    const text = await response.text();
    const json = response.headers.get('content-type')?.startsWith('application/json') === true;
    return { status: response.status, answer: json ? parseJson(text) : undefined };
  }
}

function mistakeOf(answer: Json | undefined): SignInError | ApiError {
  if (answer === undefined || !isObject(answer) || typeof answer['message'] !== 'string') return new ApiError('The control plane gave no answer that can be read.', '');
  const [code, field, wait] = [answer['code'], answer['field'], answer['retryAfterMs']];
  const message = `${answer['message'].charAt(0).toUpperCase()}${answer['message'].slice(1)}${/[.!?]$/.test(answer['message']) ? '' : '.'}`;
  return new SignInError(message, typeof code === 'string' ? code : '', typeof field === 'string' ? field : null, typeof wait === 'number' ? wait : 0);
}
