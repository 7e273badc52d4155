/** How the shim starts the daemon that `daemonCommand` names: once, alone, and with nothing of what the runtime gave to the shim. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { FrameType } from "../../src/agent/frames.ts";
import { runCommand } from "../support/command.ts";
import { allocatorSettings } from "../support/dockerfile.ts";
import { EmptyNamespace } from "../support/namespace.ts";
import { OnDemandHost, resultOfDelegate } from "../support/on-demand-host.ts";
import { shims } from "./support/binaries.ts";
import { hasEnded, isRunning, membersOfGroup } from "./support/process-state.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

/** Netconf keys of a program that runs this script. */
const program = (host: OnDemandHost, script: string, keys: Readonly<Record<string, unknown>> = {}) =>
  host.netconf({ daemonCommand: [host.addProgram("program", script)], ...keys });

describe.concurrent.each(shims)("the $name shim", ({ binary }) => {
  test("starts the daemon with the first call; later ones find it", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const added = await host.call("ADD");
    expect(added.result).toMatchObject({ ips: resultOfDelegate.ips });
    const [pid = 0] = host.starts;
    // The answer was read to the end of stdout, which a daemon that had inherited it would hold open.
    expect(isRunning(pid)).toBe(true);
    expect((await host.call("ADD", "c2")).result).toEqual(added.result);
    (await host.call("DEL")).expectSuccess();
    expect(host.starts).toEqual([pid]);
    const { mode, size } = statSync(join(host.socketDir, "multus.lock"));
    expect([statSync(host.socketDir).mode & 0o7777, mode & 0o7777, size]).toEqual([0o700, 0o600, 0]);
  });

  test.each(["DEL", "GC"] as const)("starts it for %s too", async (command) => {
    using host = new OnDemandHost({ plugin: binary });
    const netconf = host.netconf({ "cni.dev/valid-attachments": [] });
    (await host.call(command, "c1", netconf)).expectSuccess();
    expect(host.starts).toHaveLength(1);
  });

  test("starts it once for many calls at once", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => host.call("ADD", `c${index}`)),
    );
    for (const { result } of answers) expect(result.ips).toEqual(resultOfDelegate.ips);
    expect(host.starts).toHaveLength(1);
  });

  test("gives it nothing of what the runtime gave to the shim", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const seen = join(host.directory.path, "seen");
    const [start] = host.command;
    const netconf = program(
      host,
      `{ env; echo "umask=$(umask)"; echo "cwd=$(pwd)"; ls -l /proc/$$/fd/;
cut -d ' ' -f 1,5,6 /proc/$$/stat; grep -E '^Sig(Blk|Ign)' /proc/self/status; } >'${seen}'; exec '${start}'`,
    );
    // A descriptor that the runtime left open, a signal that it ignores and one that it blocks.
    const outcome = await runCommand(
      ["/bin/sh", "-c", 'trap "" HUP USR1; exec 9<&0; exec "$1"', "sh", binary],
      {
        env: {
          ...host.environment("ADD"),
          SECRET: "s",
          MALLOC_ARENA_MAX: "8",
          HOME: "/root",
          MULTUS_NODE_NAME: "node-1",
        },
        stdin: JSON.stringify(netconf),
      },
    );
    expect(outcome).toMatchObject({ exitCode: 0 });
    const lines = readFileSync(seen, "utf8").trim().split("\n");
    const [pid] = host.starts;
    expect(lines).toContain("MULTUS_NODE_NAME=node-1");
    expect(lines).toContain("HOME=/root");
    // As in the image, whatever the runtime has.
    expect(lines.filter((line) => line.startsWith("MALLOC_")).sort()).toEqual(allocatorSettings());
    expect(lines.filter((line) => /^(CNI_|SECRET)/.test(line))).toEqual([]);
    expect(lines).toContain("umask=0022");
    expect(lines).toContain("cwd=/");
    expect(lines).toContain(`${pid} ${pid} ${pid}`);
    expect(lines.filter((line) => line.startsWith("Sig"))).toEqual([
      "SigBlk:\t0000000000000000",
      "SigIgn:\t0000000000000000",
    ]);
    const printed = join(host.socketDir, "multusd.stderr");
    // Of the shell's own the script, and its stdout, which goes to the test's directory.
    const descriptors = lines.flatMap((line) => / (\d+ -> .*)$/.exec(line)?.[1] ?? []);
    expect(descriptors.filter((descriptor) => !descriptor.includes(host.directory.path))).toEqual([
      "0 -> /dev/null",
    ]);
    expect(descriptors).toContain(`2 -> ${printed}`);
  });

  test("does not start it for VERSION, and not for STATUS, which says whether it could", async () => {
    using host = new OnDemandHost({ plugin: binary });
    (await host.call("VERSION")).expectSuccess();
    const idle = await host.call("STATUS");
    expect([idle.exitCode, idle.stdout]).toEqual([0, ""]);
    expect(existsSync(host.socketDir)).toBe(false);
    const missing = await host.call("STATUS", "", host.netconf({ daemonCommand: ["/nowhere/multusd"] }));
    expect(missing.error).toMatchObject({
      code: 50,
      msg: expect.stringMatching(
        /daemon \/nowhere\/multusd does not run and cannot be started: No such file/,
      ),
    });
    const file = host.directory.write("text", "");
    chmodSync(file, 0o644);
    const notExecutable = await host.call("STATUS", "", host.netconf({ daemonCommand: [file] }));
    expect(notExecutable.error).toMatchObject({
      code: 50,
      msg: expect.stringContaining("Permission denied"),
    });
    const directory = await host.call("STATUS", "", host.netconf({ daemonCommand: ["/tmp"] }));
    expect(directory.error).toMatchObject({ code: 50, msg: expect.stringContaining("not a regular file") });
    expect(host.starts).toEqual([]);
  });

  test("asks a daemon that runs for its STATUS", async () => {
    using host = new OnDemandHost({ plugin: binary });
    (await host.call("DEL")).expectSuccess();
    const answer = await host.call(
      "STATUS",
      "",
      host.netconf({ delegates: undefined, clusterNetwork: "none" }),
    );
    expect(answer.error).toMatchObject({ code: 50, msg: expect.stringContaining("none") });
  });

  test("starts another one where the last was killed", async () => {
    using host = new OnDemandHost({ plugin: binary });
    (await host.call("DEL")).expectSuccess();
    const [first = 0] = host.starts;
    process.kill(first, "SIGKILL");
    expect(await hasEnded(first, patience)).toBe(true);
    expect((await host.call("ADD")).result.ips).toEqual(resultOfDelegate.ips);
    expect(host.starts).toHaveLength(2);
  });

  test("brings its request once more where the daemon goes away before it has ordered anything, and not afterwards", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const config = daemon.config({ daemonCommand: ["/nowhere/multusd"] });
    const { outcome, stream } = await daemon.connected({ config });
    stream.destroy();
    const second = await daemon.accept();
    expect(await second.greet()).toMatchObject({ command: "ADD", config: Buffer.from(config) });
    second.reply(0, "served");
    expect(await outcome).toMatchObject({ exitCode: 0, stdout: Buffer.from("served") });

    using namespace = new EmptyNamespace();
    const netns = namespace.path;
    const begun = await daemon.connected({ config, env: { CNI_NETNS: netns } });
    const link = { netns, ifName: "mwt-none" };
    expect(await begun.stream.order(FrameType.linkExists, link)).toEqual({ exists: false });
    begun.stream.destroy();
    expect(errorOf(await begun.outcome)).toMatchObject({
      code: 11,
      msg: expect.stringContaining("went away"),
    });
  });

  test("takes one that somebody else started meanwhile, and ends well with it", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const [start = ""] = host.command;
    // The program does as a second daemon where the first one serves: it ends with an error.
    const netconf = program(
      host,
      `'${start}' & while [ -d '${host.directory.path}' ] && [ ! -S '${host.socket}' ]; do sleep 0.05; done; exit 1`,
    );
    (await host.call("DEL", "c1", netconf)).expectSuccess();
    expect(host.starts).toHaveLength(1);
  });

  test("waits for one that is started by somebody who ends well", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const [start = ""] = host.command;
    const netconf = program(host, `{ sleep 0.5; exec '${start}'; } & exit 0`);
    (await host.call("DEL", "c1", netconf)).expectSuccess();
  });

  test.each([
    [
      "is not there",
      "/nowhere/multusd",
      5,
      /cannot start the daemon \/nowhere\/multusd: No such file/,
      /daemonCommand/,
    ],
    ["is a directory", "/tmp", 5, /cannot start the daemon \/tmp: Permission denied/, /daemonCommand/],
  ])("says that the program %s", async (_, file, code, message, details) => {
    using host = new OnDemandHost({ plugin: binary });
    const { error, milliseconds } = await host.call("ADD", "c1", host.netconf({ daemonCommand: [file] }));
    expect(error).toMatchObject({
      cniVersion: "1.1.0",
      code,
      msg: expect.stringMatching(message),
      details: expect.stringMatching(details),
    });
    expect(milliseconds).toBeLessThan(patience);
  });

  test.each([
    [
      "printf 'line 1\\nno config\\n' >&2; exit 3",
      /ended with exit code 3 before it served/,
      /^It printed: line 1\nno config$/,
    ],
    ["echo to stdout; exit 1", /ended with exit code 1/, /^It printed: to stdout$/],
    ["kill -KILL $$", /was ended by signal 9/, /^It printed nothing\.$/],
    ["head -c 100000 /dev/zero | tr '\\0' x; echo end; exit 1", /exit code 1/, /^It printed: x{2044}end$/],
  ])("says at once what became of `%s`", async (script, message, details) => {
    using host = new OnDemandHost({ plugin: binary });
    const { error, milliseconds } = await host.call("ADD", "c1", program(host, script));
    expect(error).toMatchObject({
      code: 11,
      msg: expect.stringMatching(message),
      details: expect.stringMatching(details),
    });
    expect(milliseconds).toBeLessThan(patience);
  });

  test("says why the real daemon did not start", async () => {
    using host = new OnDemandHost({ plugin: binary });
    writeFileSync(join(host.directory.path, "daemon.json"), '{"socketDir": "here"}');
    const { error } = await host.call("ADD");
    expect(error).toMatchObject({
      code: 11,
      msg: expect.stringContaining("ended with exit code 1"),
      details: expect.stringMatching(/multusd: \S+daemon\.json: socketDir must match pattern/),
    });
  });

  test("records a DEL where the daemon cannot be started; the first one that can does it before anything else of the container", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const broken = program(host, "exit 3");
    (await host.call("DEL", "c1", broken)).expectSuccess();
    const records = () => readdirSync(join(host.cniDir, ".spool")).filter((name) => name.includes("c1"));
    expect(records()).toHaveLength(1);
    const failing = await host.call("DEL", "c1", { ...broken, delOnDaemonDown: "fail" });
    expect(failing.error.msg).toContain("ended with exit code 3");
    expect((await host.call("ADD")).result.ips).toEqual(resultOfDelegate.ips);
    expect([host.starts.length, records()]).toEqual([1, []]);
  });

  test("ends a program that does not serve in time, so that they do not heap up", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const pidFile = join(host.directory.path, "pid");
    const script = `echo $$ >>'${pidFile}'; echo waiting for nothing; sleep 600 & wait`;
    const netconf = program(host, script, { daemonStartTimeoutMs: 700 });
    // Together: one starts it, the other waits behind that.
    const answers = await Promise.all([host.call("ADD", "c1", netconf), host.call("ADD", "c2", netconf)]);
    const messages = answers.map(({ error }) => error.msg).sort();
    expect(answers.map(({ error }) => error.code)).toEqual([11, 11]);
    expect(messages.some((message) => /does not serve \S+ after 700 ms and was killed$/.test(message))).toBe(
      true,
    );
    expect(answers.map(({ error }) => error.details).join()).toMatch(
      /It printed: waiting for nothing.*daemonStartTimeoutMs/,
    );
    const pids = readFileSync(pidFile, "utf8").trim().split("\n").map(Number);
    for (const pid of pids) expect(await hasEnded(pid, patience)).toBe(true);
    for (const pid of pids) expect(membersOfGroup(pid)).toEqual([]);
    for (const { milliseconds } of answers) expect(milliseconds).toBeGreaterThanOrEqual(700);
  });

  test("says that nobody serves where the program ended well", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const { error } = await host.call("ADD", "c1", program(host, "exit 0", { daemonStartTimeoutMs: 300 }));
    expect(error).toMatchObject({
      code: 11,
      msg: expect.stringMatching(/after 300 ms; it ended with exit code 0$/),
    });
  });

  test("says that another call is at it, when that takes too long", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const pidFile = join(host.directory.path, "pid");
    const netconf = (milliseconds: number) =>
      program(host, `echo $$ >'${pidFile}.new'; mv '${pidFile}.new' '${pidFile}'; exec sleep 600`, {
        daemonStartTimeoutMs: milliseconds,
      });
    const first = host.call("ADD", "c1", netconf(patience));
    await vi.waitFor(() => expect(existsSync(pidFile)).toBe(true), patience);
    expect((await host.call("ADD", "c2", netconf(100))).error).toMatchObject({
      code: 11,
      msg: expect.stringMatching(/after 100 ms: another call is starting it$/),
    });
    process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
    expect((await first).error.msg).toContain("was ended by signal 9");
  });

  test("takes over from a call that was killed while it started the daemon", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const begun = join(host.directory.path, "begun");
    const [start = ""] = host.command;
    const netconf = program(host, `echo $$ >>'${begun}'; sleep 1; exec '${start}'`);
    const killed = spawn(binary, [], { env: host.environment("ADD"), stdio: ["pipe", "ignore", "ignore"] });
    killed.stdin.end(JSON.stringify(netconf));
    await vi.waitFor(() => expect(existsSync(begun)).toBe(true), patience);
    killed.kill("SIGKILL");
    await once(killed, "exit");
    expect((await host.call("ADD", "c2", netconf)).result.ips).toEqual(resultOfDelegate.ips);
    // Both were started; the one that came second found the other serving, and ended.
    await vi.waitFor(() => expect(host.starts).toHaveLength(2), patience);
    await vi.waitFor(() => expect(host.running).toHaveLength(1), patience);
    (await host.call("DEL", "c2", netconf)).expectSuccess();
  });

  test("that is killed leaves a daemon that serves the next", async () => {
    using host = new OnDemandHost({ plugin: binary });
    host.addProgram("bin/slow", "exec sleep 600");
    const stuck = spawn(binary, [], { env: host.environment("ADD"), stdio: ["pipe", "ignore", "ignore"] });
    stuck.stdin.end(
      JSON.stringify(host.netconf({ delegates: [{ type: "slow", cniVersion: "1.1.0", name: "s" }] })),
    );
    await vi.waitFor(() => expect(existsSync(host.socket)).toBe(true), patience);
    stuck.kill("SIGKILL");
    await once(stuck, "exit");
    await sleep(100);
    (await host.call("DEL", "c2")).expectSuccess();
    expect([host.starts.length, host.running.length]).toEqual([1, 1]);
  });

  test("ends on a signal while it waits", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const pidFile = join(host.directory.path, "pid");
    const netconf = program(host, `echo $$ >'${pidFile}'; exec sleep 600`);
    const child = spawn(binary, [], { env: host.environment("ADD"), stdio: ["pipe", "pipe", "ignore"] });
    let printed = "";
    child.stdout.on("data", (chunk: Buffer) => {
      printed += chunk;
    });
    child.stdin.end(JSON.stringify(netconf));
    const pid = await vi.waitFor(() => {
      const text = readFileSync(pidFile, "utf8");
      expect(text).toMatch(/^\d+\n$/);
      return Number(text);
    }, patience);
    child.kill("SIGTERM");
    await once(child, "close");
    expect(JSON.parse(printed)).toMatchObject({
      code: 11,
      msg: expect.stringContaining("ended by a signal"),
    });
    // The program that was started may still serve the next call.
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
  });

  test("follows no link, and uses no directory that others can write in", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const elsewhere = join(host.directory.path, "elsewhere");
    mkdirSync(elsewhere);
    mkdirSync(join(host.directory.path, "run"));
    symlinkSync(elsewhere, host.socketDir);
    const keys = { daemonSocketDir: `${host.socketDir}///` };
    for (const netconf of [host.netconf(), host.netconf(keys)]) {
      const { error } = await host.call("ADD", "c1", netconf);
      expect(error).toMatchObject({
        code: 5,
        msg: expect.stringContaining(`${host.socketDir}: Not a directory`),
      });
    }
    const open = join(host.directory.path, "open");
    mkdirSync(open);
    chmodSync(open, 0o1777);
    expect((await host.call("ADD", "c1", host.netconf({ daemonSocketDir: open }))).error).toMatchObject({
      code: 5,
      msg: `${open}: others can write in it`,
    });
    symlinkSync(join(elsewhere, "target"), join(elsewhere, "multus.lock"));
    const { error } = await host.call("ADD", "c1", host.netconf({ daemonSocketDir: elsewhere }));
    expect(error).toMatchObject({ code: 5, msg: expect.stringMatching(/^multus\.lock: /) });
    expect(existsSync(join(elsewhere, "target"))).toBe(false);
    expect(host.starts).toEqual([]);
  });

  test.each([
    ["daemonCommand", "multusd"],
    ["daemonCommand", []],
    ["daemonCommand", ["multusd"]],
    ["daemonCommand", [""]],
    ["daemonCommand", ["/multusd", 5]],
    ["daemonCommand", ["/multusd", "a\0b"]],
    ["daemonCommand", { 0: "/multusd" }],
    ["daemonStartTimeoutMs", 0],
    ["daemonStartTimeoutMs", -1],
    ["daemonStartTimeoutMs", 1.5],
    ["daemonStartTimeoutMs", "10"],
    ["daemonStartTimeoutMs", 600_001],
  ])("refuses %s: %j", async (key, value) => {
    using host = new OnDemandHost({ plugin: binary });
    const { error } = await host.call("ADD", "c1", host.netconf({ [key]: value }));
    expect(error).toMatchObject({
      code: 7,
      msg: expect.stringMatching(new RegExp(`^${key} of the network configuration`)),
    });
    expect(host.starts).toEqual([]);
  });

  test("takes its keys in any case; null is none", async () => {
    using host = new OnDemandHost({ plugin: binary });
    const { daemonCommand, ...rest } = host.netconf();
    (
      await host.call("DEL", "c1", { ...rest, DAEMONcommand: daemonCommand, daemonstarttimeoutms: null })
    ).expectSuccess();
    expect(host.starts).toHaveLength(1);
  });

  test.each([null, ""])("starts nothing for daemonCommand: %j", async (daemonCommand) => {
    using host = new OnDemandHost({ plugin: binary });
    const { error } = await host.call("ADD", "c1", host.netconf({ daemonCommand, daemonWaitSeconds: 0 }));
    expect(error).toMatchObject({ code: 11, msg: expect.stringMatching(/^multusd cannot be reached on /) });
    expect(existsSync(join(host.socketDir, "multus.lock"))).toBe(false);
  });
});
