/** The daemon's end of a stream to a shim or an agent, under a test's full control: good frames, bad ones, and pieces of them. */

import type { Duplex } from "node:stream";
import { Packr } from "msgpackr";
import { FrameReader } from "../../../src/agent/frame-reader.ts";
import { decodeFrame, type Frame, type FrameBody, FrameType } from "../../../src/agent/frames.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** A frame with anything that MessagePack can say, also what the daemon would never send. */
export function frameWith(type: number, id: number, body: unknown): Buffer {
  return framed(packr.pack([type, id, body]));
}

/** A frame around a payload, whatever it is. */
export function framed(payload: Uint8Array | readonly number[]): Buffer {
  const frame = Buffer.alloc(4 + payload.length);
  frame.writeUInt32BE(payload.length);
  frame.set(payload, 4);
  return frame;
}

export class ShimStream implements Disposable {
  readonly #stream: Duplex;
  readonly #frames: Frame[] = [];
  readonly #waiting: ((frame: Frame | undefined) => void)[] = [];
  readonly #answers = new Map<number, (body: FrameBody) => void>();
  #lastId = 0;
  #command = "ADD";
  #ended = false;

  constructor(stream: Duplex) {
    this.#stream = stream;
    const reader = new FrameReader((payload) => this.#take(decodeFrame(payload)));
    stream.on("data", (chunk: Buffer) => reader.push(chunk));
    // The shim may go away while we write: a test sees that as the end.
    stream.on("error", () => {});
    stream.on("close", () => {
      this.#ended = true;
      for (const resolve of this.#waiting.splice(0)) resolve(undefined);
    });
  }

  #take(frame: Frame): void {
    const answer = this.#answers.get(frame.id);
    if (frame.type === FrameType.done && answer !== undefined) {
      this.#answers.delete(frame.id);
      answer(frame.body);
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#frames.push(frame);
    else waiting(frame);
  }

  /** The next frame that is not an answer to `order`; undefined when the shim has gone. */
  next(): Promise<Frame | undefined> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Takes HELLO and, of all but an agent, REQUEST.
   * @returns the body of the last one
   * @throws {Error} where something else comes, or from another role
   */
  async greet(role: "plugin" | "agent" | "replay" = "plugin"): Promise<FrameBody> {
    const hello = await this.next();
    if (hello?.type !== FrameType.hello || hello.body.role !== role)
      throw new Error(`no HELLO of role ${role} but ${JSON.stringify(hello)}`);
    if (role === "agent") return hello.body;
    const request = await this.next();
    if (request?.type !== FrameType.request) throw new Error(`no REQUEST but ${JSON.stringify(request)}`);
    this.#command = role === "replay" ? "DEL" : String(request.body.command);
    return request.body;
  }

  /** CNI_COMMAND of the REQUEST that has come, DEL for a replay: what its orders are about. */
  get command(): string {
    return this.#command;
  }

  /** Id of the last `order`; 0: there was none. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Sends an order and waits for its DONE. */
  order(type: number, body: FrameBody): Promise<FrameBody> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.sendBytes(frameWith(type, id, body));
    });
  }

  /** @param more keys of the body beside these */
  reply(exitCode: number, stdout: string | Uint8Array, more: FrameBody = {}): void {
    this.sendBytes(frameWith(FrameType.reply, 0, { exitCode, stdout: Buffer.from(stdout), ...more }));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  /** Stops reading, as a daemon that hangs. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Gone at once, as a daemon that was killed. */
  destroy(): void {
    this.#stream.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}
