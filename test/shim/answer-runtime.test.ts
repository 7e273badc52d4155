/** The shim's answers to the runtime: the request it relays, what it answers by itself, and one CNI error object whatever goes wrong. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import project from "../../package.json" with { type: "json" };
import { type FrameBody, FrameType, protocolVersion } from "../../src/agent/frames.ts";
import { runCommand } from "../support/command.ts";
import { shims } from "./support/binaries.ts";
import { exec } from "./support/exec-order.ts";
import { hasEnded, untilPolling } from "./support/process-state.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";
import { frameWith } from "./support/shim-stream.ts";

const specVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/** For tests of what is not waited for: a machine that does much else may take as long for other reasons, but not each time. */
const bounded = { retry: 2 };

describe.concurrent.each(shims)("answers of the $name shim", ({ name, binary }) => {
  test("VERSION names the versions of the spec and asks no daemon", async () => {
    const answer = await runCommand([binary], { env: { CNI_COMMAND: "VERSION" }, stdin: "not even JSON" });
    expect(answer.exitCode).toBe(0);
    expect(JSON.parse(answer.stdout.toString())).toEqual({
      cniVersion: "1.1.0",
      supportedVersions: specVersions,
    });
  });

  test("says what it is", async () => {
    for (const option of ["--version", "-v", "-version", "--v", "-version=true", "-v=1"]) {
      const { exitCode, stdout } = await runCommand([binary, option], { env: {} });
      expect(exitCode).toBe(0);
      expect(stdout.toString()).toContain(`multus ${project.version}`);
      expect(stdout.toString()).toContain(specVersions.join(", "));
    }
    for (const option of ["--help", "-help", "-h"]) {
      const help = await runCommand([binary, option], { env: {} });
      expect(help.stdout.toString()).toContain("multus agent --path");
    }
    const plugin = { env: { CNI_COMMAND: "VERSION" } };
    const unset = await runCommand([binary, "-version=false", "--v=0"], plugin);
    expect(JSON.parse(unset.stdout.toString())).toMatchObject({ supportedVersions: specVersions });
    // As libcni's plugins: nothing on stdout, which is for results.
    const bare = await runCommand([binary], { env: {} });
    expect(bare).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(specVersions.join(", ")) });
    expect(bare.stdout).toHaveLength(0);
    for (const argument of ["--wrong", "-versions", "---v", "-version=maybe", "-", "--", "-=", "x", ""]) {
      const wrong = await runCommand([binary, argument], { env: {} });
      expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("unknown argument") });
    }
  });

  test("relays the CNI variables and stdin as they came", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const config = `${daemon.config({ text: "\u00e4\u{1f600}" })}\n\n`;
    const env = {
      CNI_COMMAND: "CHECK",
      CNI_CONTAINERID: "0123456789abcdef".repeat(4),
      CNI_NETNS: "/run/netns/x y",
      CNI_IFNAME: "net1",
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAME=${"p".repeat(300)}`,
      CNI_PATH: `/opt/cni/bin:${"/x".repeat(40_000)}`,
      TRACEPARENT: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    const { outcome } = daemon.run({ env, config });
    const stream = await daemon.accept();
    expect(await stream.next()).toEqual({
      type: FrameType.hello,
      id: 0,
      body: {
        ...{ protocol: protocolVersion, version: project.version, role: "plugin" },
        ...{ after: true, linksAfter: true },
      },
    });
    expect(await stream.next()).toEqual({
      type: FrameType.request,
      id: 0,
      body: {
        command: env.CNI_COMMAND,
        containerId: env.CNI_CONTAINERID,
        netns: env.CNI_NETNS,
        ifName: env.CNI_IFNAME,
        args: env.CNI_ARGS,
        path: env.CNI_PATH,
        traceparent: env.TRACEPARENT,
        pluginDirectories: env.CNI_PATH,
        config: Buffer.from(config),
      },
    });
    stream.reply(0, "");
    expect(await outcome).toMatchObject({ exitCode: 0, stdout: Buffer.alloc(0) });
  });

  test("sends what is unset as empty, and no traceparent", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.run({
      env: {
        CNI_COMMAND: "GC",
        CNI_CONTAINERID: undefined,
        CNI_NETNS: undefined,
        CNI_IFNAME: undefined,
        CNI_ARGS: undefined,
      },
    });
    const stream = await daemon.accept();
    const request = await stream.greet();
    expect(request).toMatchObject({ command: "GC", containerId: "", netns: "", ifName: "", args: "" });
    expect(request).not.toHaveProperty("traceparent");
  });

  test("takes 4 MiB of stdin, and refuses more", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const config = daemon.config().padEnd(4 * 1024 * 1024, " ");
    const { outcome } = daemon.run({ config });
    const stream = await daemon.accept();
    const request = await stream.greet();
    expect(Buffer.from(config).equals(request.config as Buffer)).toBe(true);
    stream.reply(0, Buffer.alloc(5_000_000, "x"));
    expect((await outcome).stdout).toHaveLength(5_000_000);
    const refused = errorOf(await daemon.run({ config: `${config} ` }).outcome);
    expect(refused).toMatchObject({ code: 7, msg: expect.stringContaining("4 MiB") });
  });

  test.each([
    ["ADD", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]],
    ["CHECK", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]],
    ["DEL", ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]],
    ["GC", ["CNI_PATH"]],
    ["STATUS", ["CNI_PATH"]],
  ])("names every variable that %s misses", async (command, missing) => {
    const outcome = await runCommand([binary], { env: { CNI_COMMAND: command } });
    expect(errorOf(outcome)).toEqual({
      code: 4,
      msg: expect.stringMatching(new RegExp(`${command}: ${missing.join(", ")}$`)),
    });
  });

  test.each([
    [{ CNI_COMMAND: "add" }, "unknown CNI_COMMAND"],
    [{ CNI_CONTAINERID: "../x" }, "CNI_CONTAINERID"],
    [{ CNI_CONTAINERID: "a/b" }, "CNI_CONTAINERID"],
    [{ CNI_CONTAINERID: ".a" }, "CNI_CONTAINERID"],
    [{ CNI_IFNAME: "sixteen-bytes-is" }, "CNI_IFNAME"],
    [{ CNI_IFNAME: ".." }, "CNI_IFNAME"],
    [{ CNI_IFNAME: "a/b" }, "CNI_IFNAME"],
    [{ CNI_IFNAME: "a b" }, "CNI_IFNAME"],
    [{ CNI_IFNAME: "eth%d" }, "CNI_IFNAME"],
    [{ CNI_IFNAME: "a:b" }, "CNI_IFNAME"],
  ])("refuses %j before it asks a daemon", async (env, says) => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const error = errorOf(await daemon.run({ env }).outcome);
    expect(error).toMatchObject({ code: 4, msg: expect.stringContaining(says) });
  });

  test("says when stdin cannot be read", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const child = spawn(binary, [], {
      env: { CNI_COMMAND: "STATUS", CNI_PATH: "/x" },
      // A directory: read() says EISDIR.
      stdio: [openSync(daemon.pluginDirectory, "r"), "pipe", "inherit"],
    });
    const [stdout] = await Promise.all([child.stdout?.toArray(), once(child, "close")]);
    expect(JSON.parse(Buffer.concat(stdout ?? []).toString())).toMatchObject({
      code: 5,
      msg: expect.stringMatching(/stdin: Is a directory/),
    });
  });

  test("waits for a daemon as long as the netconf says, then names the socket and what to look at", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const outcome = await daemon.run({ config: daemon.config({ daemonWaitSeconds: 1 }) }).outcome;
    expect(errorOf(outcome)).toEqual({
      cniVersion: "1.0.0",
      code: 11,
      msg: `multusd cannot be reached on ${daemon.socketPath}: No such file or directory`,
      details: expect.stringContaining("kubectl -n kube-system get pods"),
    });
    expect(outcome.milliseconds).toBeGreaterThan(900);
  });

  test.each(["601", "-1", "1.5", '"60"', "[60]"])("refuses daemonWaitSeconds %s", async (value) => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const config = daemon.config().replace("{", `{"daemonWaitSeconds":${value},`);
    expect(errorOf(await daemon.run({ config }).outcome)).toMatchObject({
      code: 7,
      msg: expect.stringContaining("daemonWaitSeconds"),
    });
  });

  test("finds a daemon that comes while it waits, also where a dead one has left its socket", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const dead = spawn(process.execPath, [
      "-e",
      `require("net").createServer().listen(${JSON.stringify(daemon.socketPath)})`,
    ]);
    while (!existsSync(daemon.socketPath)) await sleep(10);
    dead.kill("SIGKILL");
    await once(dead, "close");
    const { outcome, child } = daemon.run();
    await untilPolling(child.pid);
    rmSync(daemon.socketPath);
    await daemon.listen();
    const stream = await daemon.accept();
    await stream.greet();
    stream.reply(0, "{}");
    expect((await outcome).exitCode).toBe(0);
  });

  /** Longer than a test may take: an answer that comes all the same did not wait. */
  const forEver = { daemonWaitSeconds: 600 };

  test("fails at once where the socket cannot be one", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const place = daemon.path("place");
    writeFileSync(place, "");
    const config = daemon.config({ daemonSocketDir: place, ...forEver });
    expect(errorOf(await daemon.run({ config }).outcome)).toMatchObject({
      code: 11,
      msg: expect.stringContaining("Not a directory"),
    });
    mkdirSync(daemon.path("deep"));
    const long = daemon.config({ daemonSocketDir: `${daemon.path("deep")}/${"x".repeat(100)}` });
    expect(errorOf(await daemon.run({ config: long }).outcome)).toMatchObject({
      code: 7,
      msg: expect.stringContaining("too long"),
    });
  });

  test("STATUS does not wait for a daemon, and has a code of its own", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const { outcome } = daemon.run({ env: { CNI_COMMAND: "STATUS" }, config: daemon.config(forEver) });
    expect(errorOf(await outcome)).toMatchObject({
      code: 50,
      msg: expect.stringContaining("cannot be reached"),
    });
  });

  const comeAgain = '{"cniVersion":"1.0.0","code":11,"msg":"multusd is stopping; try again"}';

  test("a daemon that stops sends it to the next one, with the same request", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const config = daemon.config({ padding: "x".repeat(100_000) });
    const { outcome } = daemon.run({ config });
    const requests: FrameBody[] = [];
    for (const _ of ["stopping", "still"]) {
      const stream = await daemon.accept();
      requests.push(await stream.greet());
      stream.reply(1, comeAgain, { retry: true });
    }
    const next = await daemon.accept();
    requests.push(await next.greet());
    expect(requests[0]).toMatchObject({ command: "ADD", config: Buffer.from(config) });
    expect(requests.slice(1)).toEqual([requests[0], requests[0]]);
    next.reply(0, '{"cniVersion":"1.0.0"}', { retry: false });
    expect(await outcome).toMatchObject({ exitCode: 0, stdout: Buffer.from('{"cniVersion":"1.0.0"}') });
  });

  test("no next daemon in that time: what the first one said", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream, outcome } = await daemon.connected({ config: daemon.config({ daemonWaitSeconds: 1 }) });
    daemon.stopListening();
    stream.reply(1, comeAgain, { retry: true });
    const answer = await outcome;
    expect(errorOf(answer)).toEqual(JSON.parse(comeAgain));
    expect(answer.milliseconds).toBeGreaterThan(900);
  });

  test("a daemon that goes on stopping all that time: what it said, and a signal ends the waiting", async () => {
    await using daemon = await ShimDaemon.create(binary);
    let askedAgain: () => void = () => {};
    const always = async (): Promise<void> => {
      for (;;) {
        const stream = await daemon.accept();
        await stream.greet();
        stream.reply(1, comeAgain, { retry: true });
        askedAgain();
      }
    };
    // Ends with the test: no shim connects any more.
    void always();
    const answer = await daemon.run({ config: daemon.config({ daemonWaitSeconds: 1 }) }).outcome;
    expect(errorOf(answer)).toEqual(JSON.parse(comeAgain));
    expect(answer.milliseconds).toBeGreaterThan(900);
    const asked = new Promise<void>((resolve) => {
      askedAgain = resolve;
    });
    const ended = daemon.run({ config: daemon.config(forEver) });
    await asked;
    ended.child.kill("SIGTERM");
    expect(errorOf(await ended.outcome)).toMatchObject({ code: 11 });
  });

  test("a request with an order carried out is not sent to another daemon", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "exit 0");
    const { stream, outcome } = await daemon.connected({ config: daemon.config(forEver) });
    await exec(daemon, stream, "plugin");
    stream.reply(1, comeAgain, { retry: true });
    expect(errorOf(await outcome)).toEqual(JSON.parse(comeAgain));
  });

  test("a REPLY with a wrong `retry` is not the protocol", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream, outcome } = await daemon.connected();
    stream.reply(0, "{}", { retry: "yes" });
    expect(errorOf(await outcome)).toMatchObject({
      code: 999,
      msg: expect.stringContaining("`retry` is not a boolean"),
    });
  });

  test(
    "a daemon that goes away before it answers: what runs may end, no more is begun, CNI error 11",
    bounded,
    async () => {
      await using daemon = await ShimDaemon.create(binary);
      daemon.addPlugin("slow", `echo started >&2; sleep 0.5; touch ${daemon.path("ended")}`);
      daemon.addPlugin("late", `touch ${daemon.path("late")}`);
      const { stream, outcome, child } = await daemon.connected();
      const started = new Promise((resolve) => child.stderr?.once("data", resolve));
      void exec(daemon, stream, "slow");
      await started;
      // It finds order and end together when it goes on.
      child.kill("SIGSTOP");
      await sleep(50);
      void exec(daemon, stream, "late");
      await sleep(50);
      stream.destroy();
      await sleep(50);
      child.kill("SIGCONT");
      expect(errorOf(await outcome)).toMatchObject({
        cniVersion: "1.0.0",
        code: 11,
        msg: `multusd on ${daemon.socketPath} went away before it answered`,
      });
      expect(existsSync(daemon.path("ended"))).toBe(true);
      expect(existsSync(daemon.path("late"))).toBe(false);
      expect((await outcome).milliseconds).toBeLessThan(4900);
    },
  );

  test("a daemon that goes away while a plugin does not end: it is killed after 5 s", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "echo $$ >&2; exec sleep 60");
    const { stream, outcome, child } = await daemon.connected();
    const pid = new Promise<number>((resolve) => child.stderr?.once("data", (data) => resolve(Number(data))));
    void exec(daemon, stream, "plugin");
    const running = await pid;
    stream.destroy();
    const answer = await outcome;
    expect(errorOf(answer).code).toBe(11);
    expect(answer.milliseconds).toBeGreaterThan(4900);
    expect(answer.milliseconds).toBeLessThan(30_000);
    expect(await hasEnded(running, 0)).toBe(true);
  });

  test("a daemon that goes away in the middle of a frame, or before it reads the request", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream, outcome } = await daemon.connected();
    stream.sendBytes(
      frameWith(FrameType.reply, 0, { exitCode: 0, stdout: Buffer.from("{}") }).subarray(0, -1),
    );
    await sleep(50);
    stream.destroy();
    expect(errorOf(await outcome).code).toBe(11);
    const config = daemon.config().padEnd(4_000_000);
    const second = daemon.run({ config });
    const unread = await daemon.accept();
    unread.pause();
    unread.destroy();
    expect(errorOf(await second.outcome).code).toBe(11);
  });

  test("an answer counts though the daemon never read the whole request", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { outcome } = daemon.run({ config: daemon.config().padEnd(4_000_000) });
    const stream = await daemon.accept();
    stream.pause();
    stream.reply(1, '{"code":1,"msg":"other protocol"}');
    expect(errorOf(await outcome)).toEqual({ code: 1, msg: "other protocol" });
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "%s: the plugin that runs may end, no further one is begun, CNI error 11",
    async (signal) => {
      await using daemon = await ShimDaemon.create(binary);
      const ended = daemon.path("ended");
      daemon.addPlugin("plugin", `echo runs >&2; sleep 0.3; echo "$CNI_IFNAME" >> ${ended}`);
      const { stream, outcome, child } = await daemon.connected();
      const runs = new Promise((resolve) => child.stderr?.once("data", resolve));
      void exec(daemon, stream, "plugin", { env: { CNI_COMMAND: "ADD", CNI_IFNAME: "first" } });
      await runs;
      child.kill(signal);
      await sleep(50);
      void exec(daemon, stream, "plugin", { env: { CNI_COMMAND: "ADD", CNI_IFNAME: "second" } });
      expect(errorOf(await outcome)).toMatchObject({ code: 11, msg: expect.stringContaining("signal") });
      expect(readFileSync(ended, "utf8")).toBe("first\n");
    },
  );

  test.each([1, 2])(
    "a plugin that does not end is killed after %d signals, with all that it has started",
    bounded,
    async (signals) => {
      await using daemon = await ShimDaemon.create(binary);
      daemon.addPlugin("plugin", "sleep 60 & echo $$ $! >&2; wait");
      const { stream, outcome, child } = await daemon.connected();
      const pids = new Promise<string>((resolve) =>
        child.stderr?.once("data", (data) => resolve(String(data))),
      );
      void exec(daemon, stream, "plugin");
      const running = (await pids).trim().split(" ").map(Number);
      const begun = performance.now();
      child.kill("SIGTERM");
      let isOver = false;
      const ending = outcome.finally(() => {
        isOver = true;
      });
      // One that comes before the shim has seen the first is the same signal to it.
      while (signals > 1 && !isOver) {
        child.kill("SIGTERM");
        await sleep(50);
      }
      expect(errorOf(await ending)).toMatchObject({ code: 11, msg: expect.stringContaining("signal") });
      if (signals === 1) expect(performance.now() - begun).toBeGreaterThan(4900);
      else expect(performance.now() - begun).toBeLessThan(4900);
      for (const pid of running) expect(await hasEnded(pid, 30_000)).toBe(true);
    },
  );

  test("a signal while it reads stdin or waits for a daemon", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const waiting = daemon.run({ config: daemon.config(forEver) });
    await untilPolling(waiting.child.pid);
    waiting.child.kill("SIGTERM");
    expect(errorOf(await waiting.outcome)).toMatchObject({
      code: 11,
      msg: expect.stringContaining("signal"),
    });
    const child = spawn(binary, [], {
      env: { CNI_COMMAND: "STATUS", CNI_PATH: "/x" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    await untilPolling(child.pid);
    child.kill("SIGTERM");
    const [stdout] = await Promise.all([child.stdout.toArray(), once(child, "close")]);
    expect(JSON.parse(Buffer.concat(stdout).toString())).toMatchObject({ code: 11 });
  });

  test("works where the runtime gives it no stderr, or a stdout that nobody reads", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "echo noise >&2; echo result");
    const { outcome } = runWithout(daemon, binary, "2>&-");
    const stream = await daemon.accept();
    await stream.greet();
    expect(await exec(daemon, stream, "plugin")).toMatchObject({ exitCode: 0 });
    stream.reply(0, "{}");
    expect((await outcome).exitCode).toBe(0);
    const unread = await daemon.connected();
    unread.child.stdout?.destroy();
    await sleep(20);
    unread.stream.reply(0, "{}");
    expect((await unread.outcome).exitCode).toBe(1);
  });

  test("takes the netconf's keys in any case, as Go does", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const config = '{"CniVersion":"0.4.0","DAEMONSOCKETDIR":"relative"}';
    const { outcome } = daemon.run({ config });
    expect(errorOf(await outcome)).toMatchObject({ cniVersion: "0.4.0", code: 7, details: "relative" });
  });

  test.each([
    '{"cniVersion":"0.4.0","CNIVersion":"0.3.1","daemonSocketDir":"own","DaemonSocketDir":"/other"}',
    '{"CNIVersion":"0.3.1","cniVersion":"0.4.0","DaemonSocketDir":"/other","daemonSocketDir":"own"}',
    '{"CNIVersion":"0.3.1","CNIVERSION":"0.4.0","cniVersion":null,"DaemonSocketDir":"/other","DAEMONSOCKETDIR":"own"}',
  ])("takes the key that is written exactly, else the last that is not null: %s", async (config) => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    expect(errorOf(await daemon.run({ config }).outcome)).toMatchObject({
      cniVersion: "0.4.0",
      code: 7,
      details: "own",
    });
  });

  test("finds the strings that it needs in any netconf, and repeats any text in an error", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const texts = fc.string({
      unit: fc.oneof(
        fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
        fc.constantFrom('"', "\\", "\n", "\u0001"),
      ),
    });
    const versions = fc.oneof(fc.constantFrom("0.3.1", "1.1.0", ""), fc.string({ maxLength: 20 }));
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(texts, fc.jsonValue({ maxDepth: 4 })),
        versions,
        texts.filter(
          (text) => text !== "" && !text.startsWith("/") && !text.includes("\0") && text.isWellFormed(),
        ),
        fc.boolean(),
        async (others, cniVersion, daemonSocketDir, indented) => {
          // A relative directory is refused, and said back: so what was read can be seen.
          const netconf = {
            ...others,
            cniVersion,
            nested: { daemonSocketDir: "no", cniVersion: "no" },
            daemonSocketDir,
          };
          const outcome = await daemon.run({ config: JSON.stringify(netconf, undefined, indented ? 2 : 0) })
            .outcome;
          expect(errorOf(outcome)).toEqual({
            ...(cniVersion === "" || Buffer.byteLength(cniVersion) > 31 ? {} : { cniVersion }),
            code: 7,
            msg: expect.stringContaining("not an absolute path"),
            details: daemonSocketDir,
          });
        },
      ),
      { numRuns: name === "release" ? 300 : 60 },
    );
  });
});

/** Starts a shim by a shell that closes a descriptor first. */
function runWithout(
  daemon: ShimDaemon,
  binary: string,
  redirection: string,
): { outcome: Promise<{ exitCode: number }> } {
  return {
    outcome: runCommand(["sh", "-c", `exec "$0" ${redirection}`, binary], {
      env: { CNI_COMMAND: "STATUS", CNI_PATH: daemon.pluginDirectory, PATH: process.env.PATH },
      stdin: daemon.config(),
    }),
  };
}
