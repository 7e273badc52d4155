import { once } from "node:events";
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Executor, ExecutorError } from "../../../src/agent/executor.ts";
import { FrameType } from "../../../src/agent/frames.ts";
import { CniError } from "../../../src/cni/errors.ts";
import type { CniRequest } from "../../../src/cni/request.ts";
import { Admission } from "../../../src/daemon/admission.ts";
import type { HttpServices } from "../../../src/daemon/http/http-side.ts";
import type { Observer } from "../../../src/daemon/observer.ts";
import { type RequestHandler, RequestLine } from "../../../src/daemon/request-line.ts";
import { RequestLoggers } from "../../../src/daemon/request-loggers.ts";
import { DaemonServer } from "../../../src/daemon/server.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import type { HandledRequest } from "../../../src/multus/request/report.ts";
import { newReport, type RequestReport } from "../../../src/multus/request/report.ts";
import { cniBody, post } from "../../support/go-shim.ts";
import { httpServices } from "../../support/http-services.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { WirePeer } from "../../support/wire-peer.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

let directory: ScratchDirectory;
let logged: string;
const servers: DaemonServer[] = [];
const peers: WirePeer[] = [];

beforeEach(() => {
  directory = new ScratchDirectory("server");
  logged = "";
});

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  for (const server of servers.splice(0)) await server.stop(0);
  directory[Symbol.dispose]();
});

const socketDir = () => join(directory.path, "run");
const socketPath = () => join(socketDir(), "multus.sock");

function newServer(
  handle: RequestHandler,
  limit = 16,
  services: Partial<HttpServices> = {},
  observer?: Observer,
): DaemonServer {
  const loggers = new Loggers((text) => {
    logged += text;
  });
  const server = new DaemonServer(
    new RequestLine({
      admission: new Admission(limit),
      loggers: new RequestLoggers(loggers, { logLevel: "debug" }),
      observer,
    }),
    httpServices({ handle, ...services }),
  );
  servers.push(server);
  return server;
}

async function serve(
  handle: RequestHandler,
  limit?: number,
  services?: Partial<HttpServices>,
  observer?: Observer,
): Promise<DaemonServer> {
  const server = newServer(handle, limit, services, observer);
  await server.listen(socketDir());
  return server;
}

async function newPeer(): Promise<WirePeer> {
  const peer = await WirePeer.connect(socketPath());
  peers.push(peer);
  return peer;
}

function success(stdout = ""): HandledRequest {
  return { exitCode: 0, stdout: Buffer.from(stdout), report: newReport(), error: undefined };
}

const succeed: RequestHandler = async () => success("{}");

async function get(path: string, method = "GET"): Promise<{ status: number | undefined; text: string }> {
  const request = httpRequest({ socketPath: socketPath(), path, method });
  request.end();
  const [response] = await once(request, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, text };
}

describe("a shim", () => {
  test("is told which DEL to record, and cannot say that one is a recorded one", async () => {
    const seen: CniRequest[] = [];
    const records: RequestReport["record"][] = ["tell", "instead"];
    await serve(async (request) => {
      seen.push(request);
      const handled = success("{}");
      return {
        ...handled,
        exitCode: 1,
        report: { ...handled.report, record: records.shift() ?? "no" },
      };
    });
    const replies: unknown[] = [];
    for (const more of [{}, {}, { triesLeft: 3 }]) {
      const peer = await newPeer();
      peer.request({ command: "DEL", containerId: "abc", ...more });
      replies.push((await peer.next())?.body);
    }
    expect(seen).toMatchObject([{ canRecord: true }, { canRecord: true }, { canRecord: true }]);
    for (const request of seen) expect(request).not.toHaveProperty("triesLeft");
    expect(replies).toEqual([
      { exitCode: 1, stdout: Buffer.from("{}"), record: true, tell: true },
      { exitCode: 1, stdout: Buffer.from("{}"), record: true },
      { exitCode: 1, stdout: Buffer.from("{}") },
    ]);
  });

  test("brings a request, carries out its orders and gets its reply", async () => {
    let seen: CniRequest | undefined;
    await serve(async (request, executor) => {
      seen = request;
      const { stdout } = await executor.runPlugin({
        plugin: "bridge",
        path: request.path,
        env: { CNI_COMMAND: request.command },
        stdin: request.config,
        timeoutMs: 1000,
      });
      return success(`<${stdout}>`);
    });
    const peer = await newPeer();
    const request = {
      command: "ADD",
      containerId: "abc",
      netns: "/run/netns/x",
      ifName: "eth0",
      args: "K8S_POD_NAME=p",
      path: "/opt/cni/bin",
      config: Buffer.from('{"name":"n"}'),
      traceparent: "00-1-2-01",
    };
    peer.request(request);
    const order = await peer.next();
    expect(order).toMatchObject({ type: FrameType.exec, body: { plugin: "bridge", stdin: request.config } });
    peer.send(FrameType.done, order?.id ?? 0, { exitCode: 0, stdout: Buffer.from("ok"), micros: 10 });
    expect(await peer.reply()).toEqual({ exitCode: 0, stdout: "<ok>" });
    expect(await peer.next()).toBeUndefined();
    expect(seen).toEqual(request);
  });

  test("that sends byte for byte is understood", async () => {
    await serve(succeed);
    const peer = await newPeer();
    const sent: Buffer[] = [];
    const write = vi.spyOn(peer.socket, "write").mockImplementation((bytes) => {
      sent.push(Buffer.from(bytes));
      return true;
    });
    peer.request({});
    write.mockRestore();
    for (const byte of Buffer.concat(sent)) {
      await new Promise((resolve) => peer.socket.write(Buffer.of(byte), resolve));
    }
    expect(await peer.reply()).toEqual({ exitCode: 0, stdout: "{}" });
  });

  test("of another protocol is told both versions and what to restart", async () => {
    const handle = vi.fn(succeed);
    await serve(handle);
    const peer = await newPeer();
    peer.request({}, 2);
    const { exitCode, stdout } = await peer.reply();
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      code: 999,
      msg: expect.stringMatching(
        /\(0\.0\.0-test\) speaks protocol 2, the daemon protocol 1: .*restart the multusd/,
      ),
    });
    expect(handle).not.toHaveBeenCalled();
    expect(await peer.next()).toBeUndefined();
  });

  test.each([
    [
      "is given a plugin's run with the one before it, where its HELLO says that it can wait",
      { after: true },
      1,
    ],
    ["that can wait only by its HELLO's `false` is given it later", { after: false }, undefined],
    ["of the release before, whose HELLO does not say, is given it later", {}, undefined],
  ])("%s", async (_, hello, after) => {
    await serve(async (_request, executor) => {
      const run = { plugin: "a", path: "/p", env: { CNI_COMMAND: "ADD" }, stdin: Buffer.of(), timeoutMs: 0 };
      const token = Symbol("first");
      const outcomes = [executor.runPlugin({ ...run, token }), executor.runPlugin({ ...run, after: token })];
      const printed = (await Promise.all(outcomes)).map(({ stdout }) => String(stdout));
      return success(printed.join());
    });
    const peer = await newPeer();
    peer.request({}, 1, hello);
    expect((await peer.next())?.body).not.toHaveProperty("after");
    const done = (id: number) =>
      peer.send(FrameType.done, id, { exitCode: 0, stdout: Buffer.from(`${id}`), micros: 0 });
    if (after === undefined) done(1);
    const second = await peer.next();
    expect([second?.type, second?.id, second?.body.after]).toEqual([FrameType.exec, 2, after]);
    if (after !== undefined) done(1);
    done(2);
    expect(await peer.reply()).toEqual({ exitCode: 0, stdout: "1,2" });
  });

  test.each([
    ["knows `after` of links", { after: true, linksAfter: true }, 1],
    ["knows it of EXEC only", { after: true }, undefined],
    ["says that it does not", { after: true, linksAfter: false }, undefined],
  ])("whose shim %s is given links with the run before them, or later", async (_, hello, after) => {
    await serve(async (_request, executor) => {
      const run = { plugin: "a", path: "/p", env: { CNI_COMMAND: "DEL" }, stdin: Buffer.of(), timeoutMs: 0 };
      const token = Symbol("first");
      await Promise.all([
        executor.runPlugin({ ...run, token }),
        executor.detachLinks("", [{ ifName: "net1", kind: "macvlan" }], { after: token }),
      ]);
      return success("done");
    });
    const peer = await newPeer();
    peer.request({}, 1, hello);
    await peer.next();
    const done = () => peer.send(FrameType.done, 1, { exitCode: 0, stdout: Buffer.of(), micros: 0 });
    if (after === undefined) done();
    const second = await peer.next();
    expect([second?.type, second?.body.after]).toEqual([FrameType.detachLinks, after]);
    if (after !== undefined) done();
    peer.send(FrameType.done, 2, {});
    expect(await peer.reply()).toEqual({ exitCode: 0, stdout: "done" });
  });

  test("in the role of an agent is refused", async () => {
    await serve(succeed);
    const peer = await newPeer();
    peer.send(FrameType.hello, 0, { protocol: 1, version: "1", role: "agent" });
    expect((await peer.reply()).stdout).toContain('not for role \\"agent\\"');
  });

  test.each([
    ["a REQUEST before the HELLO", FrameType.request, {}, /frame of type 2 has no place here/],
    ["an order", FrameType.exec, {}, /frame of type 16 has no place here/],
    [
      "a HELLO without its protocol",
      FrameType.hello,
      {},
      /field protocol must be an unsigned integer, is missing/,
    ],
    [
      "a HELLO with a text for a number",
      FrameType.hello,
      { protocol: "1" },
      /field protocol must be .*, is text/,
    ],
    [
      "a HELLO with a number for a boolean",
      FrameType.hello,
      { protocol: 1, version: "1", role: "plugin", after: 1 },
      /field after must be a boolean, is 1/,
    ],
  ])("that starts with %s gets an error that says so", async (_, type, body, message) => {
    await serve(succeed);
    const peer = await newPeer();
    peer.send(type, 0, body);
    const { exitCode, stdout } = await peer.reply();
    expect([exitCode, JSON.parse(stdout).msg]).toEqual([1, expect.stringMatching(message)]);
    expect(logged).toMatch(/\[error\] a shim broke the protocol error=/);
  });

  test("that sends garbage in the middle of its request gets an error, and its plugins' runs end", async () => {
    let failed: unknown;
    await serve(async (_, executor) => {
      failed = await executor.linkExists("/n", "i").catch((error: unknown) => error);
      return success();
    });
    const peer = await newPeer();
    peer.request({});
    await peer.next();
    peer.socket.write(Buffer.from("0000000193", "hex"));
    expect((await peer.reply()).stdout).toContain("Unexpected end");
    await vi.waitFor(() => expect(failed).toMatchObject({ code: "gone" }), patience);
  });

  test("that goes away while its request is worked on is gone for the executor", async () => {
    let failed: unknown;
    await serve(async (_, executor: Executor) => {
      failed = await executor.linkExists("/n", "i").catch((error: unknown) => error);
      return success();
    });
    const peer = await newPeer();
    peer.request({});
    await peer.next();
    peer.close();
    await vi.waitFor(() => expect(failed).toBeInstanceOf(ExecutorError), patience);
    expect(failed).toMatchObject({ code: "gone" });
    await vi.waitFor(() => expect(logged).toMatch(/ADD done .*gone=true/), patience);
  });

  test("gets an answer even where the handler has a bug", async () => {
    await serve(async () => {
      throw new TypeError("a bug");
    });
    const peer = await newPeer();
    peer.request({});
    expect(await peer.reply()).toEqual({ exitCode: 1, stdout: '{"code":999,"msg":"internal error: a bug"}' });
    expect(logged).toContain("TypeError: a bug");
    peer.close();
    const next = await newPeer();
    next.request({});
    expect((await next.reply()).exitCode).toBe(1);
  });

  test("gets an error instead of a reply that no frame can hold", async () => {
    await serve(async () => ({ ...success(), stdout: Buffer.alloc(17 * 1024 * 1024) }));
    const peer = await newPeer();
    peer.request({});
    expect((await peer.reply()).stdout).toMatch(/frame of \d+ bytes, at most 16777216/);
  });
});

describe("requests", () => {
  /** Answers when told to. */
  function controlled() {
    const started: string[] = [];
    const finish = new Map<string, () => void>();
    const handle: RequestHandler = async ({ command, containerId }) => {
      const name = `${command} ${containerId}`;
      started.push(name);
      await new Promise<void>((resolve) => finish.set(name, resolve));
      return success(name);
    };
    return { started, handle, finish: (name: string) => finish.get(name)?.() };
  }

  async function bring(command: string, containerId: string): Promise<WirePeer> {
    const peer = await newPeer();
    peer.request({ command, containerId });
    return peer;
  }

  test("are worked on one at a time for each container, in order, a bounded number at once", async () => {
    const { started, handle, finish } = controlled();
    await serve(handle, 2);
    await bring("ADD", "a");
    await vi.waitFor(() => expect(started).toHaveLength(1), patience);
    const second = await bring("DEL", "a");
    await bring("ADD", "b");
    await vi.waitFor(() => expect(started).toEqual(["ADD a", "ADD b"]), patience);
    await bring("ADD", "c");
    await sleep(20);
    await bring("DEL", "d");
    // It came last, and waits for none of them.
    await vi.waitFor(() => expect(started).toEqual(["ADD a", "ADD b", "DEL d"]), patience);
    finish("ADD a");
    await vi.waitFor(() => expect(started.slice(3).sort()).toEqual(["ADD c", "DEL a"]), patience);
    finish("DEL a");
    expect(await second.reply()).toEqual({ exitCode: 0, stdout: "DEL a" });
    for (const name of ["ADD b", "ADD c", "DEL d"]) finish(name);
  });

  test("whose shim went away while they waited are dropped", async () => {
    const { started, handle, finish } = controlled();
    await serve(handle, 1);
    const first = await bring("ADD", "a");
    await vi.waitFor(() => expect(started).toHaveLength(1), patience);
    const dropped = await bring("ADD", "b");
    await sleep(20);
    dropped.close();
    const last = await bring("ADD", "c");
    await sleep(20);
    finish("ADD a");
    await first.reply();
    await vi.waitFor(() => expect(started).toEqual(["ADD a", "ADD c"]), patience);
    finish("ADD c");
    await last.reply();
  });

  test("have their container on every line that is written for them", async () => {
    await serve(async (_request, _executor, log) => {
      log.error("the plan is broken", { problem: "torn" });
      return success();
    });
    for (const containerId of ["abc", ""]) await (await bring("DEL", containerId)).reply();
    const lines = logged.split("\n").filter((line) => line.includes("the plan is broken"));
    expect(lines.map((line) => line.slice(line.indexOf("]")))).toEqual([
      "] the plan is broken container=abc problem=torn",
      "] the plan is broken problem=torn",
    ]);
  });

  test("leave one line each when they are done, with what took how long", async () => {
    await serve(async ({ command }) => {
      const report = newReport();
      report.podNamespace = "default";
      report.podName = "web-1";
      report.networks.push({ name: "default/mv1", ifName: "net1", start: 0, milliseconds: 12.345 });
      report.phases.set("plan", 1.5);
      const error = command === "ADD" ? new CniError(7, "no\nsuch network") : undefined;
      return { ...success(), exitCode: error === undefined ? 0 : 1, report, error };
    });
    for (const command of ["ADD", "DEL"]) await (await bring(command, "abc")).reply();
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
    const times = String.raw`networks=default/mv1@net1:12\.35 queue=[\d.]+ plan=1\.5 total=[\d.]+`;
    const lines = logged.split("\n").filter((line) => line !== "" && !line.includes("[debug]"));
    expect(lines).toEqual([
      expect.stringMatching(
        new RegExp(
          String.raw`^${time} \[error\] ADD failed pod=default/web-1 container=abc ${times} code=7 error="no\\nsuch network"$`,
        ),
      ),
      expect.stringMatching(
        new RegExp(String.raw`^${time} \[verbose\] DEL done pod=default/web-1 container=abc ${times}$`),
      ),
    ]);
  });

  test("say how many networks an order made", async () => {
    await serve(async () => {
      const report = newReport();
      const native = { ifName: "net1", start: 0, milliseconds: 1, isNative: true } as const;
      report.networks.push(
        { name: "a", ...native },
        { name: "b", ifName: "net1", start: 0, milliseconds: 1 },
        { name: "c", ...native },
      );
      return { ...success(), report };
    });
    await (await bring("ADD", "abc")).reply();
    expect(logged).toMatch(
      /\] ADD done container=abc networks=a@net1:1\.00,b@net1:1\.00,c@net1:1\.00 native=2 queue=/,
    );
  });
});

describe("the socket", () => {
  test("is 0600 in a directory of 0700", async () => {
    await serve(succeed);
    expect(statSync(socketPath()).mode & 0o7777).toBe(0o600);
    expect(statSync(socketDir()).mode & 0o7777).toBe(0o700);
    expect(readdirSync(socketDir())).toEqual(["multus.sock"]);
  });

  test("closes a directory of its own to others, and leaves a shared one as it is", async () => {
    mkdirSync(socketDir());
    chmodSync(socketDir(), 0o755);
    const server = await serve(succeed);
    expect(statSync(socketDir()).mode & 0o7777).toBe(0o700);
    await server.stop(0);
    chmodSync(socketDir(), 0o755);
    writeFileSync(join(socketDir(), "other"), "");
    await serve(succeed);
    expect(statSync(socketDir()).mode & 0o7777).toBe(0o755);
  });

  test.each([0o775, 0o1777])("is not put where others could replace it (%o)", async (mode) => {
    mkdirSync(socketDir());
    writeFileSync(join(socketDir(), "other"), "");
    chmodSync(socketDir(), mode);
    await expect(newServer(succeed).listen(socketDir())).rejects.toThrow(/others can write in it/);
    expect(existsSync(socketPath())).toBe(false);
  });

  test("of a daemon that is gone is replaced", async () => {
    mkdirSync(socketDir(), { mode: 0o700 });
    const dead = createServer();
    dead.listen(join(directory.path, "dead"));
    await once(dead, "listening");
    linkSync(join(directory.path, "dead"), socketPath());
    dead.close();
    await once(dead, "close");
    await serve(succeed);
    const peer = await newPeer();
    peer.request({});
    expect((await peer.reply()).exitCode).toBe(0);
    expect(readdirSync(socketDir())).toEqual(["multus.sock"]);
  });

  test("of a daemon that is alive is left to it", async () => {
    await serve(succeed);
    await expect(newServer(succeed).listen(socketDir())).rejects.toThrow(
      `another daemon serves ${socketPath()}`,
    );
    const peer = await newPeer();
    peer.request({});
    expect((await peer.reply()).exitCode).toBe(0);
    expect(readdirSync(socketDir())).toEqual(["multus.sock"]);
  });

  test("goes to exactly one of daemons that start at once", async () => {
    const starts = await Promise.allSettled(
      Array.from({ length: 2 }, () => newServer(succeed).listen(socketDir())),
    );
    expect(starts.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const peer = await newPeer();
    peer.request({});
    expect((await peer.reply()).exitCode).toBe(0);
  });

  test("is not made over a file that is none", async () => {
    mkdirSync(socketDir(), { mode: 0o700 });
    writeFileSync(socketPath(), "precious");
    await expect(newServer(succeed).listen(socketDir())).rejects.toThrow("is there and is no socket");
    expect(statSync(socketPath()).size).toBe(8);
  });

  test("closes connections that speak neither protocol", async () => {
    await serve(succeed);
    const socket = connect(socketPath());
    socket.write(Buffer.from([0x80, 1, 2, 3]));
    await once(socket, "close");
    expect(logged).toContain("speaks neither the protocol nor HTTP firstByte=128");
  });
});

describe("HTTP on the same socket", () => {
  test("says that the daemon lives and is ready", async () => {
    await serve(succeed);
    expect(await get("/healthz")).toEqual({ status: 200, text: "ok\n" });
    expect(await get("/readyz?verbose=1")).toEqual({ status: 200, text: "ok\n" });
    expect((await get("/healthz", "DELETE")).status).toBe(405);
  });

  test("says what there is to those who ask for something else", async () => {
    await serve(succeed);
    expect(await get("/", "POST")).toEqual({
      status: 404,
      text: "there is no /, but POST /cni and /delegate, and GET /healthz, /readyz and /status\n",
    });
    expect((await get("/cni")).status).toBe(405);
    expect((await get("/delegate", "PUT")).status).toBe(405);
  });

  test("answers Go multus's shim, which asks with null whether the daemon is ready", async () => {
    await serve(succeed);
    for (const path of ["/healthz", "/readyz"]) {
      expect(await post(socketPath(), path, "null")).toMatchObject({ status: 200, body: "ok\n" });
    }
  });

  test("brings requests, and takes results and errors back", async () => {
    const seen: CniRequest[] = [];
    await serve(async (request) => {
      seen.push(request);
      const { command } = request;
      if (command === "CHECK") {
        return { ...success('{"cniVersion":"1.0.0","code":42,"msg":"no"}'), exitCode: 1 };
      }
      const result = { cniVersion: "0.3.1", ips: [{ version: "4", address: "10.0.0.2/24" }] };
      return success(command === "ADD" ? JSON.stringify(result) : "");
    });
    const send = (command: string) =>
      post(socketPath(), "/cni", cniBody({ CNI_COMMAND: command, CNI_CONTAINERID: "abc" }, "{}"));
    const added = await send("ADD");
    expect([added.status, JSON.parse(added.body)]).toEqual([
      200,
      { Result: { cniVersion: "1.0.0", ips: [{ address: "10.0.0.2/24" }] } },
    ]);
    expect(added.headers.get("connection")).toBe("close");
    expect(await send("DEL")).toMatchObject({ status: 200, body: "" });
    expect(await send("CHECK")).toMatchObject({
      status: 400,
      body: '{"cniVersion":"1.0.0","code":42,"msg":"no"}',
    });
    expect(seen[0]).toMatchObject({ command: "ADD", containerId: "abc", config: Buffer.from("{}") });
    expect(logged).toMatch(/\[verbose\] ADD done container=abc /);
  });

  test("brings networks to be plugged in", async () => {
    const handleDelegate = vi.fn(async () => success());
    await serve(succeed, undefined, { handleDelegate });
    const body = '{"env":{"CNI_COMMAND":"DEL"},"config":"e30=","interfaceAttributes":{"mac":"x"}}';
    expect(await post(socketPath(), "/delegate", body)).toMatchObject({ status: 200, body: "" });
    expect(handleDelegate).toHaveBeenCalledWith(
      expect.objectContaining({ command: "DEL", attributes: Buffer.from('{"mac":"x"}') }),
      expect.anything(),
      expect.anything(),
      expect.any(Function),
      expect.any(Number),
    );
  });

  test("that makes no sense, or is too large, is refused with what is wrong", async () => {
    const handle = vi.fn(succeed);
    await serve(handle);
    const refused = async (body: string) => {
      const answer = await post(socketPath(), "/cni", body);
      return [answer.status, JSON.parse(answer.body).msg];
    };
    expect(await refused('{"env":')).toEqual([400, expect.stringContaining("line 1, column 8")]);
    expect(await refused("null")).toEqual([400, expect.stringContaining("must be object")]);
    const large = "A".repeat(6 * 1024 * 1024);
    expect(await refused(`{"env":{},"config":"${large}"}`)).toEqual([
      413,
      "the body of the request has more than 6291456 bytes",
    ]);
    expect(await refused(`{"env":{},"config":"${large.slice(0, 6_000_000)}"}`)).toEqual([
      413,
      "config of the request has more than 4194304 bytes",
    ]);
    expect(handle).not.toHaveBeenCalled();
    expect(logged).toContain("[error] a request over HTTP makes no sense path=/cni");
  });

  test("keeps the order of its container, and leaves the line when its client does", async () => {
    const order: string[] = [];
    let finish = () => {};
    await serve(async ({ command, args }) => {
      order.push(`${command} ${args}`);
      if (args === "first") {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      }
      return success();
    });
    const send = (command: string, args: string, signal?: AbortSignal) => {
      const env = { CNI_COMMAND: command, CNI_CONTAINERID: "abc", CNI_ARGS: args };
      return post(socketPath(), "/cni", cniBody(env, "{}"), signal);
    };
    const first = send("ADD", "first");
    await vi.waitFor(() => expect(order).toEqual(["ADD first"]), patience);
    const leaving = new AbortController();
    const second = send("CHECK", "second", leaving.signal).catch(() => "left");
    const third = send("DEL", "third");
    await sleep(50);
    leaving.abort();
    expect(await second).toBe("left");
    await sleep(50);
    finish();
    expect([(await first).status, (await third).status]).toEqual([200, 200]);
    expect(order).toEqual(["ADD first", "DEL third"]);
  });

  test("is counted by path, method and status, and a shim's requests as if they came over it", async () => {
    const httpAnswered = vi.fn();
    const nothing = () => {};
    const observer = { answered: nothing, refused: nothing, delegateRan: nothing, httpAnswered };
    await serve(succeed, undefined, {}, observer);
    await get("/healthz");
    await get("/nothing", "PUT");
    await post(socketPath(), "/cni", "{}");
    await vi.waitFor(() => expect(httpAnswered).toHaveBeenCalledTimes(3), patience);
    const peer = await newPeer();
    peer.request({});
    await peer.reply();
    expect(httpAnswered.mock.calls).toEqual([
      ["/healthz", "GET", 200],
      ["NotFound", "PUT", 404],
      ["/cni", "POST", 400],
      ["/cni", "POST", 200],
    ]);
  });

  test("is told by a daemon that stops to try again for an ADD, and served for a DEL", async () => {
    let finish = () => {};
    let begun = false;
    const server = await serve(async ({ containerId }) => {
      if (containerId === "slow") {
        begun = true;
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      }
      return success();
    });
    const send = (CNI_COMMAND: string, CNI_CONTAINERID: string) =>
      post(socketPath(), "/cni", JSON.stringify({ env: { CNI_COMMAND, CNI_CONTAINERID } }));
    const slow = send("ADD", "slow");
    await vi.waitFor(() => expect(begun).toBe(true), patience);
    const stopped = server.stop(patience);
    const late = await send("ADD", "late");
    expect([late.status, JSON.parse(late.body)]).toEqual([
      400,
      { code: 11, msg: "multusd is stopping; try again" },
    ]);
    expect((await send("DEL", "late")).status).toBe(200);
    finish();
    expect((await slow).status).toBe(200);
    expect(await stopped).toBe(0);
  });

  test("is waited for by a stop, and closed when it does not end in time", async () => {
    let hasBegun = false;
    const server = await serve(() => {
      hasBegun = true;
      return new Promise(() => {});
    });
    const stuck = post(socketPath(), "/cni", cniBody({ CNI_COMMAND: "ADD" }, "{}")).catch(() => "closed");
    await vi.waitFor(() => expect(hasBegun).toBe(true), patience);
    expect(await server.stop(100)).toBe(1);
    expect(await stuck).toBe("closed");
  });

  test("in pieces, and broken, harms nobody", async () => {
    await serve(succeed);
    const socket = connect(socketPath());
    for (const piece of ["G", "ET /heal", "thz HTTP/1.1\r\nHost: x\r\n\r\n"]) {
      socket.write(piece);
      await sleep(5);
    }
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const broken = connect(socketPath());
    broken.write("GET nonsense\r\n\r\n");
    broken.resume();
    await once(broken, "close");
    expect((await get("/healthz")).status).toBe(200);
  });

  test("says while the daemon stops that it is not ready, and lives", async () => {
    let finish = () => {};
    let begun = false;
    const server = await serve(async () => {
      begun = true;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return success();
    });
    const peer = await newPeer();
    peer.request({});
    await vi.waitFor(() => expect(begun).toBe(true), patience);
    const stopped = server.stop(patience);
    expect(await get("/readyz")).toEqual({ status: 500, text: "shutting down\n" });
    expect((await get("/healthz")).status).toBe(200);
    finish();
    expect(await stopped).toBe(0);
  });
});

describe("a server that retires", () => {
  test("has no name any more, and serves to the end who came before", async () => {
    const server = await serve(async (request, executor) => {
      await executor.linkExists(request.netns, request.ifName);
      return success(request.containerId);
    });
    // Accepted, but its request has not come.
    const late = await newPeer();
    const busy = await newPeer();
    busy.request({ containerId: "busy" });
    const order = await busy.next();
    let hasRetired = false;
    const retired = server.retire().then((unfinished) => {
      hasRetired = true;
      return unfinished;
    });
    expect(existsSync(socketPath())).toBe(false);
    await sleep(300);
    late.request({ containerId: "late" });
    const lateOrder = await late.next();
    expect(lateOrder).toMatchObject({ type: FrameType.linkExists });
    late.send(FrameType.done, lateOrder?.id ?? 0, { exists: true });
    expect(await late.reply()).toEqual({ exitCode: 0, stdout: "late" });
    expect(hasRetired).toBe(false);
    busy.send(FrameType.done, order?.id ?? 0, { exists: true });
    expect(await busy.reply()).toEqual({ exitCode: 0, stdout: "busy" });
    expect(await retired).toBe(0);
  });

  test("leaves its name to the next one", async () => {
    const first = await serve(succeed);
    const peer = await newPeer();
    const retired = first.retire();
    await serve(async () => success("next"));
    const next = await newPeer();
    next.request({});
    expect((await next.reply()).stdout).toBe("next");
    peer.request({});
    expect((await peer.reply()).stdout).toBe("{}");
    await retired;
    expect(existsSync(socketPath())).toBe(true);
  });
});

describe("a stop", () => {
  /** A server that stops while an ADD is being worked on. */
  async function stopsWithAnAdd() {
    let finish = () => {};
    let begun = false;
    const server = await serve(async ({ command, containerId }) => {
      if (containerId === "slow") {
        begun = true;
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      }
      return success(`${command} ${containerId}`);
    }, 1);
    const slow = await newPeer();
    slow.request({ containerId: "slow" });
    await vi.waitFor(() => expect(begun).toBe(true), patience);
    const waiting = await newPeer();
    waiting.request({ containerId: "waiting" });
    await sleep(20);
    return { server, slow, waiting, stopped: server.stop(patience), finish: () => finish() };
  }

  test("lets the requests that are there finish, those in line too; the name goes with the last", async () => {
    const { slow, waiting, stopped, finish } = await stopsWithAnAdd();
    expect(existsSync(socketPath())).toBe(true);
    finish();
    expect(await slow.reply()).toEqual({ exitCode: 0, stdout: "ADD slow" });
    expect(await waiting.reply()).toEqual({ exitCode: 0, stdout: "ADD waiting" });
    expect(await stopped).toBe(0);
    await expect(WirePeer.connect(socketPath())).rejects.toThrow("ENOENT");
  });

  test.each(["ADD", "CHECK"])("tells an %s that comes meanwhile to try again", async (command) => {
    const { stopped, finish } = await stopsWithAnAdd();
    const late = await newPeer();
    late.request({ command, containerId: "late", config: Buffer.from('{"cniVersion":"1.0.0"}') });
    const reply = await late.next();
    expect(reply).toMatchObject({ type: FrameType.reply, body: { exitCode: 1, retry: true } });
    expect(JSON.parse(String(reply?.body.stdout))).toEqual({
      cniVersion: "1.0.0",
      code: 11,
      msg: "multusd is stopping; try again",
    });
    // It is not waited for, though it stays connected.
    finish();
    expect(await stopped).toBe(0);
  });

  test.each(["DEL", "GC", "STATUS"])("still serves a %s that comes meanwhile", async (command) => {
    const { stopped, finish } = await stopsWithAnAdd();
    const late = await newPeer();
    late.request({ command, containerId: "late" });
    await sleep(20);
    finish();
    expect(await late.reply()).toEqual({ exitCode: 0, stdout: `${command} late` });
    expect(await stopped).toBe(0);
  });

  test("gives the name away at once where nothing is in the way", async () => {
    const server = await serve(succeed);
    const stopped = server.stop(patience);
    expect(existsSync(socketPath())).toBe(false);
    expect(await stopped).toBe(0);
  });

  test("serves who connected before it, though nobody had taken the connection yet", async () => {
    const server = await serve(succeed);
    const connecting = newPeer();
    const stopped = server.stop(5_000);
    const peer = await connecting;
    peer.request({});
    expect((await peer.reply()).exitCode).toBe(0);
    expect(await stopped).toBe(0);
  });

  test("ends what does not finish in time, and waits for no connection that brought nothing", async () => {
    let hasBegun = false;
    const server = await serve(() => {
      hasBegun = true;
      return new Promise(() => {});
    });
    const idle = await newPeer();
    const stuck = await newPeer();
    stuck.request({});
    await vi.waitFor(() => expect(hasBegun).toBe(true), patience);
    const stopped = server.stop(100);
    expect(await stopped).toBe(1);
    expect([await idle.next(), await stuck.next()]).toEqual([undefined, undefined]);
    const lonely = await serve(succeed);
    await newPeer();
    const start = performance.now();
    expect(await lonely.stop(5_000)).toBe(0);
    expect(performance.now() - start).toBeLessThan(4_900);
  });

  test("leaves the socket of a daemon that came after it", async () => {
    const first = await serve(() => new Promise(() => {}));
    const stuck = await newPeer();
    stuck.request({});
    await sleep(20);
    const stopped = first.stop(200);
    await vi.waitFor(() => expect(existsSync(socketPath())).toBe(false), patience);
    await serve(succeed);
    await stopped;
    const peer = await newPeer();
    peer.request({});
    expect((await peer.reply()).exitCode).toBe(0);
  });
});
