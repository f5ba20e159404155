/** Types that ports and capabilities share. */

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A whole number of at most 32 bits. Ports of 64 bits are a `bigint`. */
export type Int = number;

/** A large or binary value, kept by digest beside the journal. A plain value: it may be passed on freely. */
export interface Artefact {
  /** `sha256:` and 64 hexadecimal digits, over the content. */
  digest: string;
  /** File name for people, without folders. */
  name: string;
  /** For example `text/csv`. */
  mediaType: string;
  /** Length of the content in bytes. */
  size: number;
}
