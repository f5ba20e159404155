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
