/**
 * From the author's functions and types to the operations and types of a world.
 *
 * Types are read as they are written, so that every mistake has the place of the type that makes it, and that the same
 * source always gives the same world.
 */

import path from "node:path";
import { kebab, typeName } from "./names.mjs";
import { placeOf, programOf } from "./program.mjs";
import { diagnosticOf } from "./typecheck.mjs";

const NO_PORT = "FF-SDK-008";
const NO_NAME = "FF-SDK-009";
const NO_TYPE = "FF-SDK-010";
const TWICE = "FF-SDK-012";

/** What stands in for the types that are no ports. */
const INSTEAD = {
  Map: "use an array of { key, value }, or Json",
  WeakMap: "use an array of { key, value }, or Json",
  Record: "use an array of { key, value }, or Json",
  Set: "use an array",
  Date: "use a text such as 2026-01-31T12:00:00Z, or a number of milliseconds",
  RegExp: "use a text",
  URL: "use a text",
  Error: "throw a Failure",
  Buffer: "use Uint8Array, or Artefact for what is large",
  ArrayBuffer: "use Uint8Array, or Artefact for what is large",
  Promise: "a promise may stand around a whole result and nowhere else",
  Object: "say its fields, or use Json",
  Function: "a port is data; export the function as an operation",
};

const SDK_TYPES = { Json: "json", Artefact: "artefact", Int: "s32" };

/** Gives `{ diagnostics, docs, types, functions }`. */
export function derive(ts, job) {
  const program = programOf(ts, job);
  const broken = program.getSyntacticDiagnostics().map((one) => diagnosticOf(ts, one, job));
  if (broken.length > 0) return { diagnostics: broken, types: [], functions: [] };
  const reader = new Reader(ts, program, job);
  const functions = reader.functions();
  return { diagnostics: reader.found, docs: reader.moduleDocs(), types: reader.types, functions };
}

class Reader {
  constructor(ts, program, job) {
    Object.assign(this, { ts, program, job, checker: program.getTypeChecker() });
    this.found = [];
    /** Finished types, each after those that it is made of. */
    this.types = [];
    /** Declaration → its type, or `undefined` while it is read. */
    this.named = new Map();
    this.source = program.getSourceFile(path.join(job.folder, job.entry));
  }

  wrong(node, code, message, mend) {
    this.found.push({ ...placeOf(this.job, node), code, message, mend });
    return { kind: "string" };
  }

  /** The exported functions, in the order in which they are written. */
  functions() {
    const module = this.checker.getSymbolAtLocation(this.source);
    const exported = module === undefined ? [] : [...this.checker.getExportsOfModule(module)];
    exported.sort((a, b) => (a.declarations?.[0]?.pos ?? 0) - (b.declarations?.[0]?.pos ?? 0));
    const functions = exported.flatMap((symbol) => this.operation(symbol));
    if (functions.length === 0 && this.found.length === 0) {
      this.wrong(this.source, "FF-BLD-004", "the connector exports no operation", "write `export function …`: every exported function is an operation");
    }
    return functions;
  }

  operation(exported) {
    const { ts } = this;
    const symbol = exported.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(exported) : exported;
    const written = symbol.declarations?.[0];
    const node = written && ts.isVariableDeclaration(written) ? written.initializer : written;
    if (node === undefined || !(ts.isFunctionDeclaration(node) || ts.isArrowFunction(node) || ts.isFunctionExpression(node))) return [];
    const at = written.name ?? written;
    const name = kebab(exported.name);
    if (name === undefined || exported.name === "default") {
      const mend = name === undefined ? "write it in camelCase, small letters after each capital one: toCsv, not toCSV" : "an operation is exported under its own name: `export function …`";
      this.wrong(at, NO_NAME, `${exported.name} is no name of an operation`, mend);
      return [];
    }
    const others = symbol.declarations.filter((one) => ts.isFunctionDeclaration(one)).slice(1);
    if (others.some((one) => one.body !== undefined) && node.body !== undefined) this.wrong(others[0].name, TWICE, `${exported.name} is written twice, first in line ${placeOf(this.job, at).line}`, "give one of them another name");
    else if (others.length > 0) this.wrong(at, NO_PORT, `${exported.name} has several signatures`, "export one function for each");
    if (node.typeParameters !== undefined) this.wrong(at, NO_PORT, `${exported.name} has type parameters`, "say the types, or use Json");
    const docs = ts.displayPartsToString(symbol.getDocumentationComment(this.checker));
    return [{ name, docs: plain(docs), place: placeOf(this.job, at), params: node.parameters.map((one) => this.parameter(one, name)), result: this.result(node, name, at) }];
  }

  parameter(node, operation) {
    const { ts } = this;
    const text = ts.isIdentifier(node.name) ? node.name.text : undefined;
    const name = text === undefined ? undefined : kebab(text);
    if (text === undefined || node.dotDotDotToken !== undefined) this.wrong(node, NO_NAME, "a parameter is a port and needs a name of its own", "write `name: Type`, with an interface for several values");
    else if (name === undefined) this.wrong(node, NO_NAME, `${text} is no name of a port`, "write it in camelCase, small letters after each capital one");
    const written = node.type ?? ts.getJSDocType(node);
    const tags = ts.getJSDocParameterTags(node);
    const docs = tags.map((tag) => ts.getTextOfJSDocComment(tag.comment) ?? "").join("\n");
    const type = written === undefined ? this.wrong(node, NO_TYPE, `parameter ${text} has no type`, "write it, such as `: string`") : this.type(written, `${operation}-${name}`);
    const optional = node.questionToken !== undefined || node.initializer !== undefined || tags.some((tag) => tag.isBracketed);
    return { name: name ?? "unnamed", docs: plain(docs), place: placeOf(this.job, node), type: optional ? option(type) : type };
  }

  /** The type of a result; null if there is none. */
  result(node, operation, at) {
    const { ts } = this;
    let written = node.type ?? ts.getJSDocReturnType(node);
    if (written === undefined) {
      const signature = this.checker.getSignatureFromDeclaration(node);
      const text = signature === undefined ? "" : this.checker.typeToString(this.checker.getReturnTypeOfSignature(signature));
      if (text === "void" || text === "Promise<void>") return null;
      this.wrong(at, NO_TYPE, `${at.getText()} does not say what it returns`, `write the type after the parameters; it looks like ${text}`);
      return null;
    }
    if (ts.isTypeReferenceNode(written) && ["Promise", "PromiseLike"].includes(written.typeName.getText()) && written.typeArguments?.length === 1) written = written.typeArguments[0];
    if ([ts.SyntaxKind.VoidKeyword, ts.SyntaxKind.UndefinedKeyword].includes(written.kind)) return null;
    return this.type(written, `${operation}-result`);
  }

  /** The port type of a written type. `hint` names it if it has no name of its own. */
  type(node, hint) {
    const { ts } = this;
    const kinds = ts.SyntaxKind;
    switch (node.kind) {
      case kinds.StringKeyword:
        return { kind: "string" };
      case kinds.BooleanKeyword:
        return { kind: "bool" };
      case kinds.NumberKeyword:
        return { kind: "f64" };
      case kinds.BigIntKeyword:
        return { kind: "s64" };
      case kinds.UnknownKeyword:
        return { kind: "json" };
      case kinds.ParenthesizedType:
      case kinds.TypeOperator:
        return this.type(node.type, hint);
      case kinds.ArrayType:
        return { kind: "list", of: this.type(node.elementType, hint) };
      case kinds.TupleType:
        return this.tuple(node, hint);
      case kinds.JSDocNullableType:
      case kinds.JSDocOptionalType:
        return option(this.type(node.type, hint));
      case kinds.LiteralType:
      case kinds.UnionType:
        return this.union(node, hint);
      case kinds.TypeLiteral:
      case kinds.IntersectionType:
        return this.name(node, hint, () => this.record(node, hint));
      case kinds.TypeReference:
      case kinds.ImportType:
        return this.reference(node, hint);
      default:
        return this.noPort(node, "say what it is, or use Json");
    }
  }

  noPort(node, mend) {
    return this.wrong(node, NO_PORT, `${node.getText().replace(/\s+/g, " ")} cannot be a port`, mend);
  }

  tuple(node, hint) {
    const rest = node.elements.find((one) => one.kind === this.ts.SyntaxKind.RestType || one.dotDotDotToken !== undefined);
    if (rest !== undefined || node.elements.length === 0) return this.noPort(node, "use an array");
    return { kind: "tuple", of: node.elements.map((one, index) => this.type(this.ts.isNamedTupleMember(one) ? one.type : one, `${hint}-${"abcdefghijklmnop"[index]}`)) };
  }

  reference(node, hint) {
    const { ts } = this;
    const written = ts.isImportTypeNode(node) ? node.qualifier : node.typeName;
    const text = written?.getText() ?? "";
    if (["Array", "ReadonlyArray"].includes(text) && node.typeArguments?.length === 1) return { kind: "list", of: this.type(node.typeArguments[0], hint) };
    if (text === "Readonly" && node.typeArguments?.length === 1) return this.type(node.typeArguments[0], hint);
    let symbol = written && this.checker.getSymbolAtLocation(written);
    if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = this.checker.getAliasedSymbol(symbol);
    const declared = symbol?.declarations?.[0];
    if (declared === undefined) return this.noPort(node, "there is no such type here: declare or import it");
    const file = declared.getSourceFile();
    if (file.fileName.startsWith(this.job.sdk + path.sep) && Object.hasOwn(SDK_TYPES, symbol.name)) return { kind: SDK_TYPES[symbol.name] };
    if (this.program.isSourceFileDefaultLibrary(file)) return this.ofTheLanguage(node, symbol.name, hint);
    if (node.typeArguments !== undefined || declared.typeParameters !== undefined) return this.noPort(node, "a port has no type parameters: write an interface with the types put in");
    const name = typeName(symbol.name);
    if (ts.isInterfaceDeclaration(declared)) return this.name(declared, name, () => this.record(node, name), node);
    if (ts.isTypeAliasDeclaration(declared)) return this.alias(declared, declared.type, name, node);
    if (ts.isJSDocTypedefTag(declared) && declared.typeExpression !== undefined) {
      const { typeExpression } = declared;
      return ts.isJSDocTypeLiteral(typeExpression) ? this.name(declared, name, () => this.record(node, name), node) : this.alias(declared, typeExpression.type, name, node);
    }
    if (ts.isEnumDeclaration(declared)) return this.noPort(node, 'write it as a union of texts: type Strength = "light" | "strong"');
    return this.noPort(node, "write an interface: a port is data without methods");
  }

  /** What an alias stands for; a type without a name of its own gets the alias's. */
  alias(declared, node, name, user) {
    if (this.named.has(declared)) return this.named.get(declared) ?? this.recursive(user);
    this.named.set(declared, undefined);
    const type = this.type(node, name);
    this.named.set(declared, type);
    const made = this.types.at(-1);
    if (type.kind === "named" && made?.name === name && made.docs === "") made.docs = this.docsOf(declared);
    return type;
  }

  recursive(node) {
    return this.wrong(node, NO_PORT, "a port type cannot hold itself", "use Json, or a list with the number of each one's parent");
  }

  ofTheLanguage(node, name, hint) {
    if (name === "Uint8Array") return { kind: "bytes" };
    if (["Partial", "Pick", "Omit", "Required"].includes(name)) return this.name(node, hint, () => this.record(node, hint));
    return this.noPort(node, Object.hasOwn(INSTEAD, name) ? INSTEAD[name] : "use an interface, an array, a text, a number, or Json");
  }

  /** A type that has a name in the world, made once for each declaration. */
  name(declared, name, make, user = declared) {
    if (this.named.has(declared)) return this.named.get(declared) ?? this.recursive(user);
    this.named.set(declared, undefined);
    const other = this.types.find((one) => one.name === name);
    if (other !== undefined) this.wrong(declared, NO_NAME, `there are two types ${name}, the other one in ${other.place.file}:${other.place.line}`, "give one of them another name");
    const made = make();
    this.types.push({ name, docs: this.docsOf(declared), place: placeOf(this.job, declared.name ?? declared), ...made });
    const type = { kind: "named", name };
    this.named.set(declared, type);
    return type;
  }

  docsOf(declared) {
    const symbol = declared.name && this.checker.getSymbolAtLocation(declared.name);
    return symbol ? plain(this.ts.displayPartsToString(symbol.getDocumentationComment(this.checker))) : "";
  }

  record(node, hint) {
    const { ts } = this;
    const type = this.checker.getTypeFromTypeNode(node);
    if (this.checker.getIndexInfosOfType(type).length > 0) this.noPort(node, INSTEAD.Record);
    if (type.getCallSignatures().length > 0) this.noPort(node, INSTEAD.Function);
    const properties = this.checker.getPropertiesOfType(type);
    if (properties.length === 0) this.noPort(node, "give it a field, or use Json");
    const members = properties.map((property) => {
      const declared = property.valueDeclaration ?? property.declarations?.[0] ?? node;
      const name = kebab(property.name);
      if (name === undefined) this.wrong(declared, NO_NAME, `${property.name} is no name of a field`, "write it in camelCase, small letters after each capital one");
      const written = declared.type ?? declared.typeExpression?.type;
      const isData = written !== undefined && !ts.isMethodSignature(declared);
      const inner = isData ? this.type(written, `${hint}-${name}`) : this.wrong(declared, NO_PORT, `${property.name} cannot be a port`, INSTEAD.Function);
      const docs = plain(ts.displayPartsToString(property.getDocumentationComment(this.checker)));
      return { name: name ?? "unnamed", docs, place: placeOf(this.job, declared), type: property.flags & ts.SymbolFlags.Optional ? option(inner) : inner };
    });
    return { kind: "record", members };
  }

  /** The members of a union, those of unions in it among them. */
  members(node) {
    const { ts } = this;
    if (ts.isParenthesizedTypeNode(node)) return this.members(node.type);
    if (ts.isUnionTypeNode(node)) return node.types.flatMap((one) => this.members(one));
    if (ts.isTypeReferenceNode(node)) {
      let symbol = this.checker.getSymbolAtLocation(node.typeName);
      if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = this.checker.getAliasedSymbol(symbol);
      const declared = symbol?.declarations?.find(ts.isTypeAliasDeclaration);
      const isPart = declared !== undefined && declared.typeParameters === undefined && (ts.isUnionTypeNode(declared.type) || ts.isLiteralTypeNode(declared.type));
      if (isPart && !declared.getSourceFile().fileName.startsWith(this.job.sdk + path.sep)) return this.members(declared.type);
    }
    return [node];
  }

  union(node, hint) {
    const { ts } = this;
    const isNone = (one) => one.kind === ts.SyntaxKind.UndefinedKeyword || (ts.isLiteralTypeNode(one) && one.literal.kind === ts.SyntaxKind.NullKeyword);
    const written = ts.isUnionTypeNode(node) ? [...node.types] : [node];
    const direct = written.filter((one) => !isNone(one));
    if (direct.length < written.length && direct.length === 1) return option(this.type(direct[0], hint));
    const all = this.members(node);
    const members = all.filter((one) => !isNone(one));
    const wrapped = (type) => (members.length < all.length ? option(type) : type);
    const texts = members.map((one) => (ts.isLiteralTypeNode(one) && ts.isStringLiteral(one.literal) ? one.literal.text : undefined));
    if (texts.every((text) => text !== undefined)) return wrapped(this.name(node, hint, () => this.enumeration(members, texts)));
    const truths = members.map((one) => one.getText()).sort();
    if (truths.join() === "false,true") return wrapped({ kind: "bool" });
    const kinds = members.map((one) => this.kindOf(one));
    if (kinds.every((kind) => kind !== undefined)) return wrapped(this.name(node, hint, () => this.variant(members, kinds, hint)));
    return this.noPort(node, 'a union is a port if all its members are texts ("light" | "strong"), or objects that say which they are: { kind: "dot" } | { kind: "circle"; value: number }');
  }

  enumeration(nodes, texts) {
    return { kind: "enum", members: texts.map((text, index) => ({ name: this.caseName(nodes[index], text), docs: "", place: placeOf(this.job, nodes[index]) })) };
  }

  caseName(node, text) {
    if (/^[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*$/.test(text)) return text.replaceAll("_", "-");
    this.wrong(node, NO_NAME, `${JSON.stringify(text)} cannot be one of the values`, "write it in snake_case, as workflows will: very_strong");
    return "unnamed";
  }

  /** The text of the property `kind` of an object type, if it is one text. */
  kindOf(node) {
    const type = this.checker.getTypeFromTypeNode(node);
    const kind = type.getProperty?.("kind");
    const of = kind && this.checker.getTypeOfSymbol(kind);
    return of?.isStringLiteral() ? of.value : undefined;
  }

  variant(nodes, kinds, hint) {
    const members = nodes.map((node, index) => {
      const properties = this.checker.getPropertiesOfType(this.checker.getTypeFromTypeNode(node));
      const other = properties.find((one) => one.name !== "kind" && one.name !== "value");
      if (other !== undefined) this.wrong(other.valueDeclaration ?? node, NO_PORT, `${other.name} stands beside kind`, `put the fields of ${kinds[index]} into \`value\`: { kind: "${kinds[index]}"; value: { ${other.name}: … } }`);
      const value = properties.find((one) => one.name === "value")?.valueDeclaration;
      const name = this.caseName(node, kinds[index]);
      const made = { name, docs: "", place: placeOf(this.job, node) };
      return value?.type === undefined ? made : { ...made, type: this.type(value.type, `${hint}-${name}`) };
    });
    return { kind: "variant", members };
  }

  /** The comment at the top of the file, if it says that it is about the whole module. */
  moduleDocs() {
    const comment = /^\s*\/\*\*([\s\S]*?)\*\//.exec(this.source.text)?.[1] ?? "";
    if (!/@(packageDocumentation|module)\b/.test(comment)) return "";
    return plain(comment.replace(/^\s*\* ?/gm, ""));
  }
}

function option(type) {
  return type.kind === "option" ? type : { kind: "option", of: type };
}

/** A comment without its tags, and without the hyphen in front of a parameter's. */
function plain(text) {
  return text.replace(/(^|\s)@\w+[\s\S]*$/, "").replace(/^\s*-\s+/, "").trim();
}
