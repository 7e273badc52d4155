import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameReader } from "../../../src/agent/frame-reader.ts";
import { decodeFrame, encodeFrame, frameHeaderBytes, maxId } from "../../../src/agent/frames.ts";

const key = fc.string({ unit: "grapheme" }).filter((text) => text !== "__proto__");

/** Values of a frame's field. Byte strings that make the writer's buffer grow beyond what it keeps are among them. */
const { value: wireValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 8 },
    fc.constant(null),
    fc.boolean(),
    fc.nat(),
    fc.nat(300),
    fc.integer({ min: 0, max: maxId }),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(fc.nat(100_000), fc.nat(255)).map(([length, byte]) => Buffer.alloc(length, byte)),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

const body = fc.dictionary(key, wireValue, { maxKeys: 20, noNullPrototype: true });

test("an encoded frame decodes to the same values, also after other frames were encoded", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(255), fc.nat({ max: maxId }), body), { maxLength: 10 }), (given) => {
      const encoded = given.map(([type, id, fields]) => encodeFrame(type, id, fields));
      for (const [index, frame] of encoded.entries()) {
        expect(frame.readUInt32BE()).toBe(frame.length - frameHeaderBytes);
        const [type, id, fields] = given[index] ?? [];
        expect(decodeFrame(frame.subarray(frameHeaderBytes))).toEqual({ type, id, body: fields });
      }
    }),
  );
});

test("frames are the same whatever pieces they come in", () => {
  fc.assert(
    fc.property(
      fc.array(body, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
      (bodies, sizes) => {
        const frames = bodies.map((fields, id) => encodeFrame(3, id, fields));
        const stream = Buffer.concat(frames);
        const found: Buffer[] = [];
        const reader = new FrameReader((payload) => found.push(Buffer.from(payload)));
        for (let start = 0, piece = 0; start < stream.length; piece++) {
          const size = sizes[piece % sizes.length] ?? 1;
          reader.push(Buffer.from(stream.subarray(start, start + size)));
          start += size;
        }
        expect(found).toEqual(frames.map((frame) => frame.subarray(frameHeaderBytes)));
        expect(reader.incomplete).toBe(false);
      },
    ),
  );
});
