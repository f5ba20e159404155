/**
 * `URL` and `URLSearchParams` for addresses of requests.
 *
 * Covers hierarchical addresses (`http`, `https`, `ws`, `wss`, `ftp`) with relative resolution, dot segments,
 * percent-encoding and default ports, after the URL standard. Not covered: international names, which must be written in
 * punycode, and IPv4 in other forms than dotted decimal. Other schemes keep their rest as an opaque path.
 */

import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

const DEFAULT_PORTS: Record<string, string> = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21" };

const PATH_KEPT = /[A-Za-z0-9\-._~!$&'()*+,;=:@/%]/;
const QUERY_KEPT = /[A-Za-z0-9\-._~!$&()*+,;=:@/?%[\]{}|\\^`]/;
const FORM_KEPT = /[A-Za-z0-9\-._*]/;

function percentEncode(text: string, kept: RegExp): string {
  let out = "";
  for (const char of text) {
    if (char.charCodeAt(0) < 0x80 && kept.test(char)) out += char;
    else for (const byte of encodeUtf8(char)) out += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

function formDecode(text: string): string {
  const bytes: number[] = [];
  const source = encodeUtf8(text.replaceAll("+", " "));
  for (let at = 0; at < source.length; at++) {
    const hex = source[at] === 0x25 ? String.fromCharCode(source[at + 1] ?? 0, source[at + 2] ?? 0) : "";
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else {
      bytes.push(source[at] ?? 0);
    }
  }
  return decodeUtf8(new Uint8Array(bytes), false);
}

function formEncode(text: string): string {
  return percentEncode(text, FORM_KEPT).replaceAll("%20", "+");
}

class SearchParams {
  #pairs: [string, string][] = [];
  /** Tells the address that holds these parameters. */
  #changed: () => void = () => undefined;

  constructor(init: string | Record<string, string> | Iterable<readonly [string, string]> = "") {
    if (typeof init === "string") this.#parse(init);
    else if (Symbol.iterator in init) for (const [name, value] of init) this.#pairs.push([String(name), String(value)]);
    else for (const [name, value] of Object.entries(init)) this.#pairs.push([name, String(value)]);
  }

  /** The parameters of an address; they change with it and it with them. */
  static of(query: string, changed: (text: string) => void): SearchParams {
    const params = new SearchParams(query);
    params.#changed = () => changed(params.toString());
    return params;
  }

  /** Take over another query without telling the address. */
  reset(query: string): void {
    this.#pairs = [];
    this.#parse(query);
  }

  #parse(query: string): void {
    for (const part of query.replace(/^\?/, "").split("&")) {
      if (part === "") continue;
      const at = part.indexOf("=");
      const [name, value] = at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
      this.#pairs.push([formDecode(name), formDecode(value)]);
    }
  }

  get size(): number {
    return this.#pairs.length;
  }

  append(name: string, value: string): void {
    this.#pairs.push([String(name), String(value)]);
    this.#changed();
  }

  delete(name: string): void {
    this.#pairs = this.#pairs.filter(([key]) => key !== name);
    this.#changed();
  }

  get(name: string): string | null {
    return this.#pairs.find(([key]) => key === name)?.[1] ?? null;
  }

  getAll(name: string): string[] {
    return this.#pairs.filter(([key]) => key === name).map(([, value]) => value);
  }

  has(name: string): boolean {
    return this.#pairs.some(([key]) => key === name);
  }

  set(name: string, value: string): void {
    const at = this.#pairs.findIndex(([key]) => key === name);
    if (at < 0) return this.append(name, value);
    this.#pairs = this.#pairs.filter(([key], index) => key !== name || index === at);
    this.#pairs[at] = [name, String(value)];
    this.#changed();
  }

  sort(): void {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#changed();
  }

  forEach(call: (value: string, name: string) => void): void {
    for (const [name, value] of this.#pairs) call(value, name);
  }

  *keys(): Generator<string> {
    for (const [name] of this.#pairs) yield name;
  }

  *values(): Generator<string> {
    for (const [, value] of this.#pairs) yield value;
  }

  *entries(): Generator<[string, string]> {
    for (const [name, value] of this.#pairs) yield [name, value];
  }

  [Symbol.iterator](): Generator<[string, string]> {
    return this.entries();
  }

  toString(): string {
    return this.#pairs.map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`).join("&");
  }
}

class Address {
  protocol = "";
  username = "";
  password = "";
  hostname = "";
  port = "";
  #path = "";
  #query = "";
  #fragment = "";
  readonly searchParams: SearchParams;

  constructor(url: string | Address, base?: string | Address) {
    const text = String(url).trim();
    const parts = /^([A-Za-z][A-Za-z0-9+\-.]*:)?([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(text);
    if (parts === null) throw invalid(text);
    const [, scheme, rest = "", query = "", fragment = ""] = parts;
    if (scheme !== undefined) this.#absolute(scheme.toLowerCase(), rest, text);
    else if (base !== undefined) this.#relative(new Address(base), rest, query);
    else throw invalid(text);
    if (query !== "") this.search = query;
    this.hash = fragment;
    this.searchParams = SearchParams.of(this.#query, (changed) => {
      this.#query = changed === "" ? "" : `?${changed}`;
    });
  }

  static canParse(url: string, base?: string): boolean {
    try {
      new Address(url, base);
      return true;
    } catch {
      return false;
    }
  }

  #absolute(scheme: string, rest: string, text: string): void {
    this.protocol = scheme;
    if (!(scheme in DEFAULT_PORTS)) {
      this.#path = rest;
      return;
    }
    const parts = /^[/\\]*(?:([^/\\@]*)@)?(\[[^\]]*\]|[^/\\:]*)(?::(\d*))?([/\\].*)?$/s.exec(rest);
    const [, user = "", name = "", port = "", path = "/"] = parts ?? [];
    if (parts === null || !isName(name) || Number(port) > 65_535) throw invalid(text);
    const [username = "", ...password] = user.split(":");
    this.username = percentEncode(username, PATH_KEPT);
    this.password = percentEncode(password.join(":"), PATH_KEPT);
    this.hostname = name.toLowerCase();
    this.port = port === "" || Number(port) === Number(DEFAULT_PORTS[scheme]) ? "" : String(Number(port));
    this.pathname = path;
  }

  #relative(base: Address, rest: string, query: string): void {
    this.protocol = base.protocol;
    if (/^[/\\]{2}/.test(rest)) return this.#absolute(base.protocol, rest, rest);
    this.username = base.username;
    this.password = base.password;
    this.hostname = base.hostname;
    this.port = base.port;
    if (rest === "") {
      this.#path = base.#path;
      if (query === "") this.#query = base.#query;
    } else {
      this.pathname = /^[/\\]/.test(rest) ? rest : base.#path.replace(/[^/]*$/, "") + rest;
    }
  }

  get host(): string {
    return this.port === "" ? this.hostname : `${this.hostname}:${this.port}`;
  }

  get origin(): string {
    return this.protocol in DEFAULT_PORTS ? `${this.protocol}//${this.host}` : "null";
  }

  get pathname(): string {
    return this.#path;
  }

  set pathname(path: string) {
    const segments: string[] = [];
    const given = path.replaceAll("\\", "/").replace(/^\//, "").split("/");
    for (const [index, segment] of given.entries()) {
      const last = index === given.length - 1;
      const plain = segment.replace(/%2e/gi, ".");
      if (plain === "..") segments.pop();
      if (plain === "." || plain === "..") {
        if (last) segments.push("");
      } else {
        segments.push(percentEncode(segment, PATH_KEPT));
      }
    }
    this.#path = `/${segments.join("/")}`;
  }

  get search(): string {
    return this.#query === "?" ? "" : this.#query;
  }

  set search(query: string) {
    const text = query.replace(/^\?/, "");
    this.#query = text === "" ? "" : `?${percentEncode(text, QUERY_KEPT)}`;
    // Absent while the constructor runs.
    this.searchParams?.reset(this.#query);
  }

  get hash(): string {
    return this.#fragment === "#" ? "" : this.#fragment;
  }

  set hash(fragment: string) {
    const text = fragment.replace(/^#/, "");
    this.#fragment = text === "" ? "" : `#${percentEncode(text, QUERY_KEPT)}`;
  }

  get href(): string {
    const user = this.username === "" && this.password === "" ? "" : `${this.username}${this.password === "" ? "" : `:${this.password}`}@`;
    const authority = this.protocol in DEFAULT_PORTS ? `//${user}${this.host}` : "";
    return `${this.protocol}${authority}${this.#path}${this.#query}${this.#fragment}`;
  }

  toString(): string {
    return this.href;
  }

  toJSON(): string {
    return this.href;
  }
}

function isName(name: string): boolean {
  return /^\[[0-9A-Fa-f:.]+\]$/.test(name) || /^[A-Za-z0-9\-._~!$&'()*+,;=]+$/.test(name);
}

function invalid(text: string): TypeError {
  return new TypeError(`Invalid URL: ${text}`);
}

const globals = globalThis as unknown as Record<string, unknown>;
globals["URL"] ??= Address;
globals["URLSearchParams"] ??= SearchParams;
