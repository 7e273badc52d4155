/** Base64 as Go writes its bytes into JSON: the standard alphabet, with padding. */

/**
 * @returns undefined for anything else. Node.js passes over a damaged character and takes those of other alphabets, so that a damaged text would be read as other bytes.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  return isBase64 ? Buffer.from(text, "base64") : undefined;
}
