/** The engine's own word on a text, for tests that compare a parser with it. */

// Not repaired: bytes that are no UTF-8 are no JSON. A byte order mark is none either.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}
