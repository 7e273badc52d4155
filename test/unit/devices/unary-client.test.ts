/** Calls of gRPC over Node's HTTP/2: a server that answers otherwise than gRPC says. That a real gRPC server is understood: pod-resources.test.ts. */

import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { GrpcError, status, UnaryClient } from "../../../src/devices/unary-client.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const mostBytes = 1_000;
let scratch: ScratchDirectory;
let server: Http2Server;
let client: UnaryClient;
let answer: (stream: ServerHttp2Stream) => void;
/** Bytes that the server received, as hexadecimal digits. */
let received = "";

beforeEach(async () => {
  scratch = new ScratchDirectory("unary");
  const socket = join(scratch.path, "socket");
  received = "";
  server = createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => {
      received += chunk.toString("hex");
    });
    // A call that has ended with its time is not answered any more.
    stream.on("end", () => {
      if (!stream.destroyed) answer(stream);
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  client = new UnaryClient(socket, mostBytes);
});

afterEach(() => {
  client.close();
  server.close();
  scratch[Symbol.dispose]();
});

function call(timeoutMs = 20_000): Promise<unknown> {
  return client.call("/a.Service/Method", Uint8Array.of(1, 2), timeoutMs).then(
    (bytes) => Buffer.from(bytes).toString("hex"),
    (error: unknown) => error,
  );
}

function respond(body: readonly number[], trailers: Record<string, string> = { "grpc-status": "0" }) {
  return (stream: ServerHttp2Stream) => {
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(Buffer.from(body));
  };
}

it("sends and returns a message", async () => {
  answer = respond([0, 0, 0, 0, 2, 7, 8]);
  expect(await call()).toBe("0708");
  expect(received).toBe("00000000020102");
});

it.each<[string, readonly number[], Record<string, string> | undefined, number, RegExp]>([
  ["no message", [], undefined, status.INTERNAL, /^13 INTERNAL: an answer without a message$/],
  ["a compressed message", [1, 0, 0, 0, 1, 7], undefined, status.INTERNAL, /compressed/],
  ["a message that ends early", [0, 0, 0, 0, 3, 7], undefined, status.INTERNAL, /3 bytes in 1 bytes/],
  ["two messages", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], undefined, status.INTERNAL, /0 bytes in 5 bytes/],
  [
    "a length over the bound",
    [0, 255, 255, 255, 255],
    undefined,
    status.RESOURCE_EXHAUSTED,
    /4294967295 vs 1000/,
  ],
  ["no status", [0, 0, 0, 0, 0], { other: "x" }, status.UNAVAILABLE, /ended within an answer/],
  ["a status that is none", [0, 0, 0, 0, 0], { "grpc-status": "-1" }, status.UNAVAILABLE, /ended within/],
  [
    "an error of the server",
    [],
    { "grpc-status": "12", "grpc-message": "no%20such" },
    12,
    /^12 UNIMPLEMENTED: no such$/,
  ],
  [
    "words that are not encoded as they should be",
    [],
    { "grpc-status": "99", "grpc-message": "%zz" },
    99,
    /^99 of no name: %zz$/,
  ],
])("an answer with %s is an error", async (_title, body, trailers, code, message) => {
  answer = respond(body, trailers);
  const error = await call();
  expect(error).toBeInstanceOf(GrpcError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
});

it("a status in the headers is one, too", async () => {
  answer = (stream) => stream.respond({ "grpc-status": "8", "grpc-message": "slowly" }, { endStream: true });
  expect(await call()).toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    message: "8 RESOURCE_EXHAUSTED: slowly",
  });
});

it("another status of HTTP is an error, whatever the trailers say", async () => {
  answer = (stream) => stream.respond({ ":status": 404, "grpc-status": "0" }, { endStream: true });
  expect(await call()).toMatchObject({ code: status.UNAVAILABLE, message: expect.stringContaining("404") });
});

it("an answer without an end is cut off at the bound", async () => {
  answer = (stream) => {
    stream.respond({ "content-type": "application/grpc" });
    const more = () => {
      if (!stream.destroyed) stream.write(Buffer.alloc(600), more);
    };
    more();
  };
  expect(await call()).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
});

it("an answer that does not come ends with its time; the connection serves the next call", async () => {
  answer = () => {};
  expect(await call(50)).toMatchObject({ code: status.DEADLINE_EXCEEDED });
  answer = respond([0, 0, 0, 0, 1, 9]);
  expect(await call()).toBe("09");
});

it("a stream that the server resets is an error, and so is a call after close", async () => {
  answer = (stream) => stream.close(2);
  expect(await call()).toMatchObject({ code: status.UNAVAILABLE });
  client.close();
  expect(await call()).toMatchObject({ code: status.UNAVAILABLE });
});
