/** Cuts a byte stream into frames, whatever pieces it comes in. */

import { checkLength, frameHeaderBytes } from "./frames.ts";

/** First size of the buffer for a frame in pieces; it doubles as bytes really come, so that a length alone costs no memory. */
const firstCapacity = 64 * 1024;

export class FrameReader {
  readonly #onPayload: (payload: Buffer) => void;
  /** A frame that is not complete, length included; its first `#filled` bytes are there. */
  #partial = Buffer.alloc(0);
  #filled = 0;

  /** @param onPayload is called with what follows the length of each frame: a view into the piece that it came in where it came in one */
  constructor(onPayload: (payload: Buffer) => void) {
    this.#onPayload = onPayload;
  }

  /** Is a part of a frame waiting for its rest? */
  get incomplete(): boolean {
    return this.#filled > 0;
  }

  /**
   * Takes the next piece of the stream. After an error the stream has no meaning any more.
   * @throws {FrameError} too-large, and what `onPayload` throws
   */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (this.#filled > 0 && rest.length > 0) rest = this.#complete(rest);
    while (rest.length >= frameHeaderBytes) {
      const end = frameHeaderBytes + payloadLength(rest);
      if (end > rest.length) break;
      const payload = rest.subarray(frameHeaderBytes, end);
      rest = rest.subarray(end);
      this.#onPayload(payload);
    }
    if (rest.length > 0) this.#keep(rest);
  }

  /** Adds to the partial frame what it lacks. @returns what is left of the chunk */
  #complete(chunk: Buffer): Buffer {
    const wanted =
      this.#filled < frameHeaderBytes ? frameHeaderBytes : frameHeaderBytes + payloadLength(this.#partial);
    const taken = chunk.subarray(0, wanted - this.#filled);
    this.#keep(taken);
    if (this.#filled === wanted && wanted >= frameHeaderBytes) this.#finishIfWhole();
    return chunk.subarray(taken.length);
  }

  #finishIfWhole(): void {
    const end = frameHeaderBytes + payloadLength(this.#partial);
    if (this.#filled < end) return;
    const payload = this.#partial.subarray(frameHeaderBytes, end);
    this.#partial = Buffer.alloc(0);
    this.#filled = 0;
    this.#onPayload(payload);
  }

  #keep(bytes: Buffer): void {
    const needed = this.#filled + bytes.length;
    if (needed > this.#partial.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#partial.length, firstCapacity));
      this.#partial.copy(grown, 0, 0, this.#filled);
      this.#partial = grown;
    }
    bytes.copy(this.#partial, this.#filled);
    this.#filled = needed;
  }
}

function payloadLength(bytes: Buffer): number {
  const length = bytes.readUInt32BE();
  checkLength(length);
  return length;
}
