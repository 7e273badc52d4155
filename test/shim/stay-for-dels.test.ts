/** The process that stays while recorded DELs wait: which one starts it, whom it asks and when, what it may run, and how it ends. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import type { FrameBody } from "../../src/agent/frames.ts";
import { type CommandOutcome, runCommand, runOrThrow } from "../support/command.ts";
import { Namespace } from "../support/namespace.ts";
import { OnDemandHost } from "../support/on-demand-host.ts";
import { session, sessionVariable } from "../support/session.ts";
import { endStayingBelow, stayingBelow } from "../support/staying.ts";
import { shims } from "./support/binaries.ts";
import { exec, stdoutOf } from "./support/exec-order.ts";
import { isRoot } from "./support/links.ts";
import { isRunning } from "./support/process-state.ts";
import { ShimDaemon } from "./support/shim-daemon.ts";
import type { ShimStream } from "./support/shim-stream.ts";
import { Spool } from "./support/spool.ts";

const status = { CNI_COMMAND: "STATUS" };
const del = { CNI_COMMAND: "DEL", CNI_NETNS: "" };
const patience = { timeout: 30_000, interval: 10 };
/** The longest that a daemon has it sleep. */
const long = { againMs: 1_200_000 };
/** Milliseconds below which it never asks again. */
const leastPause = 1_000;

const noneStays = (daemon: ShimDaemon) => vi.waitFor(() => expect(daemon.staying).toEqual([]), patience);

/** A netconf whose socket cannot be there: a DEL is recorded at once. */
function awayConfig(daemon: ShimDaemon): string {
  const place = daemon.path("no-directory");
  writeFileSync(place, "");
  return daemon.config({ daemonSocketDir: place });
}

/** Removes all that is recorded. */
function clear(spool: Spool): void {
  for (const name of spool.names()) rmSync(spool.path(name), { recursive: true });
}

/** Has a call reach the daemon. @returns the question of the process that it has started */
async function started(daemon: ShimDaemon): Promise<{ stream: ShimStream; request: FrameBody; pid: number }> {
  const call = await daemon.connected({ env: status });
  call.stream.reply(0, "");
  const replay = await daemon.replay();
  await call.outcome;
  const [pid = 0, ...more] = daemon.staying;
  expect(more).toEqual([]);
  return { ...replay, pid };
}

/** A shim under strace with a fault in the process that it starts. @returns the shim's outcome, once both have ended */
function runWithFault(
  daemon: ShimDaemon,
  binary: string,
  ...faults: readonly string[]
): Promise<CommandOutcome> {
  const trace = [
    "strace",
    "-f",
    "-qq",
    "-o",
    daemon.path("trace"),
    ...faults.flatMap((fault) => ["-e", fault]),
  ];
  return runCommand([...trace, binary], {
    env: { ...status, CNI_PATH: daemon.pluginDirectory, PATH: process.env.PATH },
    stdin: daemon.config(),
  });
}

describe.concurrent.each(shims)("the process that stays for recorded DELs, $name shim", ({ binary }) => {
  test("is started by a call of whatever kind, once its answer is out: the runtime does not wait", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    for (const command of ["STATUS", "GC", "ADD", "CHECK", "DEL"]) {
      spool.add(1);
      const { outcome, stream } = await daemon.connected({ env: { CNI_COMMAND: command } });
      expect(daemon.staying).toEqual([]);
      stream.reply(command === "CHECK" ? 1 : 0, `{"answer":"to ${command}"}`);
      const replay = await daemon.replay();
      // The call has ended, though its question waits for an answer.
      expect((await outcome).stdout.toString()).toBe(`{"answer":"to ${command}"}`);
      expect(replay.request).toEqual({
        cniDir: daemon.cniDir,
        path: daemon.pluginDirectory,
        // The same as those of the call.
        pluginDirectories: `${daemon.pluginDirectory}:/opt/cni/bin`,
      });
      expect(daemon.staying).toHaveLength(1);
      clear(spool);
      replay.stream.reply(0, "");
      await noneStays(daemon);
    }
  });

  test("is not started where nothing waits: no directory, an empty one, what is hidden or set aside", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const nothing: readonly (() => void)[] = [
      () => undefined,
      () => mkdirSync(spool.directory, { recursive: true }),
      () => spool.write("failed-0000000000000001-79-x", ""),
      () => spool.write("broken-anything", ""),
      () => spool.write(".recording", "half"),
      // Nothing is behind a link that leads elsewhere.
      () => {
        renameSync(spool.directory, daemon.path("elsewhere"));
        writeFileSync(daemon.path("elsewhere/0000000000000001-00-x"), "");
        symlinkSync(daemon.path("elsewhere"), spool.directory);
      },
    ];
    for (const prepare of nothing) {
      prepare();
      const { stream, outcome } = await daemon.connected({ env: status });
      stream.reply(0, "");
      expect((await outcome).exitCode).toBe(0);
      expect(daemon.staying).toEqual([]);
    }
  });

  test("is started by a call that reaches no daemon, and by one that fails", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const spool = new Spool(daemon.cniDir);
    for (const command of ["STATUS", "DEL", "ADD"]) {
      spool.add(1);
      const config = daemon.config({ daemonWaitSeconds: 0, delOnDaemonDown: "fail" });
      expect((await daemon.run({ env: { CNI_COMMAND: command }, config }).outcome).exitCode).toBe(1);
      const [pid = 0, ...more] = daemon.staying;
      expect(more).toEqual([]);
      process.kill(pid, "SIGTERM");
      await noneStays(daemon);
    }
  });

  test("has nothing of the call's", async () => {
    await using daemon = await ShimDaemon.create(binary);
    new Spool(daemon.cniDir).add(1);
    const shim = spawn(binary, [], {
      env: {
        CNI_COMMAND: "STATUS",
        CNI_PATH: daemon.pluginDirectory,
        PATH: process.env.PATH,
        [sessionVariable]: session,
      },
      // A further pipe that the runtime forgot to close.
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      cwd: daemon.pluginDirectory,
    });
    const closed = once(shim, "close");
    shim.stdout?.resume();
    shim.stderr?.resume();
    const forgotten = shim.stdio[3];
    if (forgotten === null || forgotten === undefined || !("resume" in forgotten)) throw new Error("no pipe");
    forgotten.resume();
    shim.stdin?.end(daemon.config());
    const call = await daemon.accept();
    await call.greet();
    call.reply(0, "");
    await daemon.replay();
    await closed;
    const [pid = 0, ...more] = daemon.staying;
    expect(more).toEqual([]);
    const descriptors = [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(descriptors).toEqual(["/dev/null", "/dev/null", "/dev/null"]);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
    // proc(5): session, behind the state, parent and process group.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]).toBe(String(pid));
  });

  test("waits for a daemon that comes: started by the DEL that is recorded", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const spool = new Spool(daemon.cniDir);
    expect((await daemon.run({ env: del }).outcome).exitCode).toBe(0);
    expect(daemon.staying).toHaveLength(1);
    await daemon.listen();
    const { stream, request } = await daemon.replay();
    expect(request).toMatchObject({ cniDir: daemon.cniDir });
    clear(spool);
    stream.reply(0, "");
    await noneStays(daemon);
  });

  test("sleeps as long as the daemon says, and asks again", async () => {
    await using daemon = await ShimDaemon.create(binary);
    new Spool(daemon.cniDir).add(1);
    const { stream } = await started(daemon);
    const asked = performance.now();
    stream.reply(0, "", { againMs: 2_500 });
    await daemon.replay();
    expect(performance.now() - asked).toBeGreaterThan(2_400);
  });

  test("wakes for a record that is new or that a person names so again, not for what the daemon renames", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const first = spool.add(1);
    const { stream } = await started(daemon);
    stream.reply(0, "", long);
    const failed = `failed-${first}`;
    renameSync(spool.path(first), spool.path("0000000000000001-06-recorded"));
    spool.add(2);
    renameSync(spool.path("0000000000000001-06-recorded"), spool.path(failed));
    let woken = false;
    const asked = daemon.replay().finally(() => {
      woken = true;
    });
    await sleep(2 * leastPause);
    expect(woken).toBe(false);
    expect((await daemon.run({ env: del, config: awayConfig(daemon) }).outcome).exitCode).toBe(0);
    (await asked).stream.reply(0, "", long);
    renameSync(spool.path(failed), spool.path(first));
    (await daemon.replay()).stream.reply(0, "", long);
    expect(daemon.staying).toHaveLength(1);
  });

  test("asks at most once a second, however fast a daemon gone bad makes and renames files", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1);
    const { stream, pid } = await started(daemon);
    stream.reply(0, "", long);
    let asked = 0;
    const end = performance.now() + 4 * leastPause;
    let next = daemon.replay();
    while (performance.now() < end) {
      spool.write("x", "");
      renameSync(spool.path("x"), spool.path("y"));
      rmSync(spool.path("y"));
      const came = await Promise.race([next, sleep(1)]);
      if (came === undefined) continue;
      asked++;
      came.stream.reply(0, "", { againMs: 0 });
      next = daemon.replay();
    }
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThanOrEqual(5);
    // proc(5): user and system time, in ticks of 10 ms.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [user, system] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
      .map(Number);
    expect((user ?? 0) + (system ?? 0)).toBeLessThan(100);
  });

  /** A daemon's behaviour, and the milliseconds of the two pauses that follow. Those of failures grow. */
  const pauses: readonly (readonly [string, number, (stream: ShimStream) => void])[] = [
    ["says that nothing waits, where something does", 3_000, (stream) => stream.reply(0, "")],
    ["says at once", 2_000, (stream) => stream.reply(0, "", { againMs: 0 })],
    [
      "refuses it, as one from before",
      3_000,
      (stream) => stream.reply(1, '{"code":999,"msg":"role replay"}'),
    ],
    ["is stopping", 3_000, (stream) => stream.reply(1, '{"code":11,"msg":"stopping"}', { retry: true })],
    ["closes at once", 3_000, (stream) => stream.destroy()],
    [
      "does not speak the protocol",
      3_000,
      (stream) => stream.sendBytes(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")),
    ],
    ["says a time of more than 32 bits", 3_000, (stream) => stream.reply(0, "", { againMs: 2 ** 32 })],
  ];
  test.each(pauses)(
    "a daemon that %s is asked again, and not at once",
    async (_what, milliseconds, answer) => {
      await using daemon = await ShimDaemon.create(binary);
      new Spool(daemon.cniDir).add(1);
      const { stream, pid } = await started(daemon);
      const answered = performance.now();
      answer(stream);
      answer((await daemon.replay()).stream);
      await daemon.replay();
      expect(performance.now() - answered).toBeGreaterThan(milliseconds - 100);
      expect(daemon.staying).toEqual([pid]);
    },
  );

  test("ends when the daemon says that nothing waits, whatever is set aside", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const name = spool.add(1);
    const { stream } = await started(daemon);
    renameSync(spool.path(name), spool.path(`failed-${name}`));
    spool.write(".recording", "half");
    stream.reply(0, "");
    await noneStays(daemon);
  });

  const ways: readonly (readonly [string, (spool: Spool, daemon: ShimDaemon) => void])[] = [
    ["the records", (spool) => clear(spool)],
    ["their directory", (spool) => rmSync(spool.directory, { recursive: true })],
    [
      "their directory, by another name",
      (spool, daemon) => {
        rmSync(daemon.path("moved"), { recursive: true, force: true });
        renameSync(spool.directory, daemon.path("moved"));
      },
    ],
  ];
  test.each(ways)("ends without a further question when somebody takes away %s", async (_what, take) => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1);
    const { stream, pid } = await started(daemon);
    stream.reply(0, "", long);
    expect(await stream.next()).toBeUndefined();
    take(spool, daemon);
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), patience);
    // Where no daemon is there it sees that too, and a new directory has a process of its own.
    daemon.stopListening();
    spool.add(1);
    await daemon.run({ env: status }).outcome;
    const [second = 0] = daemon.staying;
    take(spool, daemon);
    await vi.waitFor(() => expect(isRunning(second)).toBe(false), patience);
  });

  test("is one, though ten calls come at once", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1);
    const calls = await Promise.all(Array.from({ length: 10 }, () => daemon.connected({ env: status })));
    for (const { stream } of calls) stream.reply(0, "");
    const { stream } = await daemon.replay();
    for (const { outcome } of calls) expect((await outcome).exitCode).toBe(0);
    expect(daemon.staying).toHaveLength(1);
    clear(spool);
    stream.reply(0, "");
    await noneStays(daemon);
    // Connections come in order: had another process asked meanwhile, its question would be the next one.
    const next = await daemon.connected({ env: status });
    next.stream.reply(0, "");
    expect((await next.outcome).exitCode).toBe(0);
  });

  test("loses no record that comes while others are replayed, or just as the last one is", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    for (let time = 1; time <= 10; time++) spool.add(time, { containerId: `old${time}` });
    const done: string[] = [];
    const replay = async (stream: ShimStream): Promise<void> => {
      for (const name of spool.names().filter((one) => /^\d/.test(one))) {
        done.push(name.slice("0000000000000000-00-".length));
        rmSync(spool.path(name));
        await sleep(5);
      }
      // It does not know what is recorded since it has looked.
      stream.reply(0, "");
    };
    const answer = async (stream: ShimStream): Promise<void> => {
      const hello = await stream.next();
      const request = await stream.next();
      if (hello?.body.role === "replay") await replay(stream);
      else if (request?.body.command === "DEL")
        stream.reply(1, '{"code":100,"msg":"busy"}', { record: true });
      else stream.reply(0, "");
    };
    const serve = async (): Promise<void> => {
      for (;;) void answer(await daemon.accept());
    };
    void serve();
    await daemon.run({ env: status }).outcome;
    const names = Array.from({ length: 20 }, (_, index) => `new${index}`);
    for (const id of names) {
      const call = daemon.run({ env: { ...del, CNI_CONTAINERID: id } });
      expect(await call.outcome).toMatchObject({
        exitCode: 0,
        stderr: expect.stringContaining("is recorded in"),
      });
    }
    await vi.waitFor(() => expect(spool.names()).toEqual([]), patience);
    expect(done.sort()).toEqual([...names, ...Array.from({ length: 10 }, (_, i) => `old${i + 1}`)].sort());
    await noneStays(daemon);
  });

  test("runs plugins from the directories of the call that has started it, and from no others", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const evil = daemon.path("evil");
    const ran = daemon.path("ran");
    daemon.addPlugin("plugin", `echo "$CNI_CONTAINERID $MULTUS_DELEGATE" >> ${ran}`);
    await runOrThrow(["cp", "-r", daemon.pluginDirectory, evil]);
    new Spool(daemon.cniDir).add(1, { path: evil, config: Buffer.from(JSON.stringify({ binDir: evil })) });
    const { stream } = await started(daemon);
    expect(await exec(daemon, stream, "plugin", { path: evil })).toMatchObject({ error: "refused" });
    for (const containerId of ["recorded", "another"]) {
      const env = { CNI_COMMAND: "DEL", CNI_CONTAINERID: containerId };
      expect(await exec(daemon, stream, "plugin", { env })).toMatchObject({ exitCode: 0 });
    }
    expect(readFileSync(ran, "utf8")).toBe("recorded 1\nanother 1\n");
  });

  test("ends in order when it is told to, asleep or with a plugin that runs, and leaves all", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const ran = daemon.path("ran");
    daemon.addPlugin("slow", `echo >> ${ran}; sleep 0.5; echo >> ${ran}`);
    const name = spool.add(1);
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      const asleep = await started(daemon);
      asleep.stream.reply(0, "", long);
      process.kill(asleep.pid, signal);
      await noneStays(daemon);
    }
    const busy = await started(daemon);
    void exec(daemon, busy.stream, "slow");
    await vi.waitFor(() => expect(existsSync(ran)).toBe(true), patience);
    process.kill(busy.pid, "SIGTERM");
    await noneStays(daemon);
    expect(readFileSync(ran, "utf8")).toBe("\n\n");
    expect(spool.names()).toEqual([name]);
  });

  test("killed at any moment: its plugins are gone, and the next call starts another", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    const place = daemon.path("pid");
    daemon.addPlugin("slow", `echo $$ >${place}.new && mv ${place}.new ${place}; exec sleep 60`);
    spool.add(1);
    const { stream, pid } = await started(daemon);
    void exec(daemon, stream, "slow", { timeoutMs: 60_000 });
    await vi.waitFor(() => expect(existsSync(place)).toBe(true), patience);
    const plugin = Number(readFileSync(place, "utf8"));
    expect(isRunning(plugin)).toBe(true);
    process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(isRunning(plugin)).toBe(false), patience);
    await noneStays(daemon);
    const second = await started(daemon);
    expect(second.pid).not.toBe(pid);
    expect(spool.names()).toHaveLength(1);
  });
});

describe.concurrent("the process that stays, where the kernel or the daemon does not do its part:", () => {
  const [{ binary } = { binary: "" }] = shims;

  test("a daemon that takes its question and does not read is left after 10 s, and asked again", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const spool = new Spool(daemon.cniDir);
    await daemon.run({ env: del }).outcome;
    const server = createServer({ pauseOnConnect: true });
    let connections = 0;
    const sockets: { destroy(): void }[] = [];
    server.on("connection", (socket) => {
      connections++;
      sockets.push(socket);
    });
    server.listen(daemon.socketPath);
    await once(server, "listening");
    try {
      await vi.waitFor(() => expect(connections).toBe(1), patience);
      const asked = performance.now();
      await vi.waitFor(() => expect(connections).toBe(2), { timeout: 40_000, interval: 10 });
      expect(performance.now() - asked).toBeGreaterThan(10_000 + leastPause - 100);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
    clear(spool);
    await noneStays(daemon);
  });

  test("without inotify it looks every 15 s, and is not busy meanwhile", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1);
    const ended = runWithFault(daemon, binary, "inject=inotify_init1:error=EMFILE");
    const call = await daemon.accept();
    await call.greet();
    call.reply(0, "");
    (await daemon.replay()).stream.reply(0, "", long);
    const asked = performance.now();
    (await daemon.replay()).stream.reply(0, "", long);
    expect(performance.now() - asked).toBeGreaterThan(14_000);
    expect(performance.now() - asked).toBeLessThan(30_000);
    clear(spool);
    await ended;
    expect(daemon.staying).toEqual([]);
  });

  test("one that finds the lock taken relies on the one that has it, which looks once more when it is free", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const spool = new Spool(daemon.cniDir);
    spool.add(1);
    // Between the daemon's answer and the end: half a second in which the lock is still taken.
    const ended = runWithFault(daemon, binary, "inject=flock:delay_enter=500000:when=1");
    const call = await daemon.accept();
    await call.greet();
    call.reply(0, "");
    const { stream } = await daemon.replay();
    clear(spool);
    stream.reply(0, "");
    expect(await stream.next()).toBeUndefined();
    expect((await daemon.run({ env: del, config: awayConfig(daemon) }).outcome).exitCode).toBe(0);
    const { stream: again } = await daemon.replay();
    expect(daemon.staying).toHaveLength(1);
    clear(spool);
    again.reply(0, "");
    await ended;
  });

  test("a daemon that runs on demand is started for it, and is no zombie afterwards", async () => {
    using host = new OnDemandHost({ plugin: binary, idleExitSeconds: 1 });
    const spool = new Spool(host.cniDir);
    try {
      // The call's own start fails, and perhaps the first one of the process.
      const fails = host.addProgram(
        "fails",
        `test -e ${host.directory.path}/may || exit 1; exec '${host.command[0]}'`,
      );
      const netconf = host.netconf({ daemonCommand: [fails], delOnDaemonDown: "spool" });
      (await host.call("DEL", "c1", netconf)).expectSuccess();
      expect(spool.names()).toHaveLength(1);
      const [pid = 0] = stayingBelow(host.directory.path);
      expect(pid).toBeGreaterThan(0);
      host.directory.write("may", "");
      await vi.waitFor(() => expect(host.starts).toHaveLength(1), patience);
      await vi.waitFor(() => expect(existsSync(host.socket)).toBe(true), patience);
      // Its parent is the process that stays.
      const [started = 0] = host.starts;
      const status = readFileSync(`/proc/${started}/status`, "utf8");
      expect(status).toContain(`PPid:\t${pid}\n`);
      await vi.waitFor(() => expect(existsSync(`/proc/${started}`)).toBe(false), patience);
    } finally {
      await endStayingBelow(host.directory.path);
      for (const one of host.running) process.kill(one, "SIGKILL");
    }
  });
});

/** The identity of a namespace, as the daemon has it from a record. */
type LeftNetns = Readonly<Record<"bootId" | "device" | "inode" | "cookie", unknown>>;

/** The CNI_NETNS that a plugin finds whose DEL names a path and the namespace that was there. */
async function netnsGiven(
  daemon: ShimDaemon,
  stream: ShimStream,
  netns: string,
  leftNetns: LeftNetns,
): Promise<string> {
  daemon.addPlugin("tells", 'printf "%s" "$CNI_NETNS"');
  const env = { CNI_COMMAND: "DEL", CNI_CONTAINERID: "container1", CNI_NETNS: netns };
  return stdoutOf(await exec(daemon, stream, "tells", { env, leftNetns }));
}

/** Has a DEL of this namespace recorded. @returns which one it was, by the record */
async function recordedNetns(daemon: ShimDaemon, netns: string): Promise<LeftNetns> {
  const spool = new Spool(daemon.cniDir);
  clear(spool);
  const call = daemon.run({ env: { CNI_COMMAND: "DEL", CNI_NETNS: netns }, config: awayConfig(daemon) });
  expect((await call.outcome).exitCode).toBe(0);
  const [{ bootId, netnsDevice: device, netnsInode: inode, netnsCookie: cookie } = {}] = spool.records();
  return { bootId, device, inode, cookie };
}

describe.runIf(isRoot).each(shims)("the namespace of a recorded DEL, $name shim", ({ binary }) => {
  /** Streams whose orders may name it: a replay's, and those of an ADD and a DEL of the container. */
  const askers: Readonly<Record<string, (daemon: ShimDaemon) => Promise<ShimStream>>> = {
    replay: async (daemon) => (await started(daemon)).stream,
    ADD: async (daemon) => (await daemon.connected()).stream,
    DEL: async (daemon) => (await daemon.connected({ env: del })).stream,
  };
  test.each(Object.entries(askers))(
    "is given to a plugin, in orders of %s, only as long as its path leads to the same one and nothing runs in it",
    async (_asker, connect) => {
      await using daemon = await ShimDaemon.create(binary);
      await using pod = await Namespace.create("pod");
      await using other = await Namespace.create("other");
      const left = await recordedNetns(daemon, pod.path);
      expect(left).toMatchObject({ inode: statSync(pod.path).ino });
      expect(left.bootId).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
      expect(Number(left.cookie)).toBeGreaterThan(0);
      // The process of the recorded DEL itself asks a socket that is not there.
      await endStayingBelow(daemon.cniDir);
      const stream = await connect(daemon);
      const given = (netns: string, over: Partial<LeftNetns> = {}) =>
        netnsGiven(daemon, stream, netns, { ...left, ...over });
      expect(await given(pod.path)).toBe(pod.path);
      // As the daemon writes integers of 64 bits.
      expect(await given(pod.path, { cookie: BigInt(Number(left.cookie)) })).toBe(pod.path);
      expect(await given(other.path)).toBe("");
      expect(await given("/nonexistent")).toBe("");
      expect(await given("/proc/1/ns/net")).toBe("");
      expect(await given(pod.path, { cookie: Number(left.cookie) + 1 })).toBe("");
      expect(await given(pod.path, { cookie: 0 })).toBe("");
      expect(await given(pod.path, { inode: Number(left.inode) + 1 })).toBe("");
      expect(await given(pod.path, { device: Number(left.device) + 1 })).toBe("");
      expect(await given(pod.path, { bootId: "00000000-0000-0000-0000-000000000000" })).toBe("");
      expect(await given(pod.path, { bootId: "" })).toBe("");
      const link = daemon.path("link");
      symlinkSync(pod.path, link);
      expect(await given(link)).toBe("");
      const running = spawn("ip", ["netns", "exec", pod.name, "sh", "-c", "echo; exec sleep 3600"], {
        env: { ...process.env, [sessionVariable]: session },
        stdio: ["ignore", "pipe", "ignore"],
      });
      try {
        await once(running.stdout, "data");
        expect(await given(pod.path)).toBe("");
        expect(await given(`/proc/${running.pid}/ns/net`)).toBe("");
      } finally {
        running.kill("SIGKILL");
      }
      await once(running, "close");
      expect(await given(pod.path)).toBe(pod.path);
      // A runtime leaves an ordinary file where a namespace was.
      const place = daemon.path("netns");
      writeFileSync(place, "");
      await runOrThrow(["mount", "--bind", pod.path, place]);
      try {
        expect(await given(place)).toBe(place);
        await runOrThrow(["umount", place]);
        expect(await given(place)).toBe("");
        await runOrThrow(["mount", "--bind", other.path, place]);
        expect(await given(place)).toBe("");
      } finally {
        await runCommand(["umount", "--lazy", place]);
      }
    },
  );

  test("is not the host's, nor that of another container in a call", async () => {
    await using daemon = await ShimDaemon.create(binary);
    await using pod = await Namespace.create("pod");
    const left = await recordedNetns(daemon, "/proc/thread-self/ns/net");
    const podLeft = await recordedNetns(daemon, pod.path);
    await endStayingBelow(daemon.cniDir);
    const { stream } = await daemon.connected({ env: del });
    expect(await netnsGiven(daemon, stream, "/proc/self/ns/net", left)).toBe("");
    const env = { CNI_COMMAND: "DEL", CNI_CONTAINERID: "another", CNI_NETNS: pod.path };
    expect(await exec(daemon, stream, "tells", { env, leftNetns: podLeft })).toMatchObject({
      error: "refused",
      message: expect.stringContaining("not the container of the runtime's call"),
    });
  });
});

describe.runIf(isRoot)("a kernel that has no cookies of namespaces", () => {
  const [{ binary } = { binary: "" }] = shims;

  test("knows an inode that is used again from no other: a plugin gets none", async () => {
    await using daemon = await ShimDaemon.create(binary);
    await using pod = await Namespace.create("pod");
    const left = await recordedNetns(daemon, pod.path);
    await endStayingBelow(daemon.cniDir);
    const ended = runWithFault(daemon, binary, "inject=getsockopt:error=ENOPROTOOPT");
    const call = await daemon.accept();
    await call.greet();
    call.reply(0, "");
    const { stream } = await daemon.replay();
    expect(await netnsGiven(daemon, stream, pod.path, left)).toBe("");
    expect(await netnsGiven(daemon, stream, pod.path, { ...left, cookie: 0 })).toBe("");
    clear(new Spool(daemon.cniDir));
    stream.reply(0, "");
    await ended;
  });
});
