/** Frames as the shim reads them: in any pieces, with keys of the future; malformed orders are refused, and a stream that violates the protocol ends the session. */

import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type FrameBody, FrameType } from "../../src/agent/frames.ts";
import { shims } from "./support/binaries.ts";
import { exec, stdoutOf } from "./support/exec-order.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";
import { framed, frameWith } from "./support/shim-stream.ts";

const goodExec = {
  plugin: "plugin",
  path: "/opt/cni/bin",
  env: { CNI_COMMAND: "ADD" },
  stdin: Buffer.alloc(0),
  timeoutMs: 0,
} satisfies FrameBody;

const goodRoute = {
  netns: "/run/netns/x",
  ifName: "eth0",
  clear: [4],
  add: ["10.0.0.1"],
} satisfies FrameBody;

describe.each(shims)("frames to the $name shim", ({ binary }) => {
  test("may come byte by byte, and many at once", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "cat");
    const { stream, outcome } = await daemon.connected();
    const order = (id: number): Buffer =>
      frameWith(FrameType.exec, id, {
        ...goodExec,
        path: daemon.pluginDirectory,
        stdin: Buffer.from(`order ${id}`),
      });
    for (const byte of order(2 ** 32 - 1)) {
      stream.sendBytes(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    const first = await stream.next();
    expect(first).toMatchObject({ type: FrameType.done, id: 2 ** 32 - 1 });
    expect(stdoutOf(first?.body ?? {})).toBe(`order ${2 ** 32 - 1}`);
    const all = Buffer.concat([order(11), order(12), order(13)]);
    stream.sendBytes(all.subarray(0, 100));
    await sleep(20);
    stream.sendBytes(all.subarray(100));
    const ids = [await stream.next(), await stream.next(), await stream.next()].map((frame) => frame?.id);
    expect(ids.sort()).toEqual([11, 12, 13]);
    stream.reply(0, "");
    expect((await outcome).exitCode).toBe(0);
  });

  test("may carry keys that this shim does not know, whatever is in them", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "cat");
    const { stream, outcome } = await daemon.connected();
    const done = await exec(daemon, stream, "plugin", {
      stdin: Buffer.from("in"),
      later: {
        deep: [[[{ a: 1.5, b: -7, c: null, d: true, e: Buffer.alloc(70_000), f: "x".repeat(70_000) }]]],
      },
      absentLink: null,
      another: Array.from({ length: 100_000 }, (_, index) => index),
    });
    expect(stdoutOf(done)).toBe("in");
    // Any depth, extension types, and of equal keys the last one counts.
    const deep = Buffer.concat([
      Buffer.of(0x93, FrameType.reply, 0, 0x85),
      Buffer.of(0xa1, 0x78),
      Buffer.alloc(5_000_000, 0x91),
      Buffer.of(0xc0),
      Buffer.of(0xa1, 0x79, 0xc7, 3, 1, 1, 2, 3),
      Buffer.of(0xa8),
      Buffer.from("exitCode"),
      Buffer.of(9),
      Buffer.of(0xa8),
      Buffer.from("exitCode"),
      Buffer.of(5),
      Buffer.of(0xa6),
      Buffer.from("stdout"),
      Buffer.of(0xc4, 0),
    ]);
    stream.sendBytes(framed(deep));
    expect((await outcome).exitCode).toBe(5);
  });

  test("may be 16 MiB long", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream, outcome } = await daemon.connected();
    const overhead =
      frameWith(FrameType.reply, 0, { exitCode: 0, stdout: Buffer.alloc(100_000) }).length - 4 - 100_000;
    const stdout = Buffer.alloc(16 * 1024 * 1024 - overhead, "x");
    stream.reply(0, stdout);
    expect((await outcome).stdout.equals(stdout)).toBe(true);
  });

  test.each<[string, number, FrameBody, RegExp]>([
    ["no plugin", FrameType.exec, { ...goodExec, plugin: undefined }, /`plugin` is not a string/],
    [
      "a plugin with a zero byte",
      FrameType.exec,
      { ...goodExec, plugin: "a\0b" },
      /`plugin` is not a string without zero/,
    ],
    ["a binary plugin", FrameType.exec, { ...goodExec, plugin: Buffer.from("x") }, /`plugin`/],
    ["a path that is a list", FrameType.exec, { ...goodExec, path: ["/bin"] }, /`path`/],
    ["stdin as text", FrameType.exec, { ...goodExec, stdin: "{}" }, /`stdin` is not binary/],
    ["a negative timeout", FrameType.exec, { ...goodExec, timeoutMs: -1 }, /`timeoutMs` is not an unsigned/],
    ["a timeout with a fraction", FrameType.exec, { ...goodExec, timeoutMs: 1.5 }, /`timeoutMs`/],
    [
      "a timeout beyond 32 bits",
      FrameType.exec,
      { ...goodExec, timeoutMs: 2n ** 40n },
      /`timeoutMs` is larger/,
    ],
    ["env as a list", FrameType.exec, { ...goodExec, env: [] }, /`env` is not a map/],
    ["a variable without a name", FrameType.exec, { ...goodExec, env: { "": "x" } }, /`env` has an entry/],
    [
      "a variable with = in its name",
      FrameType.exec,
      { ...goodExec, env: { "a=b": "x" } },
      /`env` has an entry/,
    ],
    [
      "a variable with a zero byte",
      FrameType.exec,
      { ...goodExec, env: { a: "x\0y" } },
      /`env` has an entry/,
    ],
    ["a number as a variable", FrameType.exec, { ...goodExec, env: { a: 1 } }, /`env` has an entry/],
    [
      "too many variables",
      FrameType.exec,
      { ...goodExec, env: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`v${index}`, ""])) },
      /`env` has too many/,
    ],
    [
      "an absentLink without ifName",
      FrameType.exec,
      { ...goodExec, absentLink: { netns: "/x" } },
      /`ifName` is missing.*absentLink/,
    ],
    ["no netns", FrameType.linkExists, { netns: "", ifName: "eth0" }, /`netns` is empty/],
    ["a long ifName", FrameType.linkExists, { netns: "/x", ifName: "sixteen-bytes-is" }, /`ifName`/],
    ["an empty ifName", FrameType.linkExists, { netns: "/x", ifName: "" }, /`ifName`/],
    ["family 5", FrameType.defaultRoute, { ...goodRoute, clear: [4, 5] }, /`clear`/],
    ["families as a map", FrameType.defaultRoute, { ...goodRoute, clear: {} }, /`clear` is not an array/],
    ["a gateway that is no text", FrameType.defaultRoute, { ...goodRoute, add: [1] }, /`add`/],
    [
      "17 gateways",
      FrameType.defaultRoute,
      { ...goodRoute, add: Array.from({ length: 17 }, () => "10.0.0.1") },
      /`add`/,
    ],
    ["an order of the future", 22, {}, /unknown order 22/],
    ["an order of the far future", 2 ** 32 - 1, {}, /unknown order 4294967295/],
  ])("an order with %s is refused, and the next one carried out", async (_about, type, body, says) => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "cat");
    const { stream } = await daemon.connected();
    const sent = Object.fromEntries(Object.entries(body).map(([key, value]) => [key, value ?? 0]));
    expect(await stream.order(type, sent)).toEqual({
      error: "refused",
      message: expect.stringMatching(says),
    });
    expect(await exec(daemon, stream, "plugin")).toMatchObject({ exitCode: 0 });
  });

  test("an order whose body is no map is refused, or has a key that is no text", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected();
    stream.sendBytes(framed([0x93, FrameType.exec, 1, 0xc0]));
    expect((await stream.next())?.body).toEqual({ error: "refused", message: "EXEC: the body is not a map" });
    stream.sendBytes(framed([0x93, FrameType.linkExists, 1, 0x81, 1, 1]));
    expect((await stream.next())?.body).toEqual({
      error: "refused",
      message: "LINK_EXISTS: a key is not a string",
    });
    stream.sendBytes(framed([0x93, FrameType.exec, 1, 0x80]));
    expect((await stream.next())?.body).toEqual({ error: "refused", message: "EXEC: `plugin` is missing" });
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["longer than 16 MiB", Buffer.of(1, 0, 0, 1), /longer than 16 MiB/],
    ["HTTP", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), /longer than 16 MiB/],
    ["empty", framed([]), /not one MessagePack value/],
    ["two values", framed([0x93, 4, 0, 0x80, 0xc0]), /not one MessagePack value/],
    ["cut short", framed([0x93, 4, 0, 0x81, 0xa1, 0x78]), /not one MessagePack value/],
    [
      "a promise of four billion elements",
      framed([0x93, 16, 0, 0xdd, 0xff, 0xff, 0xff, 0xff]),
      /not one MessagePack value/,
    ],
    ["the unused byte", framed([0x93, 4, 0, 0xc1]), /not one MessagePack value/],
    ["a map", framed([0x80]), /not an array/],
    ["two elements", framed([0x92, 4, 0]), /not an array/],
    ["a text as its type", framed([0x93, 0xa1, 0x34, 0, 0x80]), /type or id/],
    ["an id beyond 32 bits", framed([0x93, 4, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0x80]), /type or id/],
    ["a HELLO", frameWith(FrameType.hello, 0, {}), /only a plugin may send/],
    ["type 5", frameWith(5, 0, {}), /only a plugin may send/],
    ["a REPLY without stdout", frameWith(FrameType.reply, 0, { exitCode: 0 }), /REPLY.*`stdout` is missing/],
    [
      "a REPLY with exit code 256",
      frameWith(FrameType.reply, 0, { exitCode: 256, stdout: Buffer.of() }),
      /REPLY.*`exitCode`/,
    ],
  ])("%s: the shim ends with CNI error 999 that says so", async (_about, bytes, says) => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream, outcome } = await daemon.connected();
    stream.sendBytes(bytes);
    expect(errorOf(await outcome)).toMatchObject({
      cniVersion: "1.0.0",
      code: 999,
      msg: expect.stringMatching(says),
    });
  });

  test("orders wait while the daemon does not read the answers, and none is lost", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "head -c 4000000 /dev/zero");
    const { stream } = await daemon.connected();
    stream.pause();
    const answers = Promise.all(
      Array.from({ length: 40 }, () => exec(daemon, stream, "plugin", { timeoutMs: 60_000 })),
    );
    await sleep(500);
    stream.resume();
    const lengths = (await answers).map((done) => stdoutOf(done).length);
    expect(lengths).toEqual(lengths.map(() => 4_000_000));
  });

  test("a REPLY while a plugin runs is the end of it", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "sleep 60");
    const { stream, outcome } = await daemon.connected();
    void exec(daemon, stream, "plugin", { timeoutMs: 0 });
    await sleep(100);
    stream.reply(1, "{}");
    const { exitCode, milliseconds } = await outcome;
    expect(exitCode).toBe(1);
    expect(milliseconds).toBeLessThan(30_000);
  });
});
