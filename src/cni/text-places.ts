/** Lines and columns in one text that many errors are about. */

import type { TextPlace } from "./errors.ts";

const lineFeed = 0x0a;

/** Goes on from the place before where it can: places that are asked for in their order cost one look at the text, however many they are. */
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
