/** Records as bytes: whatever they have become, one is read as it was written or refused. */

import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import type { CniRequest } from "../../../../src/cni/request.ts";
import {
  decodeRecord,
  isRecordOf,
  namespaceInHead,
  recordHeadBytes,
} from "../../../../src/multus/spool/record.ts";
import { encodeRecord, recordAround, recordBody } from "../../../shim/support/spool.ts";

const bootId = "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e";
const body = recordBody({
  netns: "/run/netns/pod",
  args: "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=\u00e4",
  config: Buffer.from('{"name":"x"}'),
});

describe("a record", () => {
  test("is read as it was written, numbers of 64 bits and all", () => {
    const largest = 2n ** 64n - 1n;
    const identity = { bootId, netnsDevice: 4, netnsInode: 2n ** 32n, netnsCookie: largest };
    expect(decodeRecord(encodeRecord({ ...body, ...identity }))).toEqual({
      command: "DEL",
      containerId: "recorded",
      netns: "/run/netns/pod",
      ifName: "eth0",
      args: body.args,
      path: "/opt/cni/bin",
      traceparent: "",
      config: body.config,
      identity: { bootId, device: 4n, inode: 2n ** 32n, cookie: largest },
    });
  });

  test("of a namespace that nobody can tell from another has none", () => {
    const known = { bootId, netnsDevice: 4, netnsInode: 5, netnsCookie: 6 };
    expect(decodeRecord(encodeRecord({ ...body, ...known })).identity).toBeDefined();
    // A kernel without cookies; a path that led to no namespace.
    for (const unknown of [{ netnsCookie: 0 }, { bootId: "" }]) {
      expect(decodeRecord(encodeRecord({ ...body, ...known, ...unknown })).identity).toBeUndefined();
    }
  });

  const { config: _, ...withoutConfig } = body;
  test.each([
    ["nothing", Buffer.alloc(0), "it does not begin with MWSPOOL1"],
    ["one of a later version", Buffer.from("MWSPOOL2xxxxxxxxxxxx"), "it does not begin with MWSPOOL1"],
    ["a torn one", encodeRecord(body).subarray(0, -1), "it is not as long as it says"],
    ["a longer one", Buffer.concat([encodeRecord(body), Buffer.of(0)]), "it is not as long as it says"],
    [
      "a changed one",
      Buffer.from(encodeRecord(body).toString("latin1").replace("eth0", "eth1"), "latin1"),
      "its checksum is wrong",
    ],
    ["no MessagePack", recordAround(Buffer.from("not MessagePack")), "its body is not one MessagePack value"],
    ["no map", recordAround(new Packr().pack([1])), "its body is not a map"],
    ["an ADD", encodeRecord({ ...body, command: "ADD" }), "its `command` is not DEL"],
    ["one with a further key", encodeRecord({ ...body, more: 1 }), "it has a key that no record has"],
    ["one without a key", encodeRecord(withoutConfig), "its `config` is not binary"],
    [
      "a number for a text",
      encodeRecord({ ...body, args: 1 }),
      "its `args` is not a string without zero bytes",
    ],
    ["a zero byte", encodeRecord({ ...body, args: "a\0b" }), "its `args` is not a string without zero bytes"],
    ["a text for bytes", encodeRecord({ ...body, config: "{}" }), "its `config` is not binary"],
    [
      "a number below 0",
      encodeRecord({ ...body, netnsInode: -1 }),
      "its `netnsInode` is not an unsigned integer",
    ],
    [
      "a text for a number",
      encodeRecord({ ...body, netnsCookie: "1" }),
      "its `netnsCookie` is not an unsigned integer",
    ],
    ["a long boot id", encodeRecord({ ...body, bootId: "x".repeat(40) }), "its `bootId` is none"],
  ])("is not %s", (_what, content, problem) => {
    expect(() => decodeRecord(content)).toThrow(problem);
  });

  test("is as it was or refused, whatever its bytes have become", () => {
    const original = encodeRecord(body);
    const change = fc.tuple(fc.nat({ max: original.length - 1 }), fc.nat({ max: 255 }));
    const changes = fc.array(change, { maxLength: 3 });
    fc.assert(
      fc.property(changes, fc.nat({ max: original.length }), (bytes, length) => {
        const torn = Buffer.from(original);
        for (const [at, byte] of bytes) torn[at] = byte;
        const content = torn.subarray(0, length === 0 ? torn.length : length);
        // The checksum tells every change of so few bytes.
        if (content.equals(original)) expect(decodeRecord(content).args).toBe(body.args);
        else expect(() => decodeRecord(content)).toThrow();
      }),
    );
    // With a checksum that fits, as from another version: no key gets the value of another, and nothing else is thrown than what says why.
    fc.assert(
      fc.property(changes, (bytes) => {
        const other = Buffer.from(original.subarray(16));
        for (const [at, byte] of bytes) other[at % other.length] = byte;
        try {
          expect(decodeRecord(recordAround(other))).toMatchObject({ command: "DEL" });
        } catch (error) {
          expect(error).toMatchObject({
            name: "RecordError",
            message: expect.stringMatching(/^its? .{1,80}$/),
          });
        }
      }),
    );
  });

  test("says just what a DEL says where all but the trace is the same", () => {
    const record = decodeRecord(encodeRecord({ ...body, traceparent: "recorded" }));
    const request: CniRequest = {
      command: "DEL",
      containerId: "recorded",
      netns: "/run/netns/pod",
      ifName: "eth0",
      args: String(body.args),
      path: "/opt/cni/bin",
      config: Buffer.from('{"name":"x"}'),
      traceparent: "another",
      canRecord: true,
    };
    expect(isRecordOf(record, request)).toBe(true);
    // containerd's CNI_ARGS come in any order.
    const reversed = request.args.split(";").reverse().join(";");
    expect(reversed).not.toBe(request.args);
    expect(isRecordOf(record, { ...request, args: reversed })).toBe(true);
    expect(isRecordOf(record, { ...request, args: `${request.args};` })).toBe(false);
    for (const other of [
      { command: "ADD" },
      { containerId: "c" },
      { netns: "" },
      { ifName: "net1" },
      { args: "" },
      { path: "" },
      { config: Buffer.from("{}") },
    ]) {
      expect(isRecordOf(record, { ...request, ...other })).toBe(false);
    }
  });
});

describe("the namespace in the first bytes of a record", () => {
  const head = (args: string, more = {}) =>
    encodeRecord(recordBody({ args, config: Buffer.alloc(20_000), ...more })).subarray(0, recordHeadBytes);

  test("is that of the last pair in CNI_ARGS that names one", () => {
    expect(namespaceInHead(head("A=b;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p"))).toBe("default");
    expect(namespaceInHead(head("K8S_POD_NAMESPACE=one;K8S_POD_NAMESPACE=two"))).toBe("two");
    expect(namespaceInHead(head(`${"x".repeat(300)};K8S_POD_NAMESPACE=default`))).toBe("default");
    expect(namespaceInHead(head("NOT_K8S_POD_NAMESPACE=x"))).toBe("");
    expect(namespaceInHead(head(""))).toBe("");
  });

  test("is not known where other fields take more", () => {
    expect(namespaceInHead(head("K8S_POD_NAMESPACE=x", { netns: "n".repeat(recordHeadBytes) }))).toBe("");
    expect(namespaceInHead(head(`K8S_POD_NAMESPACE=x;A=${"a".repeat(recordHeadBytes)}`))).toBe("");
  });

  test("is found at no cost and without an error, whatever the bytes are", () => {
    const whole = encodeRecord(body);
    fc.assert(
      fc.property(
        fc.nat({ max: whole.length }),
        fc.nat({ max: whole.length - 1 }),
        fc.nat({ max: 255 }),
        (length, at, byte) => {
          const bytes = Buffer.from(whole.subarray(0, length));
          if (at < length) bytes[at] = byte;
          expect(typeof namespaceInHead(bytes)).toBe("string");
        },
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(typeof namespaceInHead(Buffer.from(bytes))).toBe("string");
      }),
    );
  });
});
