/** Port types of the world: as shapes for the checks at run time, and as TypeScript for the checks at build time. */

import { camel } from "./names.mjs";

/** The type with everything the run-time checks need and nothing else. */
export function shapeOf(type) {
  if (type === null || type === undefined) return null;
  switch (type.type) {
    case "list":
      return { type: "list", element: shapeOf(type.element) };
    case "option":
      return { type: "option", inner: shapeOf(type.inner) };
    case "tuple":
      return { type: "tuple", items: type.items.map(shapeOf) };
    case "record":
      return { type: "record", fields: type.fields.map(({ name, wit_name, ty }) => ({ name, key: camel(wit_name), ty: shapeOf(ty) })) };
    case "variant":
      return { type: "variant", cases: type.cases.map(({ name, wit_name, ty }) => (ty ? { name, wit_name, ty: shapeOf(ty) } : { name, wit_name })) };
    case "enum":
      return { type: "enum", cases: type.cases.map(({ name, wit_name }) => ({ name, wit_name })) };
    case "flags":
      return { type: "flags", flags: type.flags.map(({ name, wit_name }) => ({ name, wit_name, key: camel(wit_name) })) };
    case "result":
      return { type: "result", ok: shapeOf(type.ok), err: shapeOf(type.err) };
    default:
      return { type: type.type };
  }
}

/** The TypeScript of a type. `given` is true where the author receives the value and false where the author makes it. */
export function typeText(type, given) {
  const inner = (one) => typeText(one, given);
  const literal = ({ name }) => JSON.stringify(name);
  switch (type.type) {
    case "bool":
      return "boolean";
    case "string":
    case "char":
      return "string";
    case "json":
      return given ? "Json" : "unknown";
    case "bytes":
      return "Uint8Array";
    case "artefact":
      return "Artefact";
    case "list":
      return `Array<${inner(type.element)}>`;
    case "tuple":
      return `[${type.items.map(inner).join(", ")}]`;
    case "option": {
      const one = type.inner.type === "option" ? `{ some: ${inner(type.inner)} }` : inner(type.inner);
      return given ? `${one} | undefined` : `${one} | undefined | null`;
    }
    case "record":
      return `{ ${type.fields.map((field) => `${camel(field.wit_name)}${field.ty.type === "option" ? "?" : ""}: ${inner(field.ty)}`).join("; ")} }`;
    case "variant":
      return type.cases.map((one) => (one.ty ? `{ kind: ${literal(one)}; value: ${inner(one.ty)} }` : `{ kind: ${literal(one)} }`)).join(" | ");
    case "enum":
      return type.cases.map(literal).join(" | ");
    case "flags":
      return `Array<${type.flags.map(literal).join(" | ")}>`;
    case "result":
      return ["ok", "err"].map((kind) => (type[kind] ? `{ kind: "${kind}"; value: ${inner(type[kind])} }` : `{ kind: "${kind}" }`)).join(" | ");
    case "s64":
    case "u64":
      return given ? "bigint" : "bigint | number";
    default:
      return "number";
  }
}

/** The TypeScript of an operation as the author may write it. */
export function signatureText(operation) {
  const params = operation.params.map((param) => `${camel(param.wit_name)}: ${typeText(param.ty, true)}`).join(", ");
  const result = operation.result ? typeText(operation.result, false) : "void";
  return `(${params}) => ${result} | PromiseLike<${result}>`;
}
