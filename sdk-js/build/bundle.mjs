/** One module out of the author's sources, their packages and the SDK, with a map back to the sources. */

import { readFileSync } from "node:fs";
import path from "node:path";
import { camel, interfaceKey } from "./names.mjs";
import { NATIVE_MEND, isNodeModule, moduleMend } from "./mends.mjs";
import { shapeOf } from "./ports.mjs";
import { insideOf } from "./program.mjs";

/** What the host offers to modules: full names of WIT interfaces. */
const INTERFACE = /^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*\/[a-z][a-z0-9-]*(@.+)?$/;

/** Bundle. Gives `{ diagnostics }`, or the code, its map and the interfaces that it imports. */
export async function bundle(esbuild, job, places) {
  const refused = [];
  let result;
  try {
    result = await esbuild.build({
      stdin: { contents: entryText(job, places), resolveDir: job.folder, sourcefile: "flowforge:entry", loader: "js" },
      bundle: true,
      write: false,
      metafile: true,
      outfile: path.join(job.work, "connector.js"),
      absWorkingDir: job.folder,
      format: "esm",
      platform: "neutral",
      mainFields: ["module", "main"],
      conditions: ["import", "module", "default"],
      target: "es2022",
      // Written as generators over the SDK's promises, whose jobs can be run inside a call.
      supported: { "async-await": false, "async-generator": false, "for-await": false },
      sourcemap: "external",
      sourcesContent: false,
      keepNames: false,
      // Comments name the folders that the sources lie in, which is nobody's business and another on each machine.
      minifyWhitespace: true,
      legalComments: "none",
      logLevel: "silent",
      tsconfigRaw: { compilerOptions: { target: "es2022", useDefineForClassFields: true } },
      plugins: [resolver(job, refused)],
    });
  } catch (error) {
    if (!Array.isArray(error.errors)) throw error;
    return { diagnostics: [...refused, ...error.errors.filter((one) => one.pluginName === "").map((one) => diagnosticOf(one, job))] };
  }
  if (refused.length > 0) return { diagnostics: refused };
  const map = JSON.parse(result.outputFiles.find((file) => file.path.endsWith(".map")).text);
  const code = result.outputFiles.find((file) => file.path.endsWith(".js")).text;
  const sources = map.sources.map((source) => sourceName(job, path.resolve(job.work, source)));
  const imports = Object.values(result.metafile.outputs).flatMap((output) => output.imports);
  const interfaces = imports.filter((one) => one.external).map((one) => one.path);
  return { diagnostics: [], code: `${code}\nglobalThis.__flowforgeSourceMap = ${JSON.stringify({ sources, mappings: map.mappings })};\n`, map: { ...map, sources }, interfaces: [...new Set(interfaces)].sort() };
}

/** The module whose exports are the component's: each operation of the author in its wrapper. */
function entryText(job, places) {
  const lines = ['import { operation } from "@flowforge/sdk/runtime";', `import * as author from ${JSON.stringify(`./${job.entry}`)};`];
  const interfaces = new Map();
  for (const one of job.operations) {
    const { file, line } = places[one.name];
    const definition = {
      name: one.name,
      params: one.params.map((param) => shapeOf(param.ty)),
      result: shapeOf(one.result),
      failure: shapeOf(one.failure),
      standard: one.standard_failure,
      place: `${file}:${line}`,
    };
    const name = camel(one.export.function);
    const key = one.export.interface && interfaceKey(one.export.interface);
    const author = key ? `author.${key}.${name}` : `author.${name}`;
    const wrapped = `operation(${JSON.stringify(definition)}, (...values) => ${author}(...values))`;
    if (!key) lines.push(`export const ${name} = ${wrapped};`);
    else interfaces.set(key, [...(interfaces.get(key) ?? []), `${name}: ${wrapped}`]);
  }
  for (const [key, members] of interfaces) lines.push(`export const ${key} = { ${members.join(", ")} };`);
  return lines.join("\n");
}

function resolver(job, refused) {
  return {
    name: "flowforge",
    setup(build) {
      build.onResolve({ filter: /^@flowforge\/sdk$/ }, () => ({ path: path.join(job.sdk, "src/index.ts"), sideEffects: false }));
      build.onResolve({ filter: /^@flowforge\/sdk\/runtime$/ }, () => ({ path: path.join(job.sdk, "src/runtime.ts") }));
      build.onResolve({ filter: INTERFACE }, (request) => ({ path: request.path, external: true }));
      build.onResolve({ filter: /\.node$/ }, (request) => {
        refused.push({ ...importPlace(job, request), code: "FF-SDK-011", message: `${packageOf(job, request) ?? "the connector"} needs ${request.path}, native code for one kind of machine`, mend: NATIVE_MEND });
        return { errors: [{ text: "refused" }] };
      });
      build.onResolve({ filter: /^[^./]/ }, async (request) => {
        if (!isNodeModule(request.path) || request.pluginData === "asked") return undefined;
        // A package may carry the name of a module of Node, such as `buffer`.
        const installed = request.path.startsWith("node:") ? { errors: [0] } : await build.resolve(request.path, { resolveDir: request.resolveDir, kind: request.kind, pluginData: "asked" });
        if (installed.errors.length === 0) return installed;
        refused.push(nodeModule(job, request));
        return { errors: [{ text: "refused" }] };
      });
    },
  };
}

function nodeModule(job, request) {
  const name = packageOf(job, request);
  const message = name === undefined ? `${request.path} is a module of Node` : `${name} needs ${request.path}, a module of Node`;
  return { ...importPlace(job, request), code: "FF-SDK-001", message, mend: moduleMend(request.path) };
}

/** The package whose file asks for a module. */
function packageOf(job, request) {
  const name = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(insideOf(job.folder, request.importer))?.[1];
  return name && `package ${name}`;
}

/** Where a file names the module that it asks for. */
function importPlace(job, request) {
  const lines = readFileSync(request.importer, "utf8").split("\n");
  const named = [`"${request.path}"`, `'${request.path}'`];
  const line = lines.findIndex((text) => named.some((name) => text.includes(name)));
  const column = line < 0 ? 0 : Math.max(...named.map((name) => lines[line].indexOf(name))) + 1;
  return { file: insideOf(job.folder, request.importer), line: line + 1, column };
}

function diagnosticOf(one, job) {
  const at = one.location;
  const mend = one.text.includes("Top-level await") ? "move the `await` into an operation: the top level runs when the connector is built" : undefined;
  return { file: at ? insideOf(job.folder, path.resolve(job.folder, at.file)) : job.entry, line: at?.line ?? 0, column: at ? at.column + 1 : 0, code: "FF-SDK-004", message: one.text, mend };
}

function sourceName(job, file) {
  const inSdk = path.relative(job.sdk, file);
  if (!inSdk.startsWith("..")) return `@flowforge/sdk/${inSdk.split(path.sep).join("/")}`;
  if (file.endsWith("flowforge:entry")) return "@flowforge/sdk/entry";
  return insideOf(job.folder, file);
}
