/**
 * Unary calls of gRPC on a unix socket, without compression and over one connection that stays (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md). Node's HTTP/2 does the work: a call takes half
 * of the time that the gRPC library's takes, and a daemon has no other library for it in memory.
 */

import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import { connect as connectSocket } from "node:net";
import { errorText } from "../log/error-text.ts";

/** Codes of gRPC (grpc.github.io/grpc/core/md_doc_statuscodes.html). */
export const status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(status).map(([name, code]) => [code, name]),
);

/** Its message begins with code and name, as gRPC's libraries print them. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  /** One of {@link status}, or another one of the server's. */
  readonly code: number;

  constructor(code: number, details: string, options?: ErrorOptions) {
    super(`${code} ${names.get(code) ?? "of no name"}: ${details}`, options);
    this.code = code;
  }
}

/** HTTP/2's error code CANCEL (RFC 9113, section 7). */
const cancelled = 8;
/** Of a message: a byte that says whether it is compressed, and its length, big-endian. */
const prefixBytes = 5;

export class UnaryClient {
  readonly #session: ClientHttp2Session;
  readonly #mostBytes: number;
  #calls = 0;
  /** The error of the connection; undefined as long as there is none. */
  #broken: Error | undefined;

  /** Connects. @param socket path @param mostBytes of an answer's message */
  constructor(socket: string, mostBytes: number) {
    this.#mostBytes = mostBytes;
    // Loaded here: a bundle's start would pay for an import, on each node without devices too.
    this.#session = process.getBuiltinModule("node:http2").connect("http://localhost", {
      createConnection: () => connectSocket(socket),
      settings: { enablePush: false },
    });
    this.#session.on("error", (error: Error) => {
      this.#broken = error;
    });
    // A process that has nothing else to do may end.
    this.#session.unref();
  }

  /**
   * @param path `/<service>/<method>`
   * @param request a message's bytes
   * @param timeoutMs milliseconds until the answer
   * @returns the bytes of the answer's message
   * @throws {GrpcError} UNAVAILABLE where the connection cannot be made or breaks, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED for an answer that is too long, INTERNAL for one that is none of gRPC's,
   *   and the server's own
   */
  call(path: string, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const session = this.#session;
    if (session.closed || session.destroyed) {
      return Promise.reject(this.#unavailable(this.#broken ?? new Error("the connection is closed")));
    }
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      "grpc-timeout": `${Math.max(1, Math.ceil(timeoutMs))}m`,
      te: "trailers",
    });
    if (this.#calls++ === 0) session.ref();
    const end = (error: GrpcError) => {
      reject(error);
      stream.close(cancelled);
    };
    const timer = setTimeout(
      () => end(new GrpcError(status.DEADLINE_EXCEEDED, "deadline exceeded")),
      Math.max(0, timeoutMs),
    );
    const chunks: Buffer[] = [];
    let length = 0;
    let headers: IncomingHttpHeaders | undefined;
    let trailers: IncomingHttpHeaders | undefined;
    stream.on("response", (received) => {
      headers = received;
    });
    stream.on("trailers", (received: IncomingHttpHeaders) => {
      trailers = received;
    });
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > prefixBytes + this.#mostBytes) end(this.#tooLong(length - prefixBytes));
    });
    stream.on("error", (error) => reject(this.#unavailable(this.#broken ?? error)));
    stream.on("close", () => {
      clearTimeout(timer);
      if (--this.#calls === 0) session.unref();
      try {
        // An answer without a message has its status in the headers.
        throwUnlessOk(headers, trailers ?? headers);
        resolve(this.#messageIn(Buffer.concat(chunks, length)));
      } catch (error) {
        reject(error);
      }
    });
    stream.end(framed(request));
    return promise;
  }

  /** Ends the connection; calls under way fail. */
  close(): void {
    this.#session.destroy();
  }

  #messageIn(body: Buffer): Uint8Array {
    if (body.length < prefixBytes) throw new GrpcError(status.INTERNAL, "an answer without a message");
    if (body.readUInt8(0) !== 0) throw new GrpcError(status.INTERNAL, "an answer that is compressed");
    const length = body.readUInt32BE(1);
    if (length > this.#mostBytes) throw this.#tooLong(length);
    if (length !== body.length - prefixBytes) {
      throw new GrpcError(
        status.INTERNAL,
        `a message of ${length} bytes in ${body.length - prefixBytes} bytes of an answer`,
      );
    }
    return body.subarray(prefixBytes);
  }

  #tooLong(length: number): GrpcError {
    const details = `Received message larger than max (${length} vs ${this.#mostBytes})`;
    return new GrpcError(status.RESOURCE_EXHAUSTED, details);
  }

  #unavailable(cause: Error): GrpcError {
    // Node says of a call that its connection failed, and why in the cause.
    const reason = cause.cause instanceof Error ? cause.cause : cause;
    return new GrpcError(status.UNAVAILABLE, errorText(reason), { cause });
  }
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(prefixBytes + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** @param headers undefined: none came @param last those that have the status */
function throwUnlessOk(
  headers: IncomingHttpHeaders | undefined,
  last: IncomingHttpHeaders | undefined,
): void {
  if (headers === undefined)
    throw new GrpcError(status.UNAVAILABLE, "the connection ended without an answer");
  const httpStatus = headers[":status"] as unknown;
  if (httpStatus !== 200)
    throw new GrpcError(status.UNAVAILABLE, `HTTP status ${httpStatus} in place of an answer`);
  const code = last?.["grpc-status"];
  if (typeof code !== "string" || !/^\d{1,3}$/.test(code)) {
    throw new GrpcError(status.UNAVAILABLE, "the connection ended within an answer");
  }
  if (Number(code) !== status.OK) throw new GrpcError(Number(code), messageOf(last));
}

/** The server's words, which it writes percent-encoded. */
function messageOf(last: IncomingHttpHeaders | undefined): string {
  const message = last?.["grpc-message"];
  if (typeof message !== "string") return "";
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
