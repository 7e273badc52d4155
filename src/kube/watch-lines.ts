/** Splits a stream of bytes into lines. */

const newline = 0x0a;

/** Cuts at line ends only, however the bytes are split into chunks: a character of several bytes stays whole. */
export class WatchLines {
  readonly #limit: number;
  readonly #onLine: (line: Buffer) => void;
  /** Of the line that has not ended yet. */
  #pieces: Buffer[] = [];
  #length = 0;
  /** Memory for lines of several pieces, the same for all lines: the garbage collector frees buffers late. */
  #whole = Buffer.alloc(0);

  /**
   * @param limit bytes of the longest line
   * @param onLine gets each line that is not empty, without its end; the buffer is the caller's only during the call
   */
  constructor(limit: number, onLine: (line: Buffer) => void) {
    this.#limit = limit;
    this.#onLine = onLine;
  }

  /** Bytes of a line that has not ended. */
  get pending(): number {
    return this.#length;
  }

  /** @throws {RangeError} where a line is longer than the limit; and what `onLine` throws */
  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#add(chunk.subarray(start, end));
      start = end + 1;
      const line = this.#line();
      this.#pieces = [];
      this.#length = 0;
      if (line !== undefined && line.length > 0) this.#onLine(line);
    }
    this.#add(chunk.subarray(start));
  }

  #line(): Buffer | undefined {
    if (this.#pieces.length < 2) return this.#pieces[0];
    if (this.#whole.length < this.#length) this.#whole = Buffer.allocUnsafeSlow(this.#length);
    let at = 0;
    for (const piece of this.#pieces) at += piece.copy(this.#whole, at);
    return this.#whole.subarray(0, this.#length);
  }

  #add(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    if (this.#length > this.#limit) throw new RangeError(`a line of more than ${this.#limit} bytes`);
    this.#pieces.push(piece);
  }
}
