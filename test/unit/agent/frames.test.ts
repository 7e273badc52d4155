import { describe, expect, test } from "vitest";
import { Fields } from "../../../src/agent/frame-fields.ts";
import { FrameReader } from "../../../src/agent/frame-reader.ts";
import {
  decodeFrame,
  encodeFrame,
  FrameError,
  maxFrameBytes,
  speaksProtocol,
} from "../../../src/agent/frames.ts";
import { refusal } from "../../support/refusal.ts";

/** [1, 0, {protocol: 1, role: "plugin"}], written by hand from the MessagePack specification. */
const hello = Buffer.from("930100" + "82" + "a870726f746f636f6c01" + "a4726f6c65" + "a6706c7567696e", "hex");

function framed(payload: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(payload.length);
  return Buffer.concat([header, payload]);
}

test.each([
  [1, [1]],
  [2, [1, 2]],
  [3, [2, 3]],
])("a side of protocol %i serves %j, and no other", (own, served) => {
  expect([0, 1, 2, 3, 4].filter((protocol) => speaksProtocol(protocol, own))).toEqual(served);
});

describe("a frame", () => {
  test("is a length and an array of type, id and body", () => {
    expect(encodeFrame(1, 0, { protocol: 1, role: "plugin" })).toEqual(framed(hello));
    expect(decodeFrame(hello)).toEqual({ type: 1, id: 0, body: { protocol: 1, role: "plugin" } });
  });

  test("carries bytes as they are, text beyond ASCII, and the largest id", () => {
    const body = { stdin: Buffer.from([0, 255, 0]), env: { KEY: "ü€𝄞", EMPTY: "" }, clear: [4, 6], zero: 0 };
    const decoded = decodeFrame(encodeFrame(16, 2 ** 32 - 1, body).subarray(4));
    expect(decoded).toEqual({ type: 16, id: 2 ** 32 - 1, body });
    expect(Buffer.isBuffer(decoded.body.stdin)).toBe(true);
  });

  test("gives byte fields as views, without a copy", () => {
    const payload = encodeFrame(3, 1, { stdout: Buffer.alloc(100_000, 7) }).subarray(4);
    const { stdout } = decodeFrame(payload).body;
    expect(Buffer.isBuffer(stdout) && stdout.buffer === payload.buffer).toBe(true);
  });

  test("may be 16 MiB long and no longer", () => {
    const around = encodeFrame(3, 1, { stdout: Buffer.alloc(1_000_000) }).length - 4 - 1_000_000;
    const largest = Buffer.alloc(maxFrameBytes - around);
    expect(encodeFrame(3, 1, { stdout: largest }).readUInt32BE()).toBe(maxFrameBytes);
    const tooLarge = Buffer.alloc(largest.length + 1);
    expect(refusal(() => encodeFrame(3, 1, { stdout: tooLarge }), FrameError).code).toBe("too-large");
    expect(
      refusal(() => new FrameReader(() => {}).push(Buffer.from("01000001", "hex")), FrameError).code,
    ).toBe("too-large");
  });

  test("may have values that only a newer reader knows: floats, negative and large integers, maps with other keys", () => {
    const parts = [
      "930300",
      "85",
      "a161fb",
      "a162cf0100000000000000",
      "a163c0",
      "a164cb3ff8000000000000",
      "a16581" + "07a178",
    ];
    const { body } = decodeFrame(Buffer.from(parts.join(""), "hex"));
    expect(body).toEqual({ a: -5, b: 2 ** 56, c: null, d: 1.5, e: { 7: "x" } });
  });

  test("has no prototype from its bytes", () => {
    const payload = Buffer.from("930300" + "81" + "a95f5f70726f746f5f5f" + "81a17801", "hex");
    const { body } = decodeFrame(payload);
    expect("x" in body).toBe(false);
  });

  test("has a field that is undefined as nil", () => {
    const frame = encodeFrame(16, 1, { absentLink: undefined });
    expect(frame.subarray(4)).toEqual(Buffer.from("931001" + "81" + "aa616273656e744c696e6b" + "c0", "hex"));
  });

  test("of large size costs its own bytes and leaves no large buffer to the next one", () => {
    const large = encodeFrame(3, 1, { stdout: Buffer.alloc(1_000_000, 7) });
    const small = encodeFrame(3, 2, {});
    expect(large.buffer.byteLength).toBe(large.length);
    expect(small.buffer.byteLength).toBeLessThan(20_000);
    expect(() => encodeFrame(3, 1, { stdout: Buffer.alloc(maxFrameBytes) })).toThrow(FrameError);
    expect(encodeFrame(3, 2, {}).buffer.byteLength).toBeLessThan(20_000);
  });

  test.each([
    ["nothing", "", /not MessagePack: Unexpected end/],
    ["a number", "05", /not an array of type, id and body/],
    ["an array of two", "920100", /not an array of type, id and body/],
    ["an array of four", "9401008000", /not an array of type, id and body/],
    ["a text as type", "93a1310080", /type and id .* must be unsigned/],
    ["a negative id", "9301ff80", /type and id .* must be unsigned/],
    ["an id of 33 bits", "9301cf000000010000000080", /type and id .* must be unsigned/],
    ["an array as body", "93010090", /body of a frame of type 1 is not a map/],
    ["bytes as body", "930100c400", /body of a frame of type 1 is not a map/],
    ["nil as body", "930100c0", /body of a frame of type 1 is not a map/],
    ["a map that is cut off", "93010081a161", /Unexpected end/],
    ["a length beyond the end", "93010081a161c6ffffffff00", /Unexpected end/],
    ["an array length beyond the end", "93010081a161ddffffffff", /Unexpected end/],
    ["bytes behind the frame", "9301008000", /bytes after the value at byte 4/],
    ["the byte that begins nothing as body", "930100c1", /body of a frame of type 1 is not a map/],
    ["the byte that begins nothing as key", "93010081c100", /not MessagePack/],
    ["an extension", "93010081a161d40500", /extension of type 5/],
    ["an extension with a length", "93010081a161c70205ffff", /extension of type 5/],
    ["a date", "93010081a161d6ff00000001", /extension of type 255/],
    ["a regular expression", "93010081a161d4780092a161a0", /extension of type 120/],
    ["a reference", "93010081a161d66900000001c0", /extension of type 105/],
    ["a record's definition", "930100d4724091a16107", /not MessagePack/],
    ["a record's definition with an id of two bytes", "930100d572410191a16107", /not MessagePack/],
    [
      "a record's definition as an extension with a length",
      "930100c701724091a16107",
      /extension of type 114/,
    ],
    ["too many levels", `93010081a161${"91".repeat(1_000_000)}00`, /call stack/],
  ])("is refused where it is %s", (_, hex, message) => {
    const error = refusal(() => decodeFrame(Buffer.from(hex, "hex")), FrameError);
    expect(error.code).toBe("malformed");
    expect(error.message).toMatch(message);
  });

  test("has no records that an earlier one defined", () => {
    const definition = Buffer.from("930100d4724091a16107", "hex");
    for (let round = 0; round < 10; round++) {
      expect(refusal(() => decodeFrame(definition), FrameError).code).toBe("malformed");
      // 0x40 would be the record: it is the number.
      expect(decodeFrame(Buffer.from("93010081a16140", "hex")).body).toEqual({ a: 0x40 });
      expect(refusal(() => decodeFrame(Buffer.from("9301004007", "hex")), FrameError).code).toBe("malformed");
    }
  });
});

describe("frames in pieces", () => {
  const frames = [
    encodeFrame(1, 0, { protocol: 1 }),
    encodeFrame(3, 7, { stdout: Buffer.alloc(200_000, 1) }),
    encodeFrame(3, 8, {}),
  ];
  const stream = Buffer.concat(frames);
  const payloads = frames.map((frame) => frame.subarray(4));

  function cut(size: number): Buffer[] {
    const found: Buffer[] = [];
    const reader = new FrameReader((payload) => found.push(Buffer.from(payload)));
    for (let start = 0; start < stream.length; start += size) {
      reader.push(stream.subarray(start, start + size));
    }
    expect(reader.incomplete).toBe(false);
    return found;
  }

  test.each([1, 2, 3, 5, 64, 65_536, stream.length])("of %i bytes are the same frames", (size) => {
    expect(cut(size)).toEqual(payloads);
  });

  test("in one piece are views into it", () => {
    const reader = new FrameReader((payload) => expect(payload.buffer).toBe(stream.buffer));
    reader.push(stream);
  });

  test("cost no memory for a length whose bytes do not come", () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 100 }, () => new FrameReader(() => {}));
    for (const reader of readers) reader.push(Buffer.from("00ffffff93", "hex"));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
    expect(readers.every((reader) => reader.incomplete)).toBe(true);
  });
});

describe("a field", () => {
  const fields = new Fields("REQUEST", {
    text: "a",
    bytes: Buffer.from("b"),
    count: 3,
    flag: true,
    nil: null,
    negative: -1,
    fraction: 1.5,
    huge: 2 ** 60,
    list: [],
    map: {},
  });

  test("of the right kind is read", () => {
    expect([fields.text("text"), fields.bytes("bytes").toString(), fields.unsigned("count")]).toEqual([
      "a",
      "b",
      3,
    ]);
    expect([fields.boolean("flag"), fields.has("text")]).toEqual([true, true]);
  });

  test("that is nil is not there", () => {
    expect([fields.has("nil"), fields.has("missing"), fields.has("toString")]).toEqual([false, false, false]);
  });

  test.each([
    ["text" as const, "bytes", "frame REQUEST: field bytes must be text, is bytes"],
    ["text" as const, "missing", "frame REQUEST: field missing must be text, is missing"],
    ["bytes" as const, "text", "frame REQUEST: field text must be bytes, is text"],
    ["bytes" as const, "nil", "frame REQUEST: field nil must be bytes, is nil"],
    ["unsigned" as const, "negative", "frame REQUEST: field negative must be an unsigned integer, is -1"],
    ["unsigned" as const, "fraction", "frame REQUEST: field fraction must be an unsigned integer, is 1.5"],
    ["unsigned" as const, "huge", /must be an unsigned integer/],
    ["boolean" as const, "list", "frame REQUEST: field list must be a boolean, is an array"],
    ["boolean" as const, "map", "frame REQUEST: field map must be a boolean, is a map"],
  ])("read as %s where it is %s is refused by name", (kind, name, message) => {
    const error = refusal(() => fields[kind](name), FrameError);
    expect(error.code).toBe("field");
    expect(error.message).toMatch(message);
  });
});
