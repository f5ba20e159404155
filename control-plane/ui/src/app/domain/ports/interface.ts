/** The interface of a connector as JSON: what it offers and what it asks for. Names and shapes are the registry's. */

/** Name and docs of a type, where its author gave them. */
export interface Named {
  readonly name?: string;
  readonly docs?: string;
}

/** A field of a record. */
export interface WitField {
  readonly name: string;
  readonly wit_name?: string;
  readonly ty: WitType;
  readonly docs?: string;
}

/** A case of a variant. */
export interface WitCase {
  readonly name: string;
  readonly ty?: WitType;
  readonly docs?: string;
}

/** A case of an enum, or one flag. */
export interface WitName {
  readonly name: string;
  readonly docs?: string;
}

export type IntegerName = 's8' | 'u8' | 's16' | 'u16' | 's32' | 'u32' | 's64' | 'u64';

/** The type of a port. */
export type WitType =
  | { readonly type: 'bool' | IntegerName | 'f32' | 'f64' | 'char' | 'string' | 'json' | 'bytes' | 'artefact' }
  | { readonly type: 'list'; readonly element: WitType }
  | { readonly type: 'option'; readonly inner: WitType }
  | { readonly type: 'tuple'; readonly items: readonly WitType[] }
  | { readonly type: 'record'; readonly named?: Named; readonly fields: readonly WitField[] }
  | { readonly type: 'variant'; readonly named?: Named; readonly cases: readonly WitCase[] }
  | { readonly type: 'enum'; readonly named?: Named; readonly cases: readonly WitName[] }
  | { readonly type: 'flags'; readonly named?: Named; readonly flags: readonly WitName[] }
  | { readonly type: 'result'; readonly ok: WitType | null; readonly err: WitType | null };

/** A parameter of an operation. */
export interface Port {
  readonly name: string;
  readonly ty: WitType;
  readonly docs?: string;
}

/** What a repetition would do outside. */
export type Effect =
  | { readonly class: 'pure' | 'idempotent' | 'unsafe' }
  | { readonly class: 'keyed'; readonly retention_ms: number };

/** A function that a node can call. */
export interface Operation {
  readonly name: string;
  readonly params: readonly Port[];
  readonly result?: WitType;
  readonly title?: string;
  readonly docs?: string;
  readonly effect: Effect;
}

export type CapabilityKind = 'http' | 'secrets' | 'artefacts' | 'context' | 'log' | 'unknown';

/** Everything that is known of a connector without running it. */
export interface ConnectorInterface {
  readonly package?: string;
  readonly docs?: string;
  readonly operations: readonly Operation[];
  readonly capabilities: readonly { readonly kind: CapabilityKind; readonly import: string }[];
}

/** An interface with the version it belongs to. */
export interface CatalogueEntry {
  /** `publisher:name`. */
  readonly name: string;
  readonly version: string;
  /** The grade of its scorecard, where it has one. */
  readonly grade?: string;
  readonly interface: ConnectorInterface;
}
