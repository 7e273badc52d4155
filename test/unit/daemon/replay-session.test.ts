/** A shim that stays for recorded DELs has them done by the daemon: each as a request like any other, one at a time, and none while the daemon ends. */

import { existsSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FrameType } from "../../../src/agent/frames.ts";
import type { CniRequest } from "../../../src/cni/request.ts";
import { Admission } from "../../../src/daemon/admission.ts";
import { type RequestHandler, RequestLine } from "../../../src/daemon/request-line.ts";
import { RequestLoggers } from "../../../src/daemon/request-loggers.ts";
import { DaemonServer } from "../../../src/daemon/server.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import type { HandledRequest } from "../../../src/multus/request/report.ts";
import { newReport } from "../../../src/multus/request/report.ts";
import { Spool } from "../../shim/support/spool.ts";
import { httpServices } from "../../support/http-services.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { WirePeer } from "../../support/wire-peer.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = { timeout: 30_000, interval: 5 };
const bootId = "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e";

let directory: ScratchDirectory;
let cniDir: string;
let spool: Spool;
let logged: string;
let server: DaemonServer;
let admission: Admission;
/** The requests that the daemon works on, in the order in which it has begun. */
let seen: CniRequest[];
/** Ends of requests under way, by container. */
let finish: Map<string, (exitCode: number) => void>;
const peers: WirePeer[] = [];

beforeEach(() => {
  directory = new ScratchDirectory("replay-session");
  cniDir = join(directory.path, "cni");
  spool = new Spool(cniDir);
  logged = "";
  seen = [];
  finish = new Map();
});

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  await server.stop(0);
  directory[Symbol.dispose]();
});

const answer = (exitCode: number): HandledRequest => ({
  exitCode,
  stdout: Buffer.alloc(0),
  report: newReport(),
  error: undefined,
});

const succeed: RequestHandler = async (request) => {
  seen.push(request);
  return answer(0);
};

/** Answers when told to. */
const wait: RequestHandler = async (request) => {
  seen.push(request);
  return answer(await new Promise<number>((resolve) => finish.set(request.containerId, resolve)));
};

async function serve(handle: RequestHandler, limit = 16): Promise<void> {
  const loggers = new Loggers((text) => {
    logged += text;
  });
  admission = new Admission(limit);
  const line = new RequestLine({
    admission,
    loggers: new RequestLoggers(loggers, { logLevel: "debug" }),
  });
  server = new DaemonServer(line, httpServices({ handle }));
  await server.listen(join(directory.path, "run"));
}

async function newPeer(): Promise<WirePeer> {
  const peer = await WirePeer.connect(join(directory.path, "run", "multus.sock"));
  peers.push(peer);
  return peer;
}

/** A shim that asks for what is recorded. */
async function stayedShim(more = {}): Promise<WirePeer> {
  const peer = await newPeer();
  peer.replay(cniDir, more);
  return peer;
}

/** The REPLY that comes next. */
async function reply(peer: WirePeer): Promise<unknown> {
  const frame = await peer.next();
  expect(frame?.type).toBe(FrameType.reply);
  return frame?.body;
}

const nothingWaits = { exitCode: 0, stdout: Buffer.alloc(0) };
const again = (againMs: number) => ({ ...nothingWaits, againMs });
const begun = (...containers: string[]) =>
  vi.waitFor(() => expect(seen.map(({ containerId }) => containerId)).toEqual(containers), patience);

/** Waits until the daemon has so many requests, waiting or worked on. */
const inLine = (requests: number) =>
  vi.waitFor(() => expect(admission.waiting + admission.running).toBe(requests), patience);

describe("a replay", () => {
  test("does what is recorded, each like any DEL, and says that nothing waits", async () => {
    await serve(succeed);
    spool.add(1, { containerId: "first", args: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web" });
    spool.add(2, { containerId: "second", ifName: "net1" });
    const peer = await stayedShim();
    expect(await reply(peer)).toEqual(nothingWaits);
    expect(await peer.next()).toBeUndefined();
    expect(seen).toMatchObject([
      { command: "DEL", containerId: "first", triesLeft: 79 },
      { command: "DEL", containerId: "second", ifName: "net1", triesLeft: 79 },
    ]);
    for (const request of seen) expect(request).not.toHaveProperty("canRecord");
    expect(spool.names()).toEqual([]);
    expect(logged).toMatch(/DEL done container=first .*\n(.*\n)*.*DEL done container=second /);
  });

  test("says when there is something to do again", async () => {
    await serve(async (request) => {
      seen.push(request);
      return answer(1);
    });
    spool.add(1);
    const body = await reply(await stayedShim());
    expect(body).toMatchObject({ exitCode: 0, againMs: expect.any(Number) });
    const { againMs } = body as { againMs: number };
    expect(againMs).toBeGreaterThanOrEqual(1_000);
    expect(againMs).toBeLessThanOrEqual(10_000);
    expect(spool.names()).toEqual(["0000000000000001-01-recorded"]);
  });

  test("orders plugins of the shim, with the recorded namespace to compare and the directories that it allows", async () => {
    await serve(async (request, executor) => {
      const env = { CNI_COMMAND: "DEL", CNI_NETNS: request.netns, CNI_PATH: "/evil:/opt/cni/bin" };
      const run = { plugin: "bridge", path: request.path, env, stdin: request.config, timeoutMs: 1_000_000 };
      const { exitCode } = await executor.runPlugin(run);
      return answer(exitCode);
    });
    const cookie = 2n ** 63n + 1n;
    const netns = { netns: "/run/netns/pod", bootId, netnsDevice: 4, netnsInode: 5, netnsCookie: cookie };
    spool.add(1, { ...netns, path: "/evil:/opt/cni/bin" });
    const peer = await stayedShim();
    const order = await peer.next();
    expect(order).toMatchObject({
      type: FrameType.exec,
      body: {
        plugin: "bridge",
        env: { CNI_COMMAND: "DEL", CNI_NETNS: "/run/netns/pod", CNI_PATH: "/opt/cni/bin" },
        leftNetns: { bootId, device: 4, inode: 5, cookie: Number(cookie) },
      },
    });
    expect(Number(order?.body.timeoutMs)).toBeLessThanOrEqual(120_000);
    peer.send(FrameType.done, order?.id ?? 0, { exitCode: 0, stdout: Buffer.alloc(0), micros: 1 });
    expect(await reply(peer)).toEqual(nothingWaits);
  });

  test("takes its place in the order of the container, and does nothing where that was done meanwhile", async () => {
    await serve(wait);
    spool.add(1, { containerId: "c1" });
    const runtime = await newPeer();
    runtime.request({ command: "DEL", containerId: "c1" });
    await begun("c1");
    const peer = await stayedShim();
    await inLine(2);
    // Its own DEL has it done, as the handler does before it.
    rmSync(spool.path("0000000000000001-00-c1"));
    finish.get("c1")?.(0);
    expect((await runtime.reply()).exitCode).toBe(0);
    expect(await reply(peer)).toEqual(nothingWaits);
    expect(seen).toHaveLength(1);
    expect(logged.match(/DEL done/g)).toHaveLength(1);
  });

  test("holds no place while a record waits for its time", async () => {
    await serve(succeed);
    const name = spool.add(1, {}, 8);
    const longAgo = Date.now() / 1_000 - 600;
    utimesSync(spool.path(name), longAgo, longAgo);
    const body = (await reply(await stayedShim())) as { againMs: number };
    expect(body.againMs).toBeGreaterThan(500_000);
    expect(body.againMs).toBeLessThanOrEqual(600_000);
    expect(seen).toEqual([]);
    expect(await server.stop(1_000)).toBe(0);
  });

  test("whose shim goes away in the middle counts no try, and holds nothing", async () => {
    await serve(async (request, executor) => {
      seen.push(request);
      await executor.linkExists("/n", "i").catch(() => {});
      return answer(1);
    });
    const name = spool.add(1);
    spool.add(2, { containerId: "other" });
    const peer = await stayedShim();
    await begun("recorded");
    expect(spool.names()[0]).toBe("0000000000000001-05-recorded");
    peer.close();
    await vi.waitFor(() => expect(spool.names()).toEqual([name, "0000000000000002-00-other"]), patience);
    expect(seen).toHaveLength(1);
    // The next one finds the directory free.
    const next = await stayedShim();
    await begun("recorded", "recorded");
    next.close();
  });

  test("whose shim goes away while its record waits in line leaves it", async () => {
    await serve(wait);
    const name = spool.add(1, { containerId: "c1" });
    const runtime = await newPeer();
    runtime.request({ command: "ADD", containerId: "c1" });
    await begun("c1");
    const peer = await stayedShim();
    await inLine(2);
    peer.close();
    await inLine(1);
    finish.get("c1")?.(0);
    expect((await runtime.reply()).exitCode).toBe(0);
    // Its place is free: the next request of the container is worked on.
    const later = await newPeer();
    later.request({ command: "DEL", containerId: "c1" });
    await begun("c1", "c1");
    finish.get("c1")?.(0);
    expect((await later.reply()).exitCode).toBe(0);
    expect(spool.names()).toEqual([name]);
  });

  test("that another shim is having done already is told to come again", async () => {
    await serve(wait);
    spool.add(1);
    const first = await stayedShim();
    await begun("recorded");
    expect(await reply(await stayedShim())).toEqual(again(1_000));
    // The same directory by another path.
    const other = await newPeer();
    other.replay(`${cniDir}/./`);
    expect(await reply(other)).toEqual(again(1_000));
    finish.get("recorded")?.(0);
    expect(await reply(first)).toEqual(nothingWaits);
    expect(seen).toHaveLength(1);
  });
});

describe("a daemon that is told to stop", () => {
  test("ends the record that it has begun, begins no other, and has the shim ask the next daemon", async () => {
    await serve(wait);
    spool.add(1, { containerId: "first" });
    spool.add(2, { containerId: "second" });
    const peer = await stayedShim();
    await begun("first");
    const stopped = server.stop(patience.timeout);
    finish.get("first")?.(0);
    expect(await reply(peer)).toEqual(again(1_000));
    expect(await stopped).toBe(0);
    expect(spool.names()).toEqual(["0000000000000002-00-second"]);
    expect(existsSync(join(directory.path, "run", "multus.sock"))).toBe(false);
  });

  test("and does not get through with it counts no try", async () => {
    await serve(async (request, executor) => {
      seen.push(request);
      await executor.linkExists("/n", "i").catch(() => {});
      return answer(1);
    });
    const name = spool.add(1);
    await stayedShim();
    await begun("recorded");
    expect(await server.stop(10)).toBe(1);
    await vi.waitFor(() => expect(spool.names()).toEqual([name]), patience);
  });
});

test("a daemon that retires ends the record that it has begun, and begins no other", async () => {
  await serve(wait);
  spool.add(1, { containerId: "first" });
  spool.add(2, { containerId: "second" });
  const peer = await stayedShim();
  await begun("first");
  const retired = server.retire();
  finish.get("first")?.(0);
  expect(await reply(peer)).toEqual(again(1_000));
  expect(await retired).toBe(0);
  expect(spool.names()).toEqual(["0000000000000002-00-second"]);
});

describe("a replay that the daemon cannot make", () => {
  test("of records that it does not see is an error, so that the shim tries again later", async () => {
    await serve(succeed);
    const frame = await (await stayedShim()).reply();
    expect(frame.exitCode).toBe(1);
    expect(JSON.parse(frame.stdout)).toMatchObject({ code: 999, msg: expect.stringMatching(/cni.*ENOENT/) });
    expect(logged).toMatch(/\[error\] recorded DELs cannot be replayed cniDir=/);
  });

  test("of a directory without a place is one too", async () => {
    await serve(succeed);
    const peer = await newPeer();
    peer.replay("cni");
    expect((await peer.reply()).stdout).toContain("is not an absolute path");
  });

  test("of a REQUEST without a directory is a breach of the protocol", async () => {
    await serve(succeed);
    expect((await (await stayedShim({ cniDir: 1 })).reply()).stdout).toContain("field cniDir must be text");
  });

  test("as too much waits already leaves the record as it is", async () => {
    await serve(wait, 1);
    const name = spool.add(1, { args: "K8S_POD_NAMESPACE=full" });
    // A namespace may have half of the places.
    const full: WirePeer[] = [];
    for (let index = 0; index < 512; index++) {
      const peer = await newPeer();
      peer.request({ command: "DEL", containerId: `c${index}`, args: "K8S_POD_NAMESPACE=full" });
      full.push(peer);
    }
    await inLine(512);
    expect(await reply(await stayedShim())).toEqual(again(1_000));
    expect(spool.names()).toEqual([name]);
    for (const peer of full) peer.close();
    for (const end of finish.values()) end(0);
  });
});
