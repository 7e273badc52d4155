/** EXEC: a plugin is found, fed, listened to and stopped as docs/wire.md says, and how it ended is said exactly. */

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { runCommand } from "../support/command.ts";
import { shims } from "./support/binaries.ts";
import { exec, stdoutOf } from "./support/exec-order.ts";
import { hasEnded, isRunning } from "./support/process-state.ts";
import { ShimDaemon } from "./support/shim-daemon.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

/** Waits until a file that a plugin writes is there and complete. @returns its text */
async function textOf(file: string): Promise<string> {
  for (;;) {
    if (existsSync(file) && readFileSync(file, "utf8").endsWith("\n"))
      return readFileSync(file, "utf8").trim();
    await sleep(10);
  }
}

describe.concurrent.each(shims)("EXEC, $name shim", ({ binary }) => {
  test("hands over stdin and environment, and brings back stdout, stderr and exit code", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", 'cat; echo "$CNI_COMMAND $CNI_IFNAME" >&2; exit 3');
    const { stream, outcome } = await daemon.connected({ env: { CNI_COMMAND: "CHECK" } });
    const done = await exec(daemon, stream, "plugin", {
      env: { CNI_COMMAND: "CHECK", CNI_IFNAME: "net1" },
      stdin: Buffer.from('{"a":1}'),
    });
    expect(done).toMatchObject({ exitCode: 3 });
    expect(stdoutOf(done)).toBe('{"a":1}');
    expect(String(done.stderrTail)).toBe("CHECK net1\n");
    expect(done.micros).toBeGreaterThan(0);
    expect(done.signal).toBeUndefined();
    stream.reply(7, "answer");
    const { exitCode, stdout, stderr } = await outcome;
    expect({ exitCode, stdout: stdout.toString(), stderr }).toEqual({
      exitCode: 7,
      stdout: "answer",
      stderr: "CHECK net1\n",
    });
  });

  test("gives a plugin the runtime's environment but for the parameters of its own call", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "env");
    const { stream } = await daemon.connected({
      env: { CNI_COMMAND: "DEL", RUNTIME: "a=b", CNI_NETNS_OVERRIDE: "1", TRACESTATE: "old=1" },
    });
    const done = await exec(daemon, stream, "plugin", {
      env: { CNI_COMMAND: "DEL", CNI_ARGS: "K=v;E=", CNI_IFNAME: "", TRACESTATE: "new=1" },
    });
    const lines = stdoutOf(done).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "RUNTIME=a=b",
        "CNI_NETNS_OVERRIDE=1",
        "CNI_COMMAND=DEL",
        "CNI_ARGS=K=v;E=",
        "CNI_IFNAME=",
        "TRACESTATE=new=1",
        "MULTUS_DELEGATE=1",
      ]),
    );
    expect(lines.filter((line) => line.startsWith("TRACESTATE="))).toHaveLength(1);
    for (const name of ["CNI_CONTAINERID", "CNI_NETNS", "CNI_PATH"]) {
      expect(lines.filter((line) => line.startsWith(`${name}=`))).toEqual([]);
    }
  });

  test("starts a plugin in a process group of its own, with usual signals and no descriptor of the shim", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin(
      "plugin",
      'ls -l /proc/self/fd | sed -n "s/.* \\([0-9]*\\) ->.*/fd \\1/p"; cat /proc/self/status; cut -d" " -f1,5 /proc/$$/stat',
    );
    const { stream } = await daemon.connected();
    const stdout = stdoutOf(await exec(daemon, stream, "plugin"));
    const descriptors = (output: string): string[] | null => output.match(/^fd \d+$/gm);
    const direct = await runCommand([`${daemon.pluginDirectory}/plugin`]);
    expect(descriptors(stdout)).toEqual(descriptors(direct.stdout.toString()));
    expect(stdout).toMatch(/^SigBlk:\t0+$/m);
    const ignored = Number.parseInt(/^SigIgn:\t([0-9a-f]+)$/m.exec(stdout)?.[1] ?? "", 16);
    expect(ignored & (1 << 12)).toBe(0);
    const [pid, group] = (stdout.trim().split("\n").at(-1) ?? "").split(" ");
    expect(group).toBe(pid);
  });

  test("takes the first executable regular file in the directories of path, in order", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const [first, second, third] = ["first", "second", "third"].map((name) => daemon.path(name));
    for (const [directory = "", kind] of [
      [first, "directory"],
      [second, "not executable"],
      [third, "plugin"],
    ]) {
      mkdirSync(directory);
      if (kind === "directory") mkdirSync(`${directory}/plugin`);
      else writeFileSync(`${directory}/plugin`, `#!/bin/sh\necho ${kind} $0\n`);
      if (kind === "plugin") chmodSync(`${directory}/plugin`, 0o755);
    }
    const path = `${first}:${second}/:${third}//`;
    const { stream } = await daemon.connected({ env: { CNI_PATH: path } });
    const done = await exec(daemon, stream, "plugin", { path: `::relative:${path}` });
    expect(stdoutOf(done)).toBe(`plugin ${third}/plugin\n`);
  });

  test("says which directories a missing plugin was looked for in", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected();
    const done = await exec(daemon, stream, "absent");
    expect(done).toEqual({
      error: "not-found",
      message: expect.stringContaining(`"absent" in ${daemon.pluginDirectory}`),
    });
  });

  test.each(["../sh", "a/b", "/bin/sh", "", ".", ".."])(
    "refuses %j as the name of a plugin",
    async (plugin) => {
      await using daemon = await ShimDaemon.create(binary);
      const { stream } = await daemon.connected({ env: { CNI_PATH: "/bin" } });
      const done = await exec(daemon, stream, plugin, { path: "/bin" });
      expect(done).toMatchObject({
        error: "refused",
        message: expect.stringContaining("file name of a plugin"),
      });
    },
  );

  test("runs nothing from a directory that neither the runtime nor the netconf names", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const { stream } = await daemon.connected();
    expect(await exec(daemon, stream, "sh", { path: "/bin" })).toMatchObject({
      error: "refused",
      message: expect.stringContaining("/bin"),
    });
    // A detour to it is not followed either.
    for (const path of [`${daemon.pluginDirectory}/../../../bin`, "bin", ""]) {
      expect(await exec(daemon, stream, "sh", { path })).toMatchObject({
        error: expect.stringMatching("refused|not-found"),
      });
    }
  });

  test("runs from binDir of the netconf", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "echo here");
    const { stream } = await daemon.connected({
      env: { CNI_PATH: "/nonexistent" },
      config: daemon.config({ binDir: `${daemon.pluginDirectory}/` }),
    });
    expect(stdoutOf(await exec(daemon, stream, "plugin"))).toBe("here\n");
  });

  test("reports a file that cannot be run", async () => {
    await using daemon = await ShimDaemon.create(binary);
    writeFileSync(`${daemon.pluginDirectory}/plugin`, "\x7fELF but not really");
    chmodSync(`${daemon.pluginDirectory}/plugin`, 0o755);
    const { stream } = await daemon.connected();
    const done = await exec(daemon, stream, "plugin");
    expect(done).toMatchObject({
      error: "spawn",
      message: expect.stringMatching(/plugin: Exec format error/),
    });
  });

  test("waits for a plugin that is just being written", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const file = `${daemon.pluginDirectory}/plugin`;
    writeFileSync(file, readFileSync("/bin/true"));
    chmodSync(file, 0o755);
    const { stream } = await daemon.connected();
    const writer = await open(file, "r+");
    const answer = exec(daemon, stream, "plugin");
    await sleep(300);
    await writer.close();
    expect(await answer).toMatchObject({ exitCode: 0 });
  });

  test("says which signal ended a plugin", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "kill -SEGV $$");
    const { stream } = await daemon.connected();
    expect(await exec(daemon, stream, "plugin")).toMatchObject({ exitCode: 139, signal: 11 });
  });

  test("kills a plugin and what it started when its time is over", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", `sleep 60 & echo $! > ${daemon.path("grandchild")}; wait`);
    const { stream } = await daemon.connected();
    const done = await exec(daemon, stream, "plugin", { timeoutMs: 200 });
    expect(done).toMatchObject({ error: "timeout", message: expect.stringMatching(/plugin.*200 ms/) });
    const grandchild = Number(await textOf(daemon.path("grandchild")));
    expect(await hasEnded(grandchild, patience)).toBe(true);
  });

  test("uses SIGKILL where SIGTERM does not help", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "trap '' TERM; while :; do sleep 0.1; done");
    const { stream } = await daemon.connected();
    const started = performance.now();
    const done = await exec(daemon, stream, "plugin", { timeoutMs: 200 });
    expect(done).toMatchObject({ error: "timeout" });
    expect(performance.now() - started).toBeGreaterThan(2100);
    expect(performance.now() - started).toBeLessThan(patience);
  });

  test("stops a plugin that prints more than 8 MiB, and takes exactly 8 MiB", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("flood", "head -c 20000000 /dev/zero; sleep 60");
    daemon.addPlugin("full", "head -c 8388608 /dev/zero");
    const { stream } = await daemon.connected();
    expect(await exec(daemon, stream, "flood")).toMatchObject({ error: "too-large" });
    const full = await exec(daemon, stream, "full");
    expect(full).toMatchObject({ exitCode: 0 });
    expect(stdoutOf(full)).toHaveLength(8388608);
  });

  test("writes a stdin larger than any pipe, and does not mind a plugin that reads none of it", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("counts", "wc -c");
    daemon.addPlugin("ignores", "exec 0<&-; sleep 0.1; echo done");
    const { stream } = await daemon.connected();
    const stdin = Buffer.alloc(5_000_000, " ");
    expect(stdoutOf(await exec(daemon, stream, "counts", { stdin })).trim()).toBe("5000000");
    expect(stdoutOf(await exec(daemon, stream, "ignores", { stdin }))).toBe("done\n");
    expect(stdoutOf(await exec(daemon, stream, "counts", { stdin: Buffer.alloc(0) })).trim()).toBe("0");
  });

  test("passes all of stderr on as it comes, and keeps the last 4 KiB", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", 'echo first >&2; read line < "$CNI_ARGS"; seq 10000 >&2');
    const gate = daemon.path("gate");
    daemon.addPlugin("makegate", `mkfifo ${gate}`);
    const { stream, outcome, child } = await daemon.connected();
    await exec(daemon, stream, "makegate");
    const seen = new Promise<void>((resolve) => child.stderr?.once("data", () => resolve()));
    const answer = exec(daemon, stream, "plugin", { env: { CNI_COMMAND: "ADD", CNI_ARGS: gate } });
    await seen;
    writeFileSync(gate, "go\n");
    const done = await answer;
    const sequence = Array.from({ length: 10000 }, (_, index) => `${index + 1}\n`).join("");
    expect(String(done.stderrTail)).toBe(sequence.slice(-4096));
    stream.reply(0, "");
    expect((await outcome).stderr).toBe(`first\n${sequence}`);
  });

  test("does not wait for somebody to read its own stderr", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("talks", "head -c 1000000 /dev/zero >&2; echo end");
    const { stream, child } = await daemon.connected();
    child.stderr?.pause();
    // The pipe fills, so the plugin stands still: its time runs out, and the shim still answers.
    const done = await exec(daemon, stream, "talks", { timeoutMs: 500 });
    expect(done).toMatchObject({ error: "timeout" });
  });

  test("does not wait for what a plugin leaves behind with its stdout", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", `echo result; setsid sleep 60 & echo $! > ${daemon.path("left")}`);
    const { stream } = await daemon.connected();
    const started = performance.now();
    const done = await exec(daemon, stream, "plugin");
    expect(done).toMatchObject({ exitCode: 0 });
    expect(stdoutOf(done)).toBe("result\n");
    expect(performance.now() - started).toBeLessThan(patience);
    process.kill(Number(await textOf(daemon.path("left"))), "SIGKILL");
  });

  test("runs many at once, and answers in the order in which they end", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("waits", 'echo "$CNI_ARGS" >&2; while [ ! -e "$CNI_ARGS" ]; do sleep 0.01; done');
    daemon.addPlugin("plugin", "cat; sleep 0.01");
    const { stream, child } = await daemon.connected();
    let running = "";
    child.stderr?.on("data", (chunk) => {
      running += chunk;
    });
    const gates = ["first", "second", "third"].map((name) => daemon.path(name));
    const ended: string[] = [];
    const runs = gates.map(async (gate) => {
      await exec(daemon, stream, "waits", { env: { CNI_COMMAND: "ADD", CNI_ARGS: gate } });
      ended.push(gate);
    });
    await vi.waitFor(() => {
      for (const gate of gates) expect(running).toContain(gate);
    }, patience);
    for (const gate of gates.toReversed()) {
      writeFileSync(gate, "");
      await vi.waitFor(() => expect(ended).toContain(gate), patience);
    }
    await Promise.all(runs);
    expect(ended).toEqual(gates.toReversed());
    // More than may run at once.
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        exec(daemon, stream, "plugin", {
          stdin: Buffer.from(`number ${index}`),
        }),
      ),
    );
    expect(answers.map(stdoutOf)).toEqual(answers.map((_, index) => `number ${index}`));
  });

  test("is not confused by a plugin that prints garbage", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "head -c 100000 /dev/urandom; head -c 5000 /dev/urandom >&2");
    const { stream, outcome } = await daemon.connected();
    const done = await exec(daemon, stream, "plugin");
    expect(done).toMatchObject({ exitCode: 0 });
    expect(done.stdout).toHaveLength(100_000);
    stream.reply(0, "");
    expect((await outcome).exitCode).toBe(0);
  });

  test("kill -9 of the shim kills the plugin", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", `echo $$ > ${daemon.path("pid")}; exec sleep 60`);
    const { stream, child } = await daemon.connected();
    void exec(daemon, stream, "plugin");
    const pid = Number(await textOf(daemon.path("pid")));
    expect(isRunning(pid)).toBe(true);
    child.kill("SIGKILL");
    expect(await hasEnded(pid, patience)).toBe(true);
  });
});
