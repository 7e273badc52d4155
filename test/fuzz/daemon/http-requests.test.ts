import { once } from "node:events";
import { connect } from "node:net";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { cniErrorOf } from "../../../src/cni/errors.ts";
import { Admission } from "../../../src/daemon/admission.ts";
import { parseHttpRequest } from "../../../src/daemon/http/http-request.ts";
import { RequestLine } from "../../../src/daemon/request-line.ts";
import { RequestLoggers } from "../../../src/daemon/request-loggers.ts";
import { DaemonServer } from "../../../src/daemon/server.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import { parseInterfaceAttributes } from "../../../src/multus/input/interface-attributes.ts";
import { newReport } from "../../../src/multus/request/report.ts";
import { goPost, post } from "../../support/go-shim.ts";
import { httpServices } from "../../support/http-services.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const text = fc.oneof({ weight: 4, arbitrary: fc.string() }, fc.string({ unit: "binary" }));
const anything = fc.oneof(fc.jsonValue(), text, fc.constantFrom(null, 0, "", "\0", "=", [], {}));

/** Mostly a request as it should be, with something odd in it. */
const request = fc.record(
  {
    env: fc.oneof(
      { weight: 6, arbitrary: fc.dictionary(fc.oneof(text, fc.constantFrom("CNI_COMMAND", "PATH")), text) },
      anything,
    ),
    config: fc.oneof(
      { weight: 4, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("base64")) },
      anything,
    ),
    interfaceAttributes: fc.oneof(
      fc.record(
        { ips: fc.oneof(fc.array(text), anything), mac: anything, "cni-args": anything },
        { requiredKeys: [] },
      ),
      anything,
    ),
  },
  { requiredKeys: [] },
);

const body = fc.oneof(
  { weight: 4, arbitrary: request.map((value) => JSON.stringify(value)) },
  fc.tuple(request, fc.nat(200)).map(([value, length]) => JSON.stringify(value).slice(0, length)),
  text,
);

test("whatever a body says is a request with checked fields, or a CNI error that says what is wrong", () => {
  fc.assert(
    fc.property(fc.oneof(body, fc.uint8Array({ maxLength: 60 })), (content) => {
      try {
        const { request, environment } = parseHttpRequest(Buffer.from(content));
        for (const [name, value] of Object.entries(environment)) {
          expect(name).toMatch(/^[^=\0]+$/);
          expect(value).not.toContain("\0");
        }
        expect(Buffer.isBuffer(request.config)).toBe(true);
        const { ips = [], mac = "" } = parseInterfaceAttributes(request.attributes);
        for (const word of [...ips, mac]) expect(word).toMatch(/^[0-9a-fA-F.:/-]*$/);
      } catch (error) {
        const known = cniErrorOf(error);
        if (known === undefined) throw error;
        expect([6, 7]).toContain(known.code);
        expect(known.message).toMatch(/^(body of the request|interfaceAttributes): ./);
      }
    }),
    { numRuns: 5000 },
  );
});

/** A request with nothing odd in it: whatever else is generated, the server has some to handle. */
const soundBody = fc
  .tuple(fc.constantFrom("ADD", "CHECK", "DEL"), fc.uint8Array())
  .map(([command, config]) =>
    JSON.stringify({ env: { CNI_COMMAND: command }, config: Buffer.from(config).toString("base64") }),
  );

/** Bytes of a connection: whole requests, some with another path or length, and whatever else begins with a letter. */
const connection = fc.oneof(
  fc.tuple(fc.constantFrom("/cni", "/delegate"), soundBody).map(([path, content]) => goPost(path, content)),
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom("/cni", "/delegate", "/healthz", "/x"), body)
      .map(([path, content]) => goPost(path, content)),
  },
  fc.tuple(body, fc.nat(400)).map(([content, length]) => goPost("/cni", content).subarray(0, length)),
  fc
    .tuple(
      body,
      fc.constantFrom("Content-Length: 99999999999", "Content-Length: x", "Transfer-Encoding: chunked"),
    )
    .map(([content, header]) =>
      Buffer.from(`POST /cni HTTP/1.1\r\nHost: dummy\r\n${header}\r\n\r\n${content}`),
    ),
  text.map((content) => Buffer.from(`G${content}`)),
);

test("whatever a connection brings and in whatever pieces, it gets one answer at most, and the daemon is as it was", async () => {
  using directory = new ScratchDirectory("fuzz");
  const admission = new Admission(1);
  let handledRequests = 0;
  const handle = async () => {
    handledRequests += 1;
    return { exitCode: 0, stdout: Buffer.alloc(0), report: newReport(), error: undefined };
  };
  const loggers = new RequestLoggers(new Loggers(() => {}), {});
  const server = new DaemonServer(
    new RequestLine({ admission, loggers }),
    httpServices({ handle, handleDelegate: handle }),
  );
  const socketPath = await server.listen(directory.path);
  try {
    await fc.assert(
      fc.asyncProperty(connection, fc.integer({ min: 1, max: 300 }), async (bytes, size) => {
        const socket = connect({ path: socketPath, allowHalfOpen: true });
        let answer = "";
        socket.setEncoding("latin1").on("data", (chunk: string) => {
          answer += chunk;
        });
        // It may be closed while we write: what it said counts.
        socket.on("error", () => {});
        const closed = new Promise((resolve) => socket.once("close", resolve));
        await once(socket, "connect");
        for (let start = 0; start < bytes.length; start += size) {
          socket.write(bytes.subarray(start, start + size));
        }
        // A request that lacks its end is waited for; its client gives up.
        if (isWhole(bytes)) await once(socket, "end");
        socket.destroy();
        await closed;
        expect(answer.split(/^HTTP\/1\.1 /m).length).toBeLessThanOrEqual(2);
        if (isWhole(bytes)) expect(answer).toMatch(/^HTTP\/1\.1 [2-5]\d\d /);
      }),
      { numRuns: 1000 },
    );
    expect(handledRequests).toBeGreaterThan(50);
    await vi.waitFor(() => expect([admission.running, admission.waiting]).toEqual([0, 0]), 30_000);
    expect(await post(socketPath, "/readyz", "null")).toMatchObject({ status: 200 });
  } finally {
    expect(await server.stop(0)).toBe(0);
  }
});

/** A request as Go's client makes it, to its end. */
function isWhole(bytes: Buffer): boolean {
  const [, path = "", length = ""] =
    /^POST (\S+) HTTP\/1\.1\r\nHost: dummy\r\nUser-Agent: .*\r\nContent-Length: (\d+)\r\n/.exec(
      bytes.toString("latin1"),
    ) ?? [];
  const end = bytes.indexOf("\r\n\r\n");
  return path !== "" && end > 0 && bytes.length - end - 4 === Number(length);
}
