/** A stream that carries frames: what comes is cut and decoded, what goes is written in one piece. */

import type { Duplex } from "node:stream";
import { FrameReader } from "./frame-reader.ts";
import { decodeFrame, encodeFrame, type Frame, type FrameBody, FrameError } from "./frames.ts";

export interface FrameListener {
  /** A frame came. An error thrown here ends the stream as `malformed` does. */
  frame(frame: Frame): void;
  /** The peer broke the protocol. Nothing more is read; the listener may still send before it closes. */
  malformed(error: FrameError): void;
  /** The other end is gone, or this one has closed. Called once, last. */
  closed(): void;
}

export class FrameConnection {
  readonly #stream: Duplex;
  readonly #listener: FrameListener;
  readonly #reader: FrameReader;
  #reading = true;

  /** @param stream open; nothing else may read from it */
  constructor(stream: Duplex, listener: FrameListener) {
    this.#stream = stream;
    this.#listener = listener;
    this.#reader = new FrameReader((payload) => {
      if (this.#reading) listener.frame(decodeFrame(payload));
    });
    stream.on("data", (chunk: Buffer) => this.receive(chunk));
    // 'close' follows; a peer that resets the connection is one that is gone.
    stream.on("error", () => {});
    stream.on("end", () => stream.end());
    stream.on("close", () => {
      this.#reading = false;
      listener.closed();
    });
  }

  /** Takes bytes that were read from the stream before it became this one's. */
  receive(chunk: Buffer): void {
    if (!this.#reading) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#reading = false;
      this.#listener.malformed(error);
    }
  }

  /**
   * Sends a frame; without effect where the other end is gone.
   * @param onLost called, later, if the other end is known not to have got the frame as a whole. One that it has got it may not have read before it went
   * @throws {FrameError} too-large
   */
  send(type: number, id: number, body: FrameBody, onLost: () => void = () => {}): void {
    const frame = encodeFrame(type, id, body);
    if (!this.#stream.writable) process.nextTick(onLost);
    else {
      this.#stream.write(frame, (error) => {
        if (error) onLost();
      });
    }
  }

  /** Sends what is still to be sent, then closes. Nothing more is read. */
  end(): void {
    this.#reading = false;
    // Nearly always the kernel has it all: a frame is one write, and closing loses nothing of it.
    // After the write's callback, which comes in this tick: with a destroyed stream it would be given an error, and that takes 25 µs to make.
    if (this.#stream.writableLength === 0) process.nextTick(() => this.#stream.destroy());
    else this.#stream.end(() => this.#stream.destroy());
  }

  /** Closes at once. */
  destroy(): void {
    this.#stream.destroy();
  }
}
