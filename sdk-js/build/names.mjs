/** Names as the engine's bindings spell them. */

/** `line-x` → `lineX`. */
export function camel(witName) {
  const [first = "", ...rest] = witName.replace(/^%/, "").split("-");
  return first.toLowerCase() + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()).join("");
}

/** `ns:pkg/iface@1.0.0` → `iface`, in camel case. */
export function interfaceKey(fullName) {
  const short = fullName.slice(fullName.lastIndexOf("/") + 1).split("@")[0];
  return camel(short);
}

/** `lineX` → `line-x`. Nothing for a name that would not read well as `line_x` in a workflow, such as `toCSV`. */
export function kebab(name) {
  if (/[A-Z]{2}/.test(name)) return undefined;
  const text = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const isWit = /^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/.test(text);
  return isWit && camel(text) === name ? text : undefined;
}

/** The name that a type of this name gets: `HTTPAnswer` → `http-answer`. */
export function typeName(name) {
  return name
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .replace(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replace(/_/g, "-")
    .toLowerCase();
}
