/** The interfaces of `flowforge:connector`, as the component's engine offers them to modules. */

declare module "flowforge:connector/context@0.1.0" {
  export interface StepInfo {
    runId: string;
    step: string;
    attempt: number;
    idempotencyKey: string;
    deadlineMs: number;
  }
  export function step(): StepInfo;
  export function nowMs(): number;
  export function randomBytes(length: number): Uint8Array;
}

declare module "flowforge:connector/log@0.1.0" {
  export function write(level: "debug" | "info" | "warn" | "error", message: string): void;
}

declare module "flowforge:connector/secrets@0.1.0" {
  export function describe(slot: string): { kind: string; version: number } | null;
}

declare module "flowforge:connector/http@0.1.0" {
  import type { Artefact } from "@flowforge/sdk";
  export interface Header {
    name: string;
    value: string;
  }
  export type Body = { tag: "bytes"; val: Uint8Array } | { tag: "artefact"; val: Artefact };
  export type Placement =
    | { tag: "bearer" }
    | { tag: "basic"; val: string }
    | { tag: "header"; val: { name: string; prefix: string } }
    | { tag: "query"; val: string };
  export interface Request {
    method: string;
    url: string;
    headers: Header[];
    body: Body | null;
    auth: { slot: string; placement: Placement } | null;
    timeoutMs: number | null;
    saveAs: string | null;
    redirectsMax: number | null;
  }
  export interface Response {
    status: number;
    headers: Header[];
    body: Body;
    url: string;
    retryAfterMs: number | null;
  }
  export function send(request: Request): Response;
  export function decodeText(bytes: Uint8Array, contentType: string | null): string;
}

declare module "flowforge:connector/progress@0.1.0" {
  export function report(state: { percent: number | null; message: string | null } | null): void;
}

declare module "flowforge:connector/artefacts@0.1.0" {
  import type { Artefact } from "@flowforge/sdk";
  export interface Writer {
    write(bytes: Uint8Array): void;
    finish(): Artefact;
  }
  export interface Reader {
    read(max: number): Uint8Array;
  }
  export function create(name: string, mediaType: string): Writer;
  export function open(artefact: Artefact): Reader;
}
