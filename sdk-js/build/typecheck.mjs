/** Type errors of the author, and whether the exported functions fit the world. */

import path from "node:path";
import { camel, interfaceKey } from "./names.mjs";
import { FILE_MEND, NATIVE_MEND, globalMend, isNodeModule, moduleMend } from "./mends.mjs";
import { signatureText } from "./ports.mjs";
import { insideOf, placeOf, programOf } from "./program.mjs";

const NO_SUCH_MODULE = new Set([2307, 2792]);
const NO_SUCH_NAME = new Set([2304, 2552, 2580, 2581, 2582, 2583, 2584, 2591, 2592, 2593]);

/**
 * Check the sources. Gives the diagnostics and, for every operation, where the author wrote it.
 *
 * The world is held against the author's module by a module of our own that exists in memory only: one assignment for
 * each operation, so that the compiler explains the difference.
 */
export function typecheck(ts, job) {
  const checkFile = path.join(job.folder, "src", "flowforge-check.ts");
  const lines = ['import * as author from "./connector";', 'import type { Artefact, Json } from "@flowforge/sdk";'];
  const operations = job.operations.map((operation) => {
    lines.push(`export const check${lines.length}: ${signatureText(operation)} = author.${accessOf(operation)};`);
    return { operation, line: lines.length - 1 };
  });
  const entry = path.join(job.folder, job.entry);
  const program = programOf(ts, job, new Map([[checkFile, lines.join("\n")]]));
  const places = placesOf(ts, program, entry, job);
  const missing = job.operations.filter((operation) => places[operation.name] === undefined);
  const found = [...program.getSyntacticDiagnostics(), ...program.getSemanticDiagnostics(), ...program.getGlobalDiagnostics()];
  const diagnostics = found.flatMap((one) => {
    if (one.file === undefined || path.resolve(one.file.fileName) !== checkFile) return [diagnosticOf(ts, one, job)];
    const { line } = one.file.getLineAndCharacterOfPosition(one.start);
    const unfit = operations.find((check) => check.line === line);
    return unfit === undefined || missing.includes(unfit.operation) ? [] : [unfitOf(ts, one, unfit.operation, places)];
  });
  return { diagnostics: [...diagnostics, ...missing.map((operation) => missingOf(operation, job)), ...intlUses(ts, program, job)], places };
}

function accessOf(operation) {
  const name = camel(operation.export.function);
  return operation.export.interface ? `${interfaceKey(operation.export.interface)}.${name}` : name;
}

/** Where each operation is written, as `{ file, line, column }`. */
function placesOf(ts, program, entry, job) {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const module = source && checker.getSymbolAtLocation(source);
  const places = {};
  for (const operation of job.operations) {
    let symbol = module;
    for (const name of accessOf(operation).split(".")) {
      const type = symbol === module ? undefined : symbol && checker.getTypeOfSymbol(symbol);
      symbol = type ? type.getProperty(name) : module && checker.tryGetMemberInModuleExports(name, module);
      if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
    }
    const node = symbol?.declarations?.[0];
    if (node === undefined) continue;
    places[operation.name] = placeOf(job, node.name ?? node);
  }
  return places;
}

export function diagnosticOf(ts, one, job) {
  const text = ts.flattenDiagnosticMessageText(one.messageText, "\n");
  const place = one.file && one.start !== undefined ? one.file.getLineAndCharacterOfPosition(one.start) : undefined;
  const at = {
    file: one.file ? insideOf(job.folder, one.file.fileName) : job.entry,
    line: place ? place.line + 1 : 0,
    column: place ? place.character + 1 : 0,
  };
  const quoted = /'([^']+)'/.exec(text)?.[1] ?? "";
  if (NO_SUCH_MODULE.has(one.code) && isNodeModule(quoted)) {
    return { ...at, code: "FF-SDK-001", message: `${quoted} is a module of Node`, mend: moduleMend(quoted) };
  }
  if (NO_SUCH_MODULE.has(one.code) && quoted.endsWith(".node")) {
    return { ...at, code: "FF-SDK-011", message: `${quoted} is native code for one kind of machine`, mend: NATIVE_MEND };
  }
  if (NO_SUCH_MODULE.has(one.code) && quoted.startsWith(".")) {
    const isData = path.extname(quoted) !== "" && ![".ts", ".js", ".json", ".mjs"].includes(path.extname(quoted));
    return { ...at, code: `TS${one.code}`, message: text, mend: isData ? FILE_MEND : "write the path from this file, such as ./parts" };
  }
  if (NO_SUCH_MODULE.has(one.code)) {
    return { ...at, code: `TS${one.code}`, message: text, mend: `npm install ${quoted} in the connector's folder` };
  }
  const mend = NO_SUCH_NAME.has(one.code) ? globalMend(quoted) : undefined;
  if (mend !== undefined) return { ...at, code: "FF-SDK-002", message: `${quoted} does not exist in a connector`, mend };
  return { ...at, code: `TS${one.code}`, message: text };
}

function unfitOf(ts, one, operation, places) {
  const text = ts.flattenDiagnosticMessageText(one.messageText, "\n");
  return { ...places[operation.name], code: "FF-SDK-003", message: `${operation.name} does not fit wit/: ${text}`, mend: `write it as ${signatureText(operation)}, or change wit/` };
}

function missingOf(operation, job) {
  return { file: job.entry, line: 0, column: 0, code: "FF-SDK-003", message: `wit/ exports ${operation.export.function}, but no function ${accessOf(operation)} is exported here`, mend: `export function ${accessOf(operation)}` };
}

/** `Intl` has types in every TypeScript library, but not in the engine. */
function intlUses(ts, program, job) {
  const found = [];
  for (const file of program.getSourceFiles()) {
    if (file.isDeclarationFile || !file.fileName.startsWith(job.folder + path.sep) || file.fileName.includes("node_modules")) continue;
    const visit = (node) => {
      if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "Intl") {
        const at = file.getLineAndCharacterOfPosition(node.getStart());
        found.push({ file: insideOf(job.folder, file.fileName), line: at.line + 1, column: at.character + 1, code: "FF-SDK-002", message: "Intl does not exist in a connector", mend: globalMend("Intl") });
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return found;
}
