/** A DEL that no daemon answers: recorded durably and once, within bounds, whatever happens in between; and what the netconf may say about it. */

import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { type CommandOutcome, runCommand } from "../support/command.ts";
import { shims } from "./support/binaries.ts";
import { exec } from "./support/exec-order.ts";
import { isRoot } from "./support/links.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";
import { encodeRecord, recordBody, Spool } from "./support/spool.ts";

const del = { CNI_COMMAND: "DEL", CNI_NETNS: "" };

/** A node without daemon. */
const noDaemon = (binary: string) => ShimDaemon.create(binary, { listening: false });

/** Longer than a test may take: an answer that comes all the same did not wait. */
const forEver = { daemonWaitSeconds: 600 };

/** A netconf whose socket cannot be there: nothing is waited for. */
function awayConfig(daemon: ShimDaemon, extra: Readonly<Record<string, unknown>> = {}): string {
  const place = daemon.path("no-directory");
  writeFileSync(place, "");
  return daemon.config({ daemonSocketDir: place, ...extra });
}

/** Puts a link to a file of somebody else where the record is written. @returns that file's path */
function linkInPlace(daemon: ShimDaemon, spool: Spool): string {
  const other = daemon.path("other");
  writeFileSync(other, "precious");
  mkdirSync(spool.directory, { recursive: true });
  linkSync(other, spool.path(".recording"));
  return other;
}

function expectRecorded(outcome: CommandOutcome, daemon: ShimDaemon): void {
  expect(outcome).toMatchObject({ exitCode: 0, stdout: Buffer.alloc(0) });
  expect(outcome.stderr).toContain(`this DEL is recorded in ${daemon.cniDir}/.spool`);
}

describe.concurrent.each(shims)("a DEL without daemon, $name shim", ({ binary }) => {
  test("is recorded with all that the runtime said, for the owner only, and succeeds without waiting", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    const config = `${daemon.config({ text: "\u00e4\u{1f600}", ...forEver })}\n\n`;
    const before = Date.now();
    const outcome = await daemon.run({
      env: {
        ...del,
        CNI_CONTAINERID: "0123456789abcdef".repeat(4),
        CNI_NETNS: "/run/netns/not there",
        CNI_IFNAME: "net1",
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAME=${"p".repeat(300)}`,
        TRACEPARENT: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      },
      config,
    }).outcome;
    expectRecorded(outcome, daemon);
    expect(outcome.stderr).toContain(`multusd cannot be reached on ${daemon.socketPath}: No such file`);
    expect(spool.records()).toEqual([
      {
        command: "DEL",
        containerId: "0123456789abcdef".repeat(4),
        netns: "/run/netns/not there",
        ifName: "net1",
        args: `IgnoreUnknown=1;K8S_POD_NAME=${"p".repeat(300)}`,
        path: daemon.pluginDirectory,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        bootId: "",
        netnsDevice: 0,
        netnsInode: 0,
        netnsCookie: 0,
        config: Buffer.from(config),
      },
    ]);
    const [name = ""] = spool.names();
    const [time = "", tries, id] = name.split("-");
    expect([tries, id]).toEqual(["00", "0123456789abcdef".repeat(4)]);
    expect(Number(time) / 1000).toBeGreaterThanOrEqual(before);
    expect(Number(time) / 1000).toBeLessThanOrEqual(Date.now());
    expect(statSync(spool.path(name)).mode & 0o7777).toBe(0o600);
    expect(statSync(spool.directory).mode & 0o7777).toBe(0o700);
  });

  test("is recorded once, however often the runtime repeats it, also when its namespace is gone by then", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    const calls = [
      { ...del, CNI_NETNS: "/run/netns/x" },
      { ...del, CNI_NETNS: "/run/netns/x" },
      { ...del, TRACEPARENT: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
      { ...del, CNI_IFNAME: "eth1" },
      { ...del, CNI_CONTAINERID: "container2" },
      { ...del, CNI_ARGS: "A=other" },
      { ...del, CNI_CONTAINERID: "container3", CNI_ARGS: "IgnoreUnknown=1;A=b;C=;A=b" },
      // As containerd, which writes them in any order.
      { ...del, CNI_CONTAINERID: "container3", CNI_ARGS: "A=b;C=;A=b;IgnoreUnknown=1" },
      { ...del, CNI_CONTAINERID: "container3", CNI_ARGS: "A=b;C=;C=;IgnoreUnknown=1;" },
      { ...del, CNI_NETNS: "/run/netns/y" },
    ];
    for (const env of calls)
      expectRecorded(await daemon.run({ env, config: awayConfig(daemon) }).outcome, daemon);
    expect(
      spool.records().map(({ containerId, ifName, args, netns }) => [containerId, ifName, args, netns]),
    ).toEqual([
      ["container1", "eth0", "A=b", "/run/netns/x"],
      ["container1", "eth1", "A=b", ""],
      ["container2", "eth0", "A=b", ""],
      ["container1", "eth0", "A=other", ""],
      ["container3", "eth0", "IgnoreUnknown=1;A=b;C=;A=b", ""],
      ["container3", "eth0", "A=b;C=;C=;IgnoreUnknown=1;", ""],
      ["container1", "eth0", "A=b", "/run/netns/y"],
    ]);
  });

  test("delOnDaemonDown: fail, ignore, and a word that the daemon would not take", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    const [failed, ignored, misspelt] = await Promise.all(
      ["fail", "ignore", "Spool?"].map(
        (delOnDaemonDown) =>
          daemon.run({ env: del, config: daemon.config({ delOnDaemonDown, ...forEver }) }).outcome,
      ),
    );
    if (failed === undefined || ignored === undefined || misspelt === undefined) throw new Error("three");
    expect(errorOf(failed)).toMatchObject({ code: 11, msg: expect.stringContaining("cannot be reached") });
    expect(ignored).toMatchObject({ exitCode: 0, stdout: Buffer.alloc(0) });
    expect(ignored.stderr).toContain("this DEL is ignored");
    expectRecorded(misspelt, daemon);
    expect(spool.records().map(({ config }) => JSON.parse(String(config)).delOnDaemonDown)).toEqual([
      "Spool?",
    ]);
  });

  test("is recorded where the daemon does not read what it is sent, for ten seconds; one that reads is waited for, and an ADD waits", async () => {
    // More than a socket takes: whatever of it has been read by then.
    const more = { text: "x".repeat(3_000_000) };
    const unread = async () => {
      await using daemon = await ShimDaemon.create(binary);
      const { outcome } = daemon.run({ env: del, config: daemon.config(more) });
      (await daemon.accept()).pause();
      expectRecorded(await outcome, daemon);
      expect((await outcome).stderr).toContain("hangs: it does not read what it is sent");
      expect((await outcome).milliseconds).toBeGreaterThan(9_900);
      expect(new Spool(daemon.cniDir).records()).toMatchObject([{ containerId: "container1" }]);
    };
    const unreadDone = async () => {
      await using daemon = await ShimDaemon.create(binary);
      daemon.addPlugin("plugin", "sleep 0.3; head -c 3000000 /dev/zero");
      const { stream, outcome } = await daemon.connected({ env: del });
      void exec(daemon, stream, "plugin");
      stream.pause();
      expectRecorded(await outcome, daemon);
    };
    const failing = async () => {
      await using daemon = await ShimDaemon.create(binary);
      const config = daemon.config({ ...more, delOnDaemonDown: "fail" });
      const { outcome } = daemon.run({ env: del, config });
      (await daemon.accept()).pause();
      expect(errorOf(await outcome)).toMatchObject({ code: 11, msg: expect.stringContaining("hangs") });
    };
    const asking = async () => {
      await using daemon = await ShimDaemon.create(binary);
      const { outcome } = daemon.run({ env: { CNI_COMMAND: "STATUS" }, config: daemon.config(more) });
      (await daemon.accept()).pause();
      expect(errorOf(await outcome)).toMatchObject({ code: 50, msg: expect.stringContaining("hangs") });
    };
    const inLine = async () => {
      await using daemon = await ShimDaemon.create(binary);
      const { stream, outcome } = await daemon.connected({ env: del });
      await sleep(12_000);
      stream.reply(0, "");
      expect(await outcome).toMatchObject({ exitCode: 0, stderr: "" });
      expect(existsSync(daemon.cniDir)).toBe(false);
    };
    const inPlugin = async () => {
      await using daemon = await ShimDaemon.create(binary);
      daemon.addPlugin("plugin", "exec sleep 12");
      const { stream, outcome } = await daemon.connected({ env: del });
      const done = exec(daemon, stream, "plugin", { timeoutMs: 60_000 });
      stream.pause();
      await sleep(12_500);
      stream.resume();
      expect(await done).toMatchObject({ exitCode: 0 });
      stream.reply(0, "");
      expect(await outcome).toMatchObject({ exitCode: 0, stderr: "" });
    };
    const adding = async () => {
      await using daemon = await ShimDaemon.create(binary);
      const { outcome } = daemon.run({ config: daemon.config(more) });
      const stream = await daemon.accept();
      stream.pause();
      await sleep(12_000);
      stream.resume();
      await stream.greet();
      stream.reply(0, "{}");
      expect(await outcome).toMatchObject({ exitCode: 0, stderr: "" });
    };
    await Promise.all([unread(), unreadDone(), failing(), asking(), inLine(), inPlugin(), adding()]);
  });

  test("other commands are not recorded", async () => {
    await using daemon = await noDaemon(binary);
    const outcomes = await Promise.all(
      ["ADD", "CHECK", "GC", "STATUS"].map(
        (command) => daemon.run({ env: { CNI_COMMAND: command }, config: awayConfig(daemon) }).outcome,
      ),
    );
    expect(outcomes.map((outcome) => errorOf(outcome).code)).toEqual([11, 11, 11, 50]);
    expect(existsSync(daemon.cniDir)).toBe(false);
  });

  test("is recorded where the daemon goes away before it answers, not where it answers or a signal comes", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const left = await daemon.connected({ env: del });
    left.stream.destroy();
    expectRecorded(await left.outcome, daemon);
    expect((await left.outcome).stderr).toContain("went away before it answered");
    const stays = await daemon.replay();
    const refused = await daemon.connected({ env: { ...del, CNI_CONTAINERID: "refused" } });
    refused.stream.reply(1, '{"code":11,"msg":"later"}');
    expect(errorOf(await refused.outcome).code).toBe(11);
    expect(spool.records()).toMatchObject([{ containerId: "container1", netns: "" }]);
    for (const name of spool.names()) rmSync(spool.path(name));
    stays.stream.reply(0, "");
    await vi.waitFor(() => expect(daemon.staying).toEqual([]), { timeout: 50_000 });
    const ended = await daemon.connected({ env: { ...del, CNI_CONTAINERID: "ended" } });
    ended.child.kill("SIGTERM");
    expect(errorOf(await ended.outcome).code).toBe(11);
    expect(spool.names()).toEqual([]);
  });

  test("that fails is recorded where the daemon says so, with a try that counts, and the runtime is told success", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const failed = '{"code":100,"msg":"Link not found"}';
    const first = await daemon.connected({ env: del });
    first.stream.reply(1, failed, { record: true });
    expect(await first.outcome).toMatchObject({ exitCode: 0, stdout: Buffer.alloc(0) });
    expect((await first.outcome).stderr).toContain(`is recorded in ${daemon.cniDir}/.spool`);
    const recorded = [expect.stringMatching(/^\d{16}-01-container1$/)];
    expect(spool.names()).toEqual(recorded);
    expect(spool.records()).toMatchObject([{ command: "DEL", args: "A=b" }]);
    // A process stays for it, which the daemon tells when to ask again.
    (await daemon.replay()).stream.reply(0, "", { againMs: 1_200_000 });
    // A runtime that repeats it is answered itself.
    const second = await daemon.connected({ env: del });
    second.stream.reply(1, failed, { record: true });
    expect((await second.outcome).exitCode).toBe(0);
    expect(spool.names()).toEqual(recorded);
    // The daemon decides what is to be done of the record before or after another DEL.
    const other = await daemon.connected({ env: { ...del, CNI_ARGS: "A=other" } });
    other.stream.reply(0, "");
    expect((await other.outcome).exitCode).toBe(0);
    expect(spool.names()).toEqual(recorded);
  });

  test("that fails is recorded and told to the runtime, where the daemon says both", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream, outcome } = await daemon.connected({ env: del });
    stream.reply(1, '{"code":100,"msg":"Link not found"}', { record: true, tell: true });
    expect(errorOf(await outcome)).toMatchObject({ code: 100, msg: "Link not found" });
    expect((await outcome).stderr).toContain(`is recorded in ${daemon.cniDir}/.spool`);
    expect(new Spool(daemon.cniDir).names()).toEqual([expect.stringMatching(/^\d{16}-01-container1$/)]);
  });

  test("that fails and cannot be recorded is the error that it was; so is an ADD, whatever a daemon says", async () => {
    await using daemon = await ShimDaemon.create(binary);
    mkdirSync(daemon.cniDir);
    writeFileSync(join(daemon.cniDir, ".spool"), "");
    for (const env of [del, {}]) {
      const { stream, outcome } = await daemon.connected({ env });
      stream.reply(1, '{"code":100,"msg":"Link not found"}', { record: true });
      expect(errorOf(await outcome)).toMatchObject({ code: 100, msg: "Link not found" });
      if (env === del) expect((await outcome).stderr).toContain("cannot be recorded in");
    }
    const { stream, outcome } = await daemon.connected({ env: { ...del, CNI_CONTAINERID: "done" } });
    stream.reply(0, "", { record: true });
    expect((await outcome).exitCode).toBe(0);
  });

  test("is recorded where a daemon that stops leaves it to one that does not come", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream, outcome } = await daemon.connected({ env: del });
    daemon.stopListening();
    stream.reply(1, '{"code":11,"msg":"stopping"}', { retry: true });
    expectRecorded(await outcome, daemon);
    expect((await outcome).stderr).toContain("is stopping");
  });

  test("cannot be recorded: CNI error 11 says why, and nothing is left", async () => {
    await using daemon = await noDaemon(binary);
    const elsewhere = daemon.path("elsewhere");
    mkdirSync(elsewhere);
    mkdirSync(daemon.path("linked"));
    symlinkSync(elsewhere, `${daemon.path("linked")}/.spool`);
    mkdirSync(daemon.path("file"));
    writeFileSync(`${daemon.path("file")}/.spool`, "");
    const cases: readonly (readonly [string, string, object?])[] = [
      [daemon.path("linked"), "Not a directory"],
      [daemon.path("file"), "Not a directory"],
      ["/proc/no/place", "No such file or directory"],
      [daemon.path("long"), "too long", { CNI_CONTAINERID: "x".repeat(240) }],
    ];
    const outcomes = cases.map(([cniDir, , env]) =>
      daemon.run({ env: { ...del, ...env }, config: awayConfig(daemon, { cniDir }) }),
    );
    for (const [index, { outcome }] of outcomes.entries()) {
      const [cniDir, why] = cases[index] ?? [];
      const error = errorOf(await outcome);
      expect(error).toMatchObject({ code: 11, msg: expect.stringContaining("cannot be reached") });
      expect(error.details).toMatch(new RegExp(`in ${cniDir}/.spool either: .*${why}`));
    }
    expect(readdirSync(elsewhere)).toEqual([]);
    expect(new Spool(daemon.path("long")).names()).toEqual([]);
    const relative = await daemon.run({ env: del, config: awayConfig(daemon, { cniDir: "here" }) }).outcome;
    expect(errorOf(relative)).toMatchObject({
      code: 7,
      msg: expect.stringContaining("cniDir"),
      details: "here",
    });
  });

  test("over 4096 files or 64 MiB: CNI error 11, what is set aside counted", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    for (let file = 1; file < 4096; file++) spool.write(`failed-${file}`, "");
    expectRecorded(await daemon.run({ env: del, config: awayConfig(daemon) }).outcome, daemon);
    const further = { ...del, CNI_CONTAINERID: "further" };
    const full = errorOf(await daemon.run({ env: further, config: awayConfig(daemon) }).outcome);
    expect(full).toMatchObject({ code: 11, details: expect.stringContaining("4096 files or 64 MiB") });
    expect(spool.names()).toHaveLength(4096);
    // A DEL that is recorded already adds nothing.
    expectRecorded(await daemon.run({ env: del, config: awayConfig(daemon) }).outcome, daemon);
    const large = new Spool(daemon.path("large"));
    large.write("failed-1", "");
    truncateSync(large.path("failed-1"), 64 * 1024 * 1024 - 100);
    const config = awayConfig(daemon, { cniDir: daemon.path("large") });
    expect(errorOf(await daemon.run({ env: further, config }).outcome).code).toBe(11);
    expect(large.names()).toEqual(["failed-1"]);
  });

  test.skipIf(!isRoot)("on a full disk: CNI error 11, nothing torn is left, and room is enough", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    mkdirSync(daemon.cniDir);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", daemon.cniDir]);
    try {
      const config = awayConfig(daemon, { text: "x".repeat(100_000) });
      const full = errorOf(await daemon.run({ env: del, config }).outcome);
      expect(full).toMatchObject({ code: 11, details: expect.stringContaining("No space left on device") });
      expect(spool.names()).toEqual([]);
      expectRecorded(await daemon.run({ env: del, config: awayConfig(daemon) }).outcome, daemon);
      expect(spool.records()).toHaveLength(1);
    } finally {
      execFileSync("umount", ["--lazy", daemon.cniDir]);
    }
  });

  test("fifty at once are fifty records, each whole, and twice the same is one", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    const names = Array.from({ length: 100 }, (_, index) => `container${index % 50}`);
    const outcomes = await Promise.all(
      names.map(
        (name) => daemon.run({ env: { ...del, CNI_CONTAINERID: name }, config: awayConfig(daemon) }).outcome,
      ),
    );
    for (const outcome of outcomes) expectRecorded(outcome, daemon);
    expect(
      spool
        .records()
        .map(({ containerId }) => containerId)
        .sort(),
    ).toEqual(names.slice(0, 50).sort());
  });

  test("comes after all that are there, though the clock was set back, and survives a file that is no record", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    const later = spool.add(9_000_000_000_000_000, { containerId: "later" });
    spool.write("1700000000000000-00-container1", "torn");
    spool.write("something else", "");
    // A shim that was killed left this, longer than the record that comes now.
    spool.write(".recording", "x".repeat(100_000));
    const outcome = await daemon.run({ env: del, config: awayConfig(daemon) }).outcome;
    expectRecorded(outcome, daemon);
    // The daemon sets it aside.
    expect(spool.names()).toEqual([
      "1700000000000000-00-container1",
      later,
      "9000000000000001-00-container1",
      "something else",
    ]);
    spool.write("9999999999999999-00-last", encodeRecord(recordBody({ containerId: "last" })));
    const none = errorOf(
      await daemon.run({ env: { ...del, CNI_IFNAME: "eth1" }, config: awayConfig(daemon) }).outcome,
    );
    expect(none).toMatchObject({ code: 11, details: expect.stringContaining("no name") });
  });

  test("does not write through a link to another file", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    const other = linkInPlace(daemon, spool);
    expectRecorded(await daemon.run({ env: del, config: awayConfig(daemon) }).outcome, daemon);
    expect(readFileSync(other, "utf8")).toBe("precious");
    expect(spool.records()).toHaveLength(1);
  });

  test("a signal while it waits for the daemon's answer is an error, as it always was", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { child, outcome } = await daemon.connected({ env: del });
    child.kill("SIGTERM");
    expect(errorOf(await outcome)).toMatchObject({ code: 11, msg: expect.stringContaining("signal") });
    expect(existsSync(daemon.cniDir)).toBe(false);
  });
});

describe.concurrent("at each step of recording", () => {
  const [{ binary } = { binary: "" }] = shims;
  /** Everything that the shim does to the disk, in order; the first fsync is the file's when the directories are there. */
  const steps = [
    "flock:when=1",
    "ftruncate:when=1",
    "write:when=1",
    "fsync:when=1",
    "renameat:when=1",
    "fsync:when=2",
  ];

  /** Runs the shim with a fault at a step. strace sees more than one spelling of renameat. */
  function runWithFault(daemon: ShimDaemon, step: string, fault: string): Promise<CommandOutcome> {
    const [call = "", when = ""] = step.split(":");
    const set = call === "renameat" ? "/^renameat" : call;
    return runCommand(
      ["strace", "-qq", "-o", daemon.path("trace"), "-e", `inject=${set}:${fault}:${when}`, binary],
      {
        env: {
          ...del,
          CNI_CONTAINERID: "container1",
          CNI_IFNAME: "eth0",
          CNI_PATH: daemon.pluginDirectory,
          PATH: process.env.PATH,
        },
        stdin: awayConfig(daemon),
      },
    );
  }

  test.each(steps)(
    "%s: killed, there is a whole record or none, and one after the runtime has tried again",
    async (step) => {
      await using daemon = await noDaemon(binary);
      const spool = new Spool(daemon.cniDir);
      mkdirSync(spool.directory, { recursive: true });
      const killed = await runWithFault(daemon, step, "signal=KILL");
      expect(killed).toMatchObject({ exitCode: 128 + 9, stdout: Buffer.alloc(0) });
      const left = spool.names().filter((name) => name !== ".recording");
      expect(left.length).toBe(step === "fsync:when=2" ? 1 : 0);
      const again = await runCommand([binary], {
        env: { ...del, CNI_CONTAINERID: "container1", CNI_IFNAME: "eth0", CNI_PATH: daemon.pluginDirectory },
        stdin: awayConfig(daemon),
      });
      expectRecorded(again, daemon);
      expect(spool.records()).toMatchObject([{ containerId: "container1", ifName: "eth0" }]);
    },
  );

  test.each(steps)("%s: fails, CNI error 11 and nothing half written", async (step) => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    mkdirSync(spool.directory, { recursive: true });
    const failed = await runWithFault(daemon, step, "error=EIO");
    expect(errorOf(failed)).toMatchObject({
      code: 11,
      details: expect.stringContaining("Input/output error"),
    });
    // Once it has its name it is whole, and done once too often at the worst.
    expect(spool.records().length).toBe(step === "fsync:when=2" ? 1 : 0);
  });

  test("the file in its place cannot be removed: CNI error 11", async () => {
    await using daemon = await noDaemon(binary);
    const spool = new Spool(daemon.cniDir);
    const other = linkInPlace(daemon, spool);
    const failed = await runWithFault(daemon, "unlinkat", "error=EPERM");
    expect(errorOf(failed)).toMatchObject({
      code: 11,
      details: expect.stringContaining("cannot remove what is in the place"),
    });
    expect(readFileSync(other, "utf8")).toBe("precious");
  });
});
