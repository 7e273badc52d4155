/** Frames of the wire between daemon and shim (docs/wire.md): a length and a MessagePack array `[type, id, body]`. */

import { decodeMessagePack, encodeMessagePack } from "./messagepack.ts";

export const protocolVersion = 1;

/**
 * Does a side of one protocol serve one that speaks another (docs/wire.md, "Versions")? Its own and the one before.
 * @param protocol of a HELLO @param own of this side
 */
export function speaksProtocol(protocol: number, own = protocolVersion): boolean {
  return protocol >= 1 && (protocol === own || protocol === own - 1);
}

/** Of what follows the length. */
export const maxFrameBytes = 16 * 1024 * 1024;
/** Bytes of the length in front of each frame. */
export const frameHeaderBytes = 4;

export const FrameType = {
  hello: 1,
  request: 2,
  done: 3,
  reply: 4,
  exec: 16,
  linkExists: 17,
  defaultRoute: 18,
  linkStates: 19,
  attachLinks: 20,
  detachLinks: 21,
} as const;

/** Of a frame's type and id. */
export const maxId = 2 ** 32 - 1;

/** Keys that the reader does not know are left alone: that is how the protocol grows. */
export type FrameBody = Readonly<Record<string, unknown>>;

export interface Frame {
  readonly type: number;
  /** An order's id, chosen by the daemon; 0 for frames that belong to none. */
  readonly id: number;
  readonly body: FrameBody;
}

export type FrameErrorCode =
  /** Longer than maxFrameBytes. */
  | "too-large"
  /** Not MessagePack, or not `[type, id, body]`. */
  | "malformed"
  /** A field of the body is missing or of a wrong type. */
  | "field"
  /** A frame out of place: an answer without its order, an order to the daemon. */
  | "unexpected";

/** A peer broke the protocol. */
export class FrameError extends Error {
  override readonly name = "FrameError";
  readonly code: FrameErrorCode;

  constructor(code: FrameErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The bytes of a frame, length included: one buffer for one write.
 * @throws {FrameError} too-large
 */
export function encodeFrame(type: number, id: number, body: FrameBody): Buffer {
  const frame = encodeMessagePack([type, id, body], frameHeaderBytes);
  const length = frame.length - frameHeaderBytes;
  checkLength(length);
  frame.writeUInt32BE(length);
  return frame;
}

/**
 * Reads a frame.
 * @param payload what followed the length; byte fields of the result are views into it
 * @throws {FrameError} malformed
 */
export function decodeFrame(payload: Buffer): Frame {
  let value: unknown;
  try {
    value = decodeMessagePack(payload);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FrameError("malformed", `frame is not MessagePack: ${reason}`, { cause: error });
  }
  if (!Array.isArray(value) || value.length !== 3) {
    throw new FrameError("malformed", "frame is not an array of type, id and body");
  }
  const [type, id, body]: unknown[] = value;
  if (!isUnsigned(type) || !isUnsigned(id)) {
    throw new FrameError("malformed", "type and id of a frame must be unsigned integers of 32 bits");
  }
  if (!isBody(body)) throw new FrameError("malformed", `body of a frame of type ${type} is not a map`);
  return { type, id, body };
}

/** @throws {FrameError} too-large */
export function checkLength(length: number): void {
  if (length > maxFrameBytes) {
    throw new FrameError("too-large", `frame of ${length} bytes, at most ${maxFrameBytes} are allowed`);
  }
}

function isUnsigned(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxId;
}

/** A map, as decoding makes it. (For the byte that begins no value, msgpackr has an object of a class of its own.) */
export function isBody(value: unknown): value is FrameBody {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
