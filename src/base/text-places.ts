/** Where in a text something is: lines and columns. */

/** A place in a text; both from 1, columns in characters. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

const lineFeed = 0x0a;

/**
 * Line and column of a byte.
 * @param offset index of the byte, at most `bytes.length`
 */
export function lineColumn(bytes: Uint8Array, offset: number): TextPlace {
  let line = 1;
  let column = 1;
  for (let index = 0; index < offset && index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte === lineFeed) {
      line++;
      column = 1;
    } else if ((byte & 0xc0) !== 0x80) {
      column++;
    }
  }
  return { line, column };
}

/** Places in one text that many errors are about. Goes on from the place before where it can: places that are asked for in their order cost one look at the text, however many they are. */
export class TextPlaces {
  readonly #text: string;
  #offset = 0;
  #line = 1;
  #column = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /** @param offset in UTF-16 units @returns line and column, both from 1; columns in characters */
  at(offset: number): TextPlace {
    if (offset < this.#offset) {
      this.#offset = 0;
      this.#line = 1;
      this.#column = 1;
    }
    const end = Math.min(offset, this.#text.length);
    for (; this.#offset < end; this.#offset++) {
      const unit = this.#text.charCodeAt(this.#offset);
      if (unit === lineFeed) {
        this.#line++;
        this.#column = 1;
      } else if ((unit & 0xfc00) !== 0xdc00) {
        // The second unit of a character is part of it.
        this.#column++;
      }
    }
    return { line: this.#line, column: this.#column };
  }
}
