/**
 * From a TypeScript or JavaScript connector to a component.
 *
 * Reads one job as JSON from standard input and writes one answer as JSON to standard output: `{ diagnostics }` for the
 * author's mistakes, else `{ diagnostics: [] }` with the component written to `job.component`. A job whose `task` is `derive`
 * is answered with the operations and types of the sources instead. Anything that is nobody's mistake ends with a failing
 * exit status.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { SourceMap, createRequire } from "node:module";
import path from "node:path";
import { bundle } from "./bundle.mjs";
import { derive } from "./derive.mjs";
import { typecheck } from "./typecheck.mjs";

/** The world that is built: the author's, and what the SDK imports. */
const WORLD = "flowforge-build";

const job = JSON.parse(readFileSync(0, "utf8"));
const tools = createRequire(path.join(job.tools, "package.json"));

const answer = job.task === "derive" ? derive(tools("typescript"), job) : { diagnostics: await make() };
process.stdout.write(`${JSON.stringify(answer)}\n`);

/** Do the job and give the author's mistakes. */
async function make() {
  const { diagnostics, places } = typecheck(tools("typescript"), job);
  if (diagnostics.length > 0) return diagnostics;
  const made = await bundle(tools("esbuild"), job, places);
  if (made.diagnostics.length > 0) return made.diagnostics;
  const imports = made.interfaces.map((name) => `  import ${name};\n`).join("");
  writeFileSync(path.join(job.wit, `${WORLD}.wit`), `world ${WORLD} {\n  include ${job.world};\n${imports}}\n`);
  writeFileSync(path.join(job.work, "connector.js"), made.code);
  try {
    const { component } = await tools("componentize-qjs").componentize({ witPath: job.wit, world: WORLD, jsSource: made.code, runtimeBytes: readFileSync(path.join(job.tools, "engine.wasm")) });
    writeFileSync(job.component, component);
    return [];
  } catch (error) {
    return [topLevel(String(error?.message ?? error), made)];
  }
}

/** An error at the top level of a module, which runs while the connector is built. */
function topLevel(text, made) {
  const map = new SourceMap(made.map);
  const message = /(?:module: )?(?:\[?Error\]?:? ?)?(.*)/s.exec(text.split("\n")[0])?.[1] ?? text;
  for (const [, line, column] of text.matchAll(/:(\d+):(\d+)\)?/g)) {
    const found = map.findEntry(Number(line) - 1, Number(column) - 1);
    if (found.originalSource && !found.originalSource.startsWith("@flowforge/sdk/")) {
      return { file: found.originalSource, line: found.originalLine + 1, column: found.originalColumn + 1, code: "FF-SDK-005", message: `the top level of the module failed: ${message}` };
    }
  }
  return { file: job.entry, line: 0, column: 0, code: "FF-SDK-005", message: `the connector could not be made: ${text}` };
}
