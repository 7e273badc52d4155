import { duplexPair } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameReader } from "../../../src/agent/frame-reader.ts";
import { decodeFrame, encodeFrame, FrameType } from "../../../src/agent/frames.ts";
import { Admission } from "../../../src/daemon/admission.ts";
import { RequestLine } from "../../../src/daemon/request-line.ts";
import { RequestLoggers } from "../../../src/daemon/request-loggers.ts";
import { ShimSession } from "../../../src/daemon/shim-session.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import { newReport } from "../../../src/multus/request/report.ts";

const value = fc.oneof(
  fc.constant(null),
  fc.nat(300),
  fc.string(),
  fc.boolean(),
  fc.uint8Array({ maxLength: 20 }),
  fc.constant({}),
);

const hello = fc.record(
  {
    protocol: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, value),
    version: fc.oneof(fc.string(), value),
    role: fc.oneof({ weight: 4, arbitrary: fc.constant("plugin") }, value),
  },
  { requiredKeys: ["protocol", "version"] },
);

const text = fc.oneof({ weight: 8, arbitrary: fc.string() }, value);
const request = fc.record({
  command: text,
  containerId: text,
  netns: text,
  ifName: text,
  args: text,
  path: text,
  config: fc.oneof({ weight: 8, arbitrary: fc.uint8Array({ maxLength: 50 }) }, value),
  traceparent: text,
});

const done = fc.oneof(
  fc.record({ exists: value }),
  fc.record({ error: value, message: value }),
  fc.record({ exitCode: value, stdout: value, micros: value }),
);

/** Bytes that a shim might send: mostly in order, mostly right. */
const conversation = fc
  .tuple(
    fc.option(hello),
    fc.option(request),
    fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), done), { maxLength: 4 }),
    fc.option(fc.uint8Array({ maxLength: 30 })),
  )
  .map(([helloBody, requestBody, answers, garbage]) =>
    Buffer.concat([
      ...(helloBody === null ? [] : [encodeFrame(FrameType.hello, 0, helloBody)]),
      ...(requestBody === null ? [] : [encodeFrame(FrameType.request, 0, requestBody)]),
      ...answers.map(([id, body]) => encodeFrame(FrameType.done, id, body)),
      ...(garbage === null ? [] : [Buffer.from(garbage)]),
    ]),
  );

test("whatever a shim sends and in whatever pieces, it gets one REPLY at most, and the daemon is as it was", async () => {
  const loggers = new RequestLoggers(new Loggers(() => {}), {});
  await fc.assert(
    fc.asyncProperty(
      conversation,
      fc.integer({ min: 1, max: 100 }),
      fc.boolean(),
      async (bytes, size, stops) => {
        const admission = new Admission(1);
        const line = new RequestLine({ admission, loggers });
        if (stops) line.stopping.turnAway();
        const [daemonEnd, shimEnd] = duplexPair();
        const replies: unknown[] = [];
        const reader = new FrameReader((payload) => {
          const frame = decodeFrame(payload);
          if (frame.type === FrameType.reply) replies.push(frame.body.exitCode);
          else expect(frame.type).toBeGreaterThanOrEqual(FrameType.exec);
        });
        shimEnd.on("data", (chunk: Buffer) => reader.push(chunk));
        const closed = new Promise<void>((resolve) => {
          const context = {
            line,
            notReady: () => undefined,
            replayed: new Set<string>(),
            handle: async (
              _: unknown,
              executor: { linkExists(netns: string, ifName: string): Promise<boolean> },
            ) => {
              const exists = await executor.linkExists("/n", "i").catch(() => false);
              return {
                exitCode: exists ? 0 : 1,
                stdout: Buffer.alloc(0),
                report: newReport(),
                error: undefined,
              };
            },
          };
          new ShimSession(context, daemonEnd, bytes.subarray(0, size), {
            requested() {},
            closed: resolve,
          });
        });
        for (let start = size; start < bytes.length; start += size)
          shimEnd.write(bytes.subarray(start, start + size));
        shimEnd.end();
        await closed;
        expect(replies.length).toBeLessThanOrEqual(1);
        await new Promise((resolve) => setImmediate(resolve));
        expect([admission.running, admission.waiting]).toEqual([0, 0]);
      },
    ),
    { numRuns: 2000 },
  );
});
