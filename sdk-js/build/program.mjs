/** The compiler's view of a connector: its sources, the SDK's types, and files that exist in memory only. */

import path from "node:path";

/** The program of a job. `files` maps absolute paths of files in memory to their texts. */
export function programOf(ts, job, files = new Map()) {
  const isScript = job.entry.endsWith(".js");
  const options = {
    strict: !isScript,
    allowJs: true,
    checkJs: isScript,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts"],
    types: [],
    baseUrl: job.folder,
    paths: { "@flowforge/sdk": [path.join(job.sdk, "src/index.ts")] },
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  const inMemory = (name) => files.get(path.resolve(name));
  host.fileExists = (name) => inMemory(name) !== undefined || fileExists(name);
  host.readFile = (name) => inMemory(name) ?? readFile(name);
  host.getSourceFile = (name, ...rest) => {
    const text = inMemory(name);
    return text === undefined ? getSourceFile(name, ...rest) : ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true);
  };
  const ambient = ["src/globals.d.ts", "src/host.d.ts"].map((name) => path.join(job.sdk, name));
  return ts.createProgram([path.join(job.folder, job.entry), ...files.keys(), ...ambient], options, host);
}

/** A path as the author knows it. */
export function insideOf(folder, file) {
  const inside = path.relative(folder, file);
  return inside.startsWith("..") ? file : inside.split(path.sep).join("/");
}

/** Where a node begins, as the author knows it. */
export function placeOf(job, node) {
  const file = node.getSourceFile();
  const { line, character } = file.getLineAndCharacterOfPosition(node.getStart());
  return { file: insideOf(job.folder, file.fileName), line: line + 1, column: character + 1 };
}
