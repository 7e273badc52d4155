/** `multus probe`: the answers of a daemon, of another server, and of a socket without a server, each within the time limit. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { FrameType, protocolVersion } from "../../src/agent/frames.ts";
import { Admission } from "../../src/daemon/admission.ts";
import { RequestLine } from "../../src/daemon/request-line.ts";
import { RequestLoggers } from "../../src/daemon/request-loggers.ts";
import { DaemonServer } from "../../src/daemon/server.ts";
import { Loggers } from "../../src/log/loggers.ts";
import { type CommandOutcome, runCommand } from "../support/command.ts";
import { httpServices } from "../support/http-services.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { shims } from "./support/binaries.ts";
import { ShimDaemon } from "./support/shim-daemon.ts";
import { frameWith } from "./support/shim-stream.ts";

const probe = (binary: string, socketDir: string, question: string, ...options: string[]) =>
  runCommand([binary, "probe", question, "--socket-dir", socketDir, ...options], { env: {} });

const said = ({ exitCode, stdout, stderr }: CommandOutcome) => [exitCode, stdout.toString(), stderr];

/** A daemon's server that has nothing to serve. */
async function serverIn(directory: string, notReady: () => string | undefined): Promise<DaemonServer> {
  const server = new DaemonServer(
    new RequestLine({
      admission: new Admission(16),
      loggers: new RequestLoggers(new Loggers(() => {}), {}),
    }),
    { ...httpServices(), notReady },
  );
  await server.listen(directory);
  return server;
}

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe.each(shims)("a probe by the $name shim", ({ binary }) => {
  test("says that a daemon lives and is ready, or why it is not, as one line", async () => {
    using scratch = new ScratchDirectory("probe");
    let problem: string | undefined;
    const server = await serverIn(scratch.path, () => problem);
    closing.push(() => server.stop(0));
    for (const question of ["live", "ready", "startup"]) {
      expect(said(await probe(binary, scratch.path, question))).toEqual([0, `${question}: ok\n`, ""]);
    }
    problem = "no runtime configuration in /x:\nwaiting\u001b[31m for a file";
    expect(said(await probe(binary, scratch.path, "ready"))).toEqual([
      1,
      "ready: no runtime configuration in /x: waiting [31m for a file\n",
      "",
    ]);
    // It lives all the same.
    for (const question of ["live", "startup"]) {
      expect(said(await probe(binary, scratch.path, question))).toEqual([0, `${question}: ok\n`, ""]);
    }
    problem = "x".repeat(100_000);
    const { stdout } = await probe(binary, scratch.path, "ready");
    expect(stdout.length).toBeLessThan(1_100);
    expect(stdout.toString()).toMatch(/^ready: x+… \(100000 characters\)\n$/);
  });

  test("comes through where others fill the daemon's connections and say nothing", async () => {
    using scratch = new ScratchDirectory("probe");
    const server = await serverIn(scratch.path, () => undefined);
    closing.push(() => server.stop(0));
    const silent: Socket[] = [];
    closing.push(() => {
      for (const socket of silent) socket.destroy();
    });
    for (let index = 0; index < 400; index++) {
      const socket = connect(join(scratch.path, "multus.sock")).on("error", () => {});
      silent.push(socket);
      await once(socket, "connect");
    }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => probe(binary, scratch.path, "live", "--timeout", "30")),
    );
    expect(answers.map(({ exitCode }) => exitCode)).toEqual(answers.map(() => 0));
  });

  test("says within its time that nobody serves the socket, or that a daemon which does hangs", async () => {
    using scratch = new ScratchDirectory("probe");
    expect(said(await probe(binary, scratch.path, "live"))).toEqual([
      1,
      `live: multusd on ${scratch.path}/multus.sock cannot be reached: No such file or directory\n`,
      "",
    ]);
    // It takes connections, and is stopped: as a process whose event loop stands still.
    const listener = spawn(
      process.execPath,
      [
        "-e",
        'require("node:net").createServer().listen(process.argv[1], () => process.stdout.write("x"))',
        join(scratch.path, "multus.sock"),
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    closing.push(() => listener.kill("SIGKILL"));
    await once(listener.stdout, "data");
    listener.kill("SIGSTOP");
    const began = performance.now();
    expect(said(await probe(binary, scratch.path, "live", "--timeout", "1"))).toEqual([
      1,
      `live: multusd on ${scratch.path}/multus.sock does not answer in time: it hangs, is stopped, or the node has no processor for it\n`,
      "",
    ]);
    expect(performance.now() - began).toBeLessThan(10_000);
    // Where even the line of those who wait to connect is full.
    const waiting: Socket[] = [];
    closing.push(() => {
      for (const socket of waiting) socket.destroy();
    });
    for (let index = 0; index < 1_000; index++) {
      waiting.push(connect(join(scratch.path, "multus.sock")).on("error", () => {}));
    }
    const full = await probe(binary, scratch.path, "live", "--timeout", "1");
    expect(full.exitCode).toBe(1);
    expect(full.stdout.toString()).toMatch(/ does not (answer|take connections) in time: it hangs/);
  });

  test.each<[string, Buffer, RegExp]>([
    ["an order", frameWith(FrameType.exec, 1, { plugin: "x" }), /answers with something that is no REPLY/],
    ["a REPLY with a wrong body", frameWith(FrameType.reply, 0, { exitCode: 300 }), /is no REPLY/],
    ["no protocol", Buffer.from([0, 0, 0, 1, 0xc1]), /answers with something that is not the protocol/],
    ["HTTP", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), /not the protocol|more than a line/],
    [
      "more than a line",
      frameWith(FrameType.reply, 0, { exitCode: 0, stdout: Buffer.alloc(5_000, "x") }),
      /answers with more than a line/,
    ],
    ["a frame of 16 MiB, announced", Buffer.from([1, 0, 0, 0]), /answers with more than a line/],
  ])("takes %s for no answer", async (_, bytes, text) => {
    await using daemon = await ShimDaemon.create(binary);
    const shim = daemon.run({ args: ["probe", "live", "--socket-dir", daemon.socketDirectory] });
    const stream = await daemon.accept();
    expect((await stream.next())?.body).toMatchObject({
      protocol: protocolVersion,
      role: "probe",
      question: "live",
    });
    stream.sendBytes(bytes);
    const { exitCode, stdout } = await shim.outcome;
    expect([exitCode, stdout.toString()]).toEqual([1, expect.stringMatching(text)]);
  });

  test("reads an answer that comes in pieces, and takes a daemon that closes for one that went away", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const args = ["probe", "ready", "--socket-dir", daemon.socketDirectory];
    const inPieces = daemon.run({ args });
    const stream = await daemon.accept();
    await stream.next();
    for (const byte of frameWith(FrameType.reply, 0, { exitCode: 0, stdout: Buffer.from("ok") })) {
      stream.sendBytes(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(said(await inPieces.outcome)).toEqual([0, "ready: ok\n", ""]);
    const left = daemon.run({ args });
    const closed = await daemon.accept();
    await closed.next();
    closed.destroy();
    expect((await left.outcome).stdout.toString()).toMatch(/went away before it answered/);
  });

  test.each([
    [[], /probe needs live, ready or startup/],
    [["lively"], /probe needs live, ready or startup/],
    [["live", "--socket-dir"], /an option of probe has no value/],
    [["live", "--socket-dir", "run"], /--socket-dir is not an absolute path/],
    [["live", "--timeout", "0"], /--timeout is not a whole number of seconds from 1 to 60/],
    [["live", "--timeout", "61"], /--timeout is not/],
    [["live", "--timeout", "-1"], /--timeout is not/],
    [["live", "--timeout", "1s"], /--timeout is not/],
    [["live", "--port", "80"], /probe has the options/],
  ])("is refused with %j", async (args, text) => {
    const { exitCode, stdout, stderr } = await runCommand([binary, "probe", ...args], { env: {} });
    expect([exitCode, stdout.length, stderr]).toEqual([2, 0, expect.stringMatching(text)]);
  });

  test("has a path that is too long told as such", async () => {
    const outcome = await probe(binary, `/${"x".repeat(200)}`, "live");
    expect(said(outcome)).toEqual([1, expect.stringContaining("cannot be reached: File name too long"), ""]);
  });
});

test("a daemon refuses a question that it does not know, and a probe that asks none", async () => {
  using scratch = new ScratchDirectory("probe");
  const server = await serverIn(scratch.path, () => undefined);
  closing.push(() => server.stop(0));
  for (const [body, text] of [
    [{ question: "well" }, "a probe asks for live, ready, startup, not for"],
    [{}, "field question must be text, is missing"],
  ] as const) {
    const socket = connect(join(scratch.path, "multus.sock"));
    socket.write(frameWith(FrameType.hello, 0, { protocol: 1, version: "1", role: "probe", ...body }));
    const pieces: Buffer[] = [];
    for await (const piece of socket) pieces.push(piece as Buffer);
    expect(Buffer.concat(pieces).toString()).toContain(text);
  }
});
