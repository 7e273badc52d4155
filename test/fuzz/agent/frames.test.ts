import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameReader } from "../../../src/agent/frame-reader.ts";
import { decodeFrame, encodeFrame, FrameError } from "../../../src/agent/frames.ts";

/** Bytes with MessagePack's type bytes more often than chance has them. */
const bytes = fc
  .array(fc.oneof(fc.nat(255), fc.integer({ min: 0xc0, max: 0xdf }), fc.constantFrom(0x81, 0x91, 0xa1, 0)), {
    maxLength: 200,
  })
  .map((list) => Buffer.from(list));

const frame = fc
  .record({
    exitCode: fc.nat(255),
    stdout: fc.uint8Array({ maxLength: 100 }),
    env: fc.dictionary(fc.string(), fc.string(), { maxKeys: 5 }),
    list: fc.array(fc.nat()),
  })
  .map((body) => encodeFrame(3, 1, body));

interface Change {
  readonly at: number;
  readonly kind: "set" | "insert" | "remove";
  readonly byte: number;
}

const changes = fc.array(
  fc.record<Change>({
    at: fc.nat(400),
    kind: fc.constantFrom("set", "insert", "remove"),
    byte: fc.oneof(fc.nat(255), fc.integer({ min: 0xc0, max: 0xdf })),
  }),
  { minLength: 1, maxLength: 4 },
);

function change(original: Buffer, list: readonly Change[]): Buffer {
  const result = [...original];
  for (const { at, kind, byte } of list) {
    const index = at % (result.length + 1);
    if (kind === "set") result[index] = byte;
    else result.splice(index, kind === "remove" ? 1 : 0, ...(kind === "insert" ? [byte] : []));
  }
  return Buffer.from(result);
}

function refusedOrRead(payload: Buffer): void {
  try {
    const decoded = decodeFrame(payload);
    expect(decoded.type).toBeGreaterThanOrEqual(0);
    expect(typeof decoded.body).toBe("object");
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
  }
}

test("any bytes are a frame or a FrameError", () => {
  fc.assert(fc.property(bytes, refusedOrRead), { numRuns: 5000 });
});

test("a changed frame is a frame or a FrameError", () => {
  fc.assert(
    fc.property(frame, changes, (original, list) => refusedOrRead(change(original.subarray(4), list))),
    { numRuns: 5000 },
  );
});

test("a stream of any bytes in any pieces ends in frames, a FrameError or a wait for more", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(bytes, frame), { maxLength: 6 }), fc.array(fc.nat(30)), (parts, cuts) => {
      const stream = Buffer.concat(parts);
      const reader = new FrameReader(refusedOrRead);
      let start = 0;
      try {
        for (const size of [...cuts, stream.length]) {
          reader.push(stream.subarray(start, start + size));
          start += size;
        }
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
    }),
    { numRuns: 2000 },
  );
});

test("deep nesting is an error, not a stack overflow", () => {
  for (const token of [0x91, 0x81]) {
    expect(() => decodeFrame(Buffer.alloc(1_000_000, token))).toThrow(FrameError);
  }
});

test("a field of any bytes is a frame or a FrameError, and leaves nothing behind for the next frame", () => {
  const next = encodeFrame(3, 1, { exitCode: 0x41, list: [0x40, 0x7f], stdout: Buffer.from("x") });
  const expected = { type: 3, id: 1, body: { exitCode: 0x41, list: [0x40, 0x7f], stdout: Buffer.from("x") } };
  fc.assert(
    fc.property(bytes, (given) => {
      refusedOrRead(Buffer.concat([Buffer.from("93030181a161", "hex"), given]));
      expect(decodeFrame(next.subarray(4))).toEqual(expected);
    }),
    { numRuns: 2000 },
  );
});
