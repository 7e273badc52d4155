/** The order of texts in Go: that of their bytes in UTF-8. */

/** For Array.sort. JavaScript's own order is that of UTF-16 units, which differs for characters beyond U+FFFF. */
export function byteOrder(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
