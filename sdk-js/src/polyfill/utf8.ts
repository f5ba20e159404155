/** UTF-8, which the engine offers only inside itself. Source: the Encoding standard, UTF-8. */

/** The bytes of a text; a lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  let bytes = new Uint8Array(text.length + 16);
  let length = 0;
  for (const char of text) {
    if (length + 4 > bytes.length) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    let point = char.codePointAt(0) ?? 0;
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    if (point < 0x80) {
      bytes[length++] = point;
    } else if (point < 0x800) {
      bytes[length++] = 0xc0 | (point >> 6);
      bytes[length++] = 0x80 | (point & 0x3f);
    } else if (point < 0x10000) {
      bytes[length++] = 0xe0 | (point >> 12);
      bytes[length++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[length++] = 0x80 | (point & 0x3f);
    } else {
      bytes[length++] = 0xf0 | (point >> 18);
      bytes[length++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[length++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[length++] = 0x80 | (point & 0x3f);
    }
  }
  return bytes.subarray(0, length);
}

/** The text of bytes. What is no UTF-8 becomes U+FFFD, or throws a `TypeError` if `fatal`. */
export function decodeUtf8(bytes: Uint8Array, fatal: boolean): string {
  const parts: string[] = [];
  let points: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    const [point, length] = pointAt(bytes, at);
    if (point < 0 && fatal) throw new TypeError(`byte ${at} is not UTF-8`);
    points.push(point < 0 ? 0xfffd : point);
    at += length;
    if (points.length === 4096) {
      parts.push(String.fromCodePoint(...points));
      points = [];
    }
  }
  parts.push(String.fromCodePoint(...points));
  return parts.join("");
}

/** The code point at an offset, or -1, and how many bytes it takes. */
function pointAt(bytes: Uint8Array, at: number): [number, number] {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return [first, 1];
  const [length, least] = first >= 0xf0 && first < 0xf5 ? [4, 0x10000] : first >= 0xe0 && first < 0xf0 ? [3, 0x800] : first >= 0xc2 && first < 0xe0 ? [2, 0x80] : [0, 0];
  if (length === 0) return [-1, 1];
  let point = first & (0xff >> (length + 1));
  for (let offset = 1; offset < length; offset++) {
    const next = bytes[at + offset];
    if (next === undefined || (next & 0xc0) !== 0x80) return [-1, offset];
    point = (point << 6) | (next & 0x3f);
  }
  const valid = point >= least && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
  return valid ? [point, length] : [-1, 1];
}
