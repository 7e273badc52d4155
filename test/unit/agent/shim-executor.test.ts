import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ExecutorError, type NativeLink } from "../../../src/agent/executor.ts";
import { FrameConnection } from "../../../src/agent/frame-connection.ts";
import { type FrameError, FrameType } from "../../../src/agent/frames.ts";
import { decodeExactMessagePack } from "../../../src/agent/messagepack.ts";
import { Orders } from "../../../src/agent/orders.ts";
import { ShimExecutor } from "../../../src/agent/shim-executor.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { WirePeer } from "../../support/wire-peer.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

let directory: ScratchDirectory;
let server: Server;
let peer: WirePeer;
let executor: ShimExecutor;
/** The same, of a shim that knows `after` of EXEC. */
let ordering: ShimExecutor;
/** And of one that knows it of links too. */
let linking: ShimExecutor;
let malformed: FrameError[];

/** The daemon's side of a real unix socket. */
beforeEach(async () => {
  directory = new ScratchDirectory("orders");
  server = createServer();
  server.listen(join(directory.path, "s"));
  await once(server, "listening");
  const [[socket], connected] = await Promise.all([
    once(server, "connection") as Promise<[Socket]>,
    WirePeer.connect(join(directory.path, "s")),
  ]);
  peer = connected;
  malformed = [];
  const connection = new FrameConnection(socket, {
    frame: (frame) => orders.done(frame),
    malformed: (error) => malformed.push(error),
    closed: () => orders.end("the peer is gone"),
  });
  const orders = new Orders((type, id, body) => connection.send(type, id, body));
  executor = new ShimExecutor(orders);
  ordering = new ShimExecutor(orders, undefined, { startsAfter: true });
  linking = new ShimExecutor(orders, undefined, { startsAfter: true, linksAfter: true });
});

afterEach(() => {
  vi.useRealTimers();
  peer.close();
  server.close();
  directory[Symbol.dispose]();
});

const run = {
  plugin: "bridge",
  path: "/opt/cni/bin",
  env: { CNI_COMMAND: "ADD" },
  stdin: Buffer.from('{"a":1}'),
  timeoutMs: 1000,
};

async function failure(work: Promise<unknown>): Promise<ExecutorError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ExecutorError) return error;
  throw new Error(`no ExecutorError but ${String(error)}`);
}

describe("an order", () => {
  test("to run a DEL in a recorded namespace names it, 64 bits and all", async () => {
    const identity = { bootId: "b", device: 4n, inode: 2n ** 53n + 1n, cookie: 2n ** 64n - 1n };
    const sent: Uint8Array[] = [];
    peer.socket.on("data", (chunk) => sent.push(chunk));
    void executor.runPlugin({ ...run, leftNetns: identity }).catch(() => {});
    await peer.next();
    const { leftNetns } = (
      decodeExactMessagePack(Buffer.concat(sent).subarray(4)) as [number, number, never]
    )[2];
    expect(leftNetns).toEqual(identity);
  });

  test("to run a plugin carries all of it, and its answer comes back", async () => {
    const outcome = executor.runPlugin({ ...run, absentLink: { netns: "/n", ifName: "eth0" } });
    const order = await peer.next();
    expect(order).toEqual({
      type: FrameType.exec,
      id: 1,
      body: { ...run, absentLink: { netns: "/n", ifName: "eth0" } },
    });
    peer.send(FrameType.done, 1, {
      exitCode: 3,
      stdout: Buffer.from("{}"),
      stderrTail: Buffer.from("uh"),
      micros: 1500,
    });
    expect(await outcome).toEqual({
      exitCode: 3,
      stdout: Buffer.from("{}"),
      stderrTail: "uh",
      milliseconds: 1.5,
    });
  });

  test("without what is optional leaves it out, and takes an answer without", async () => {
    const outcome = executor.runPlugin(run);
    expect((await peer.next())?.body).toEqual(run);
    peer.send(FrameType.done, 1, { exitCode: 0, stdout: Buffer.alloc(0), micros: 0 });
    expect((await outcome).stderrTail).toBe("");
  });

  test("to look for a link, and to set default routes", async () => {
    const exists = executor.linkExists("/n", "net1");
    expect(await peer.next()).toEqual({
      type: FrameType.linkExists,
      id: 1,
      body: { netns: "/n", ifName: "net1" },
    });
    peer.send(FrameType.done, 1, { exists: true });
    expect(await exists).toBe(true);

    const set = executor.setDefaultRoutes("/n", "net1", [4, 6], ["10.0.0.1", "fd00::1"]);
    expect(await peer.next()).toEqual({
      type: FrameType.defaultRoute,
      id: 2,
      body: { netns: "/n", ifName: "net1", clear: [4, 6], add: ["10.0.0.1", "fd00::1"] },
    });
    peer.send(FrameType.done, 2, {});
    expect(await set).toBeUndefined();
  });

  const links = [
    { ifName: "net1", addresses: ["10.0.0.1", "fd00::1"] },
    { ifName: "net2", addresses: [] },
    { ifName: "net3", addresses: ["10.0.0.3"] },
  ];

  test("to look at links carries all of them, and tells what each is like", async () => {
    const looked = executor.linkStates("/n", links);
    expect(await peer.next()).toEqual({
      type: FrameType.linkStates,
      id: 1,
      body: { netns: "/n", links },
    });
    const mac = Buffer.from("020000000001", "hex");
    peer.send(FrameType.done, 1, {
      links: [
        { exists: true, mac, absent: [1], further: 1 },
        { exists: false },
        { exists: true, mac, absent: [] },
      ],
    });
    expect(await looked).toEqual([
      { exists: true, mac, absent: ["fd00::1"] },
      { exists: false, mac: new Uint8Array(), absent: [] },
      { exists: true, mac, absent: [] },
    ]);
  });

  test("to look at links becomes one for each where the shim is older", async () => {
    const looked = executor.linkStates("/n", links);
    const order = await peer.next();
    peer.send(FrameType.done, order?.id ?? 0, { error: "refused", message: "unknown order 19" });
    for (const { ifName } of links) {
      const next = await peer.next();
      expect(next).toMatchObject({ type: FrameType.linkExists, body: { netns: "/n", ifName } });
      peer.send(FrameType.done, next?.id ?? 0, { exists: ifName !== "net2" });
    }
    expect((await looked).map(({ exists }) => exists)).toEqual([true, false, true]);
  });

  test("to look at links that is refused for another reason fails", async () => {
    const failed = failure(executor.linkStates("/n", links));
    await peer.next();
    peer.send(FrameType.done, 1, { error: "refused", message: "LINK_STATES: no" });
    expect(await failed).toMatchObject({ code: "refused", message: "LINK_STATES: no" });
  });

  test.each<{ about: string; answer: Readonly<Record<string, unknown>> }>([
    { about: "no links", answer: {} },
    { about: "links that are no maps", answer: { links: [1, 2, 3] } },
    { about: "links that are no array", answer: { links: { 0: { exists: false } } } },
    { about: "too few links", answer: { links: [{ exists: false }, { exists: false }] } },
    {
      about: "a link that is neither there nor not",
      answer: { links: [{}, { exists: false }, { exists: false }] },
    },
    {
      about: "a MAC address that is text",
      answer: { links: [{ exists: true, mac: "02", absent: [] }, { exists: false }, { exists: false }] },
    },
    ...[[2], [-1], ["0"], [0.5], 0].map((absent) => ({
      about: `absent addresses ${JSON.stringify(absent)}`,
      answer: { links: [{ exists: true, mac: Buffer.of(2), absent }, { exists: false }, { exists: false }] },
    })),
  ])("to look at links whose answer has $about fails, and the stream with it", async ({ answer }) => {
    const failed = failure(executor.linkStates("/n", links));
    await peer.next();
    peer.send(FrameType.done, 1, answer);
    expect(await failed).toMatchObject({
      code: "failed",
      message: expect.stringContaining("DONE of LINK_STATES"),
    });
    expect(malformed.map(({ code }) => code)).toEqual(["field"]);
  });

  const mac = Buffer.from("020000000001", "hex");
  const plugins = [{ plugin: "bridge", path: "/opt/cni/bin", fileState: "1 2 3" }];
  const native: readonly NativeLink[] = (["bridge", "macvlan", "ptp"] as const).map((kind, index) => ({
    ...{ ifName: `net${index}`, kind, parent: "br0", mtu: 0, mode: 0, queueLength: 0 },
    ...{ hairpin: false, isolated: false, promiscuous: false, isGateway: true },
    settings: [],
    sets: [],
    addresses: [{ address: Buffer.of(10, 0, 0, 2), prefix: 24 }],
    routes: [],
  }));
  const address = { address: Buffer.of(10, 0, 0, 2), prefix: 24, gateway: Buffer.of(10, 0, 0, 1) };
  const madeMacvlan = { mac, addresses: [], micros: 1000 };
  const madeBridge = {
    ...{ mac, addresses: [address], micros: 1500 },
    ...{ hostName: "veth00000001", hostMac: mac, parentMac: mac },
  };
  const madePtp = { ...{ mac, addresses: [], micros: 500 }, ...{ hostName: "veth00000002", hostMac: mac } };

  test("to make links carries all of them, and tells what was made", async () => {
    const made = executor.attachLinks("/n", plugins, native);
    expect(await peer.next()).toMatchObject({
      type: FrameType.attachLinks,
      id: 1,
      body: { netns: "/n", plugins, links: native.map(({ ifName, kind }) => ({ ifName, kind })) },
    });
    peer.send(FrameType.done, 1, { links: [madeBridge, madeMacvlan, madePtp] });
    const bytes = Uint8Array.from(mac);
    expect(await made).toEqual([
      {
        mac: bytes,
        addresses: [{ address: Uint8Array.of(10, 0, 0, 2), prefix: 24, gateway: Uint8Array.of(10, 0, 0, 1) }],
        milliseconds: 1.5,
        ...{ hostName: "veth00000001", hostMac: bytes, parentMac: bytes },
      },
      {
        ...{ mac: bytes, addresses: [], milliseconds: 1 },
        ...{ hostName: "", hostMac: new Uint8Array(), parentMac: new Uint8Array() },
      },
      {
        ...{ mac: bytes, addresses: [], milliseconds: 0.5 },
        ...{ hostName: "veth00000002", hostMac: bytes, parentMac: new Uint8Array() },
      },
    ]);
  });

  test("to remove links carries all of them", async () => {
    const links = [{ ifName: "net1", kind: "bridge" as const, mac, directory: "/var/lib/cni/networks/n" }];
    const removed = executor.detachLinks("/n", links);
    expect(await peer.next()).toEqual({
      type: FrameType.detachLinks,
      id: 1,
      body: { netns: "/n", links },
    });
    peer.send(FrameType.done, 1, {});
    expect(await removed).toBeUndefined();
  });

  test.each(["unsuited", "link-exists", "refused", "netns", "failed"])(
    "to make or remove links that is answered with %s fails so",
    async (error) => {
      const failures = [executor.attachLinks("/n", plugins, native), executor.detachLinks("/n", [])].map(
        failure,
      );
      for (const id of [1, 2]) {
        await peer.next();
        peer.send(FrameType.done, id, { error, message: "why" });
      }
      for (const failed of failures) expect(await failed).toMatchObject({ code: error, message: "why" });
    },
  );

  test("to make or remove links is left to the plugins where the shim is older", async () => {
    const failures = [executor.attachLinks("/n", plugins, native), executor.detachLinks("/n", [])].map(
      failure,
    );
    for (const [id, type] of [
      [1, 20],
      [2, 21],
    ] as const) {
      await peer.next();
      peer.send(FrameType.done, id, { error: "refused", message: `unknown order ${type}` });
    }
    for (const failed of failures) expect(await failed).toMatchObject({ code: "unsuited" });
  });

  test.each<{ about: string; links: readonly unknown[] }>([
    { about: "too few links", links: [madeBridge] },
    {
      about: "a MAC address of 5 bytes",
      links: [{ ...madeBridge, mac: mac.subarray(1) }, madeMacvlan, madePtp],
    },
    {
      about: "no MAC address of the host's end",
      links: [madeBridge, madeMacvlan, { ...madePtp, hostMac: "" }],
    },
    { about: "no name of the host's end", links: [madeMacvlan, madeMacvlan, madePtp] },
    ...[
      { ...address, address: Buffer.of(10, 0, 0) },
      { ...address, prefix: 33 },
      { ...address, gateway: Buffer.alloc(16) },
    ].map((wrong) => ({
      about: `an address ${JSON.stringify(wrong)}`,
      links: [madeBridge, { ...madeMacvlan, addresses: [wrong] }, madePtp],
    })),
  ])("to make links whose answer has $about fails, and the stream with it", async ({ links }) => {
    const failed = failure(executor.attachLinks("/n", plugins, native));
    await peer.next();
    peer.send(FrameType.done, 1, { links });
    expect(await failed).toMatchObject({
      code: "failed",
      message: expect.stringContaining("DONE of ATTACH_LINKS"),
    });
    expect(malformed.map(({ code }) => code)).toEqual(["field"]);
  });

  test("is answered in any order", async () => {
    const links = ["a", "b", "c"].map((name) => executor.linkExists("/n", name));
    const ids = new Map<unknown, number>();
    for (const _ of links) {
      const order = await peer.next();
      ids.set(order?.body.ifName, order?.id ?? 0);
    }
    for (const name of ["c", "a", "b"]) {
      peer.send(FrameType.done, ids.get(name) ?? 0, { exists: name === "b" });
    }
    expect(await Promise.all(links)).toEqual([false, true, false]);
  });

  test.each([
    ["not-found", "not-found"],
    ["refused", "refused"],
    ["link-exists", "link-exists"],
    ["netns", "netns"],
    ["spawn", "spawn"],
    ["timeout", "timeout"],
    ["too-large", "too-large"],
    ["not-started", "not-started"],
    ["failed", "failed"],
    ["of-a-newer-shim", "failed"],
    // Only this side says that the other is gone.
    ["gone", "failed"],
  ])("that fails with %s rejects with code %s and the shim's message", async (error, code) => {
    const failed = failure(executor.linkExists("/n", "net1"));
    await peer.next();
    peer.send(FrameType.done, 1, { error, message: "because" });
    expect(await failed).toMatchObject({ code, message: "because" });
  });

  test("whose answer is not one to it fails, and the stream with it", async () => {
    const failed = failure(executor.runPlugin(run));
    await peer.next();
    peer.send(FrameType.done, 1, { exitCode: "0", stdout: Buffer.alloc(0), micros: 0 });
    expect(await failed).toMatchObject({
      code: "failed",
      message: "frame DONE of EXEC: field exitCode must be an unsigned integer, is text",
    });
    expect(malformed.map(({ code }) => code)).toEqual(["field"]);
  });

  test("that is larger than a frame fails without being sent", async () => {
    const failed = await failure(executor.runPlugin({ ...run, stdin: Buffer.alloc(17 * 1024 * 1024) }));
    expect(failed).toMatchObject({ code: "failed", message: expect.stringMatching(/at most 16777216/) });
    const next = executor.linkExists("/n", "net1");
    expect((await peer.next())?.type).toBe(FrameType.linkExists);
    peer.send(FrameType.done, 2, { exists: false });
    expect(await next).toBe(false);
  });

  test("under way when the other end goes is rejected as gone, and so is every later one", async () => {
    const failed = failure(executor.runPlugin(run));
    await peer.next();
    peer.close();
    expect(await failed).toMatchObject({
      code: "gone",
      message: "the peer is gone before it answered EXEC, which may be done, in part or as a whole",
      neverArrived: false,
    });
    expect(await failure(executor.linkExists("/n", "net1"))).toMatchObject({
      code: "gone",
      message: "the peer is gone",
      neverArrived: true,
    });
  });

  test("that a hanging shim never answers is given up some time after its own timeout; a late answer harms nothing", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const failed = failure(executor.runPlugin(run));
    await vi.advanceTimersByTimeAsync(run.timeoutMs + 29_000);
    const other = executor.linkExists("/n", "net1");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await failed).toMatchObject({ code: "timeout", message: "no answer to EXEC after 31000 ms" });
    peer.send(FrameType.done, 1, { exitCode: 0, stdout: Buffer.alloc(0), micros: 0 });
    peer.send(FrameType.done, 2, { exists: true });
    expect(await other).toBe(true);
    expect(malformed).toEqual([]);
  });
});

describe("a run after another one", () => {
  const good = (stdout: string) => ({ exitCode: 0, stdout: Buffer.from(stdout), micros: 0 });
  const [first, second, third] = [Symbol("first"), Symbol("second"), Symbol("third")];

  test("is ordered with it, by a shim that knows how: its order names the other's, and a third one its own", async () => {
    const outcomes = [
      ordering.runPlugin({ ...run, token: first }),
      ordering.runPlugin({ ...run, token: second, after: first }),
      ordering.runPlugin({ ...run, token: third, after: second }),
    ];
    expect([await peer.next(), await peer.next(), await peer.next()]).toEqual([
      { type: FrameType.exec, id: 1, body: run },
      { type: FrameType.exec, id: 2, body: { ...run, after: 1 } },
      { type: FrameType.exec, id: 3, body: { ...run, after: 2 } },
    ]);
    for (const id of [1, 2, 3]) peer.send(FrameType.done, id, good(`${id}`));
    const printed = (await Promise.all(outcomes)).map(({ stdout }) => String(stdout));
    expect(printed).toEqual(["1", "2", "3"]);
  });

  test("is not started where the shim says so and the other has failed", async () => {
    const outcome = ordering.runPlugin({ ...run, token: first });
    const failed = failure(ordering.runPlugin({ ...run, token: second, after: first }));
    const failedToo = failure(ordering.runPlugin({ ...run, after: second }));
    for (let order = 1; order <= 3; order++) await peer.next();
    peer.send(FrameType.done, 1, { ...good(""), exitCode: 1 });
    for (const id of [2, 3]) peer.send(FrameType.done, id, { error: "not-started", message: "because" });
    expect(await outcome).toMatchObject({ exitCode: 1 });
    expect(await failed).toMatchObject({ code: "not-started" });
    expect(await failedToo).toMatchObject({ code: "not-started" });
  });

  test("is ordered once more where the other has succeeded, and the shim has forgotten that", async () => {
    const outcome = ordering.runPlugin({ ...run, token: first });
    const later = ordering.runPlugin({ ...run, token: second, after: first });
    const last = ordering.runPlugin({ ...run, after: second });
    for (let order = 1; order <= 3; order++) await peer.next();
    peer.send(FrameType.done, 1, good("1"));
    for (const id of [2, 3]) peer.send(FrameType.done, id, { error: "not-started", message: "because" });
    expect(await peer.next()).toEqual({ type: FrameType.exec, id: 4, body: run });
    peer.send(FrameType.done, 4, good("2"));
    expect(await peer.next()).toEqual({ type: FrameType.exec, id: 5, body: run });
    peer.send(FrameType.done, 5, good("3"));
    const printed = (await Promise.all([outcome, later, last])).map(({ stdout }) => String(stdout));
    expect(printed).toEqual(["1", "2", "3"]);
  });

  test("is ordered when the other has succeeded, by a shim that does not know how", async () => {
    const outcome = executor.runPlugin({ ...run, token: first });
    const later = executor.runPlugin({ ...run, token: second, after: first });
    const last = failure(executor.runPlugin({ ...run, token: third, after: second }));
    const never = failure(executor.runPlugin({ ...run, after: third }));
    expect(await peer.next()).toEqual({ type: FrameType.exec, id: 1, body: run });
    const exists = executor.linkExists("/n", "net1");
    expect(await peer.next()).toMatchObject({ type: FrameType.linkExists, id: 2 });
    peer.send(FrameType.done, 2, { exists: true });
    await exists;
    peer.send(FrameType.done, 1, good("1"));
    expect(await peer.next()).toEqual({ type: FrameType.exec, id: 3, body: run });
    peer.send(FrameType.done, 3, { error: "timeout", message: "because" });
    expect(await outcome).toMatchObject({ exitCode: 0 });
    expect(await failure(later)).toMatchObject({ code: "timeout" });
    expect(await last).toMatchObject({ code: "not-started" });
    expect(await never).toMatchObject({ code: "not-started" });
  });

  test.each(["knows", "does not know"])(
    "that never was is not started, by a shim that %s how",
    async (knows) => {
      const shim = knows === "knows" ? ordering : executor;
      expect(await failure(shim.runPlugin({ ...run, after: first }))).toMatchObject({ code: "not-started" });
    },
  );

  test("is given up when its own time and the other's are over; where one of them has none, never", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const failures = [
      failure(ordering.runPlugin({ ...run, token: first })),
      failure(ordering.runPlugin({ ...run, token: second, after: first })),
    ];
    let isGivenUp = false;
    void failures[1]?.then(() => {
      isGivenUp = true;
    });
    const endless = ordering.runPlugin({ ...run, token: third, timeoutMs: 0 });
    const after = ordering.runPlugin({ ...run, after: third });
    await vi.advanceTimersByTimeAsync(31_000);
    expect(await failures[0]).toMatchObject({ code: "timeout" });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(isGivenUp).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await failures[1]).toMatchObject({
      code: "timeout",
      message: expect.stringContaining("62000 ms"),
    });
    await vi.advanceTimersByTimeAsync(3_600_000);
    for (const id of [3, 4]) peer.send(FrameType.done, id, good(""));
    for (const outcome of [endless, after]) expect(await outcome).toMatchObject({ exitCode: 0 });
  });

  test("fails as gone with it where the other end goes away", async () => {
    const failures = [
      failure(ordering.runPlugin({ ...run, token: first })),
      failure(ordering.runPlugin({ ...run, after: first })),
    ];
    for (const _ of failures) await peer.next();
    peer.close();
    for (const failed of failures) expect(await failed).toMatchObject({ code: "gone" });
  });
});

describe("links after another order, and a run after them", () => {
  const good = { exitCode: 0, stdout: Buffer.of(), micros: 0 };
  const removed = { netns: "/n", links: [{ ifName: "net1", kind: "macvlan" as const }] };
  const [first, second] = [Symbol("first"), Symbol("second")];

  function orderAll(shim: ShimExecutor) {
    const run1 = shim.runPlugin({ ...run, token: first });
    const links = shim.detachLinks("/n", removed.links, { token: second, after: first });
    const run2 = shim.runPlugin({ ...run, after: second });
    return { run1, links, run2 };
  }

  test("are ordered with it, by a shim that knows how", async () => {
    const all = orderAll(linking);
    expect([await peer.next(), await peer.next(), await peer.next()]).toEqual([
      { type: FrameType.exec, id: 1, body: run },
      { type: FrameType.detachLinks, id: 2, body: { ...removed, after: 1 } },
      { type: FrameType.exec, id: 3, body: { ...run, after: 2 } },
    ]);
    peer.send(FrameType.done, 1, good);
    peer.send(FrameType.done, 2, {});
    peer.send(FrameType.done, 3, good);
    expect(await all.links).toBeUndefined();
    expect(await all.run2).toMatchObject({ exitCode: 0 });
  });

  test("are ordered when it has succeeded, by a shim that knows `after` of EXEC only", async () => {
    const all = orderAll(ordering);
    expect(await peer.next()).toEqual({ type: FrameType.exec, id: 1, body: run });
    peer.send(FrameType.done, 1, good);
    expect(await peer.next()).toEqual({ type: FrameType.detachLinks, id: 2, body: removed });
    peer.send(FrameType.done, 2, {});
    expect(await peer.next()).toEqual({ type: FrameType.exec, id: 3, body: run });
    peer.send(FrameType.done, 3, good);
    for (const done of [all.run1, all.run2]) expect(await done).toMatchObject({ exitCode: 0 });
  });

  test.each(["knows", "does not know"])(
    "are not touched where it has failed, by a shim that %s how",
    async (knows) => {
      const all = orderAll(knows === "knows" ? linking : ordering);
      const failures = [failure(all.links), failure(all.run2)];
      await peer.next();
      peer.send(FrameType.done, 1, { ...good, exitCode: 1 });
      if (knows === "knows") {
        for (const id of [2, 3]) {
          await peer.next();
          peer.send(FrameType.done, id, { error: "not-started", message: "because" });
        }
      }
      for (const failed of failures) expect(await failed).toMatchObject({ code: "not-started" });
    },
  );

  test("a run is not started where they are declined", async () => {
    const made = failure(linking.attachLinks("/n", [], [], { token: first }));
    const failed = failure(linking.runPlugin({ ...run, after: first }));
    await peer.next();
    expect((await peer.next())?.body.after).toBe(1);
    peer.send(FrameType.done, 1, { error: "unsuited", message: "not so" });
    peer.send(FrameType.done, 2, { error: "not-started", message: "because" });
    expect(await made).toMatchObject({ code: "unsuited" });
    expect(await failed).toMatchObject({ code: "not-started" });
  });

  test("are given up when their own time and the other's are over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const all = orderAll(linking);
    const failures = [failure(all.run1), failure(all.links), failure(all.run2)];
    await vi.advanceTimersByTimeAsync(31_000 + 60_000 + 31_000);
    for (const failed of failures) expect(await failed).toMatchObject({ code: "timeout" });
    expect((await failures[1])?.message).toContain("91000 ms");
  });
});

test("an answer that nobody waits for ends the stream", async () => {
  peer.send(FrameType.done, 9, { exists: true });
  await vi.waitFor(() => expect(malformed.map(({ code }) => code)).toEqual(["unexpected"]), patience);
  expect(malformed[0]?.message).toBe("frame DONE answers order 9, which is not under way");
});
