/** Where an error was thrown, in the author's source. Source: ECMA-426, Source map format. */

/** What the build tool leaves behind the bundle. */
interface SourceMap {
  /** Paths as an author knows them, from the connector's folder. */
  readonly sources: readonly string[];
  readonly mappings: string;
}

/** A place in a file, both from 1. */
type Position = readonly [source: number, line: number];

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** `src/connector.ts:22`, the innermost place that is not this package; nothing if there is none. */
export function placeOf(error: Error): string | undefined {
  const map = (globalThis as { __flowforgeSourceMap?: SourceMap }).__flowforgeSourceMap;
  if (map === undefined || typeof error.stack !== "string") return undefined;
  for (const frame of error.stack.split("\n")) {
    const at = /:(\d+):(\d+)\)?\s*$/.exec(frame);
    if (at === null) continue;
    const found = original(map, Number(at[1]), Number(at[2]));
    const source = found === undefined ? undefined : map.sources[found[0]];
    if (found !== undefined && source !== undefined && !source.startsWith("@flowforge/sdk/")) return `${source}:${found[1]}`;
  }
  return undefined;
}

/** The place in a source that a place in the bundle came from. */
function original(map: SourceMap, line: number, column: number): Position | undefined {
  const lines = map.mappings.split(";");
  let source = 0;
  let sourceLine = 0;
  let found: Position | undefined;
  for (let at = 0; at < Math.min(line, lines.length); at++) {
    let bundleColumn = 0;
    for (const segment of (lines[at] ?? "").split(",")) {
      const fields = numbers(segment);
      bundleColumn += fields[0] ?? 0;
      if (fields.length < 4) continue;
      source += fields[1] ?? 0;
      sourceLine += fields[2] ?? 0;
      if (at === line - 1 && (bundleColumn < column || found === undefined)) found = [source, sourceLine + 1];
    }
  }
  return found;
}

/** The numbers of one segment, in base-64 digits of five bits each. */
function numbers(segment: string): number[] {
  const out: number[] = [];
  let value = 0;
  let shift = 0;
  for (const char of segment) {
    const digit = DIGITS.indexOf(char);
    value |= (digit & 31) << shift;
    shift += 5;
    if ((digit & 32) === 0) {
      out.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
      value = 0;
      shift = 0;
    }
  }
  return out;
}
