/** What authors reach for and a connector does not have, and what replaces it. */

import { builtinModules } from "node:module";

const FILES = "connectors have no file system. Take an Artefact port for files, a secret slot for tokens";
const PROCESS = "connectors have no process and no environment. Take a port or, for a token, a secret slot";
const NETWORK = "connectors reach the network through `http` of @flowforge/sdk, which checks destinations and attaches secrets";
const BYTES = "use Uint8Array, TextEncoder and TextDecoder";

/** Mend for a module of Node. */
export function moduleMend(specifier) {
  const name = specifier.replace(/^node:/, "").split("/")[0];
  if (["fs", "path", "os"].includes(name)) return FILES;
  if (["process", "child_process", "worker_threads", "cluster"].includes(name)) return PROCESS;
  if (["http", "https", "net", "tls", "dns", "dgram", "http2"].includes(name)) return NETWORK;
  if (name === "buffer") return BYTES;
  if (name === "crypto") return "use crypto.getRandomValues and crypto.randomUUID, which are there; hashes need a package written in JavaScript";
  return "connectors run without Node; take a package that needs none of its modules";
}

/** Mend for a global name that is not there; nothing if the name has none. */
export function globalMend(name) {
  const mends = {
    process: PROCESS,
    require: "write `import`; connectors are ES modules",
    module: "write `export`; connectors are ES modules",
    Buffer: BYTES,
    fetch: NETWORK,
    XMLHttpRequest: NETWORK,
    WebSocket: NETWORK,
    Intl: "there is no Intl; format by hand, for example with toFixed and toISOString",
    setInterval: "a connector cannot wait; use a trigger or a wait node of the workflow",
    __dirname: FILES,
    __filename: FILES,
    window: "connectors run without a browser",
    document: "connectors run without a browser",
    localStorage: "connectors keep nothing between steps; return the value and pass it on",
  };
  return Object.hasOwn(mends, name) ? mends[name] : undefined;
}

/** Mend for code that was compiled for one kind of machine. */
export const NATIVE_MEND = "take a package that is written in JavaScript only, or write the connector in Rust";

/** Mend for a file that no connector can import. */
export const FILE_MEND = "import .ts, .js and .json; take other data through an Artefact port";

/** Whether a module belongs to Node. */
export function isNodeModule(specifier) {
  return specifier.startsWith("node:") || builtinModules.includes(specifier);
}
