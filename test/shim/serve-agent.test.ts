/** `multus agent`: the same orders on an inherited socket, for as long as it is open. */

import { chmodSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { FrameType } from "../../src/agent/frames.ts";
import { runCommand } from "../support/command.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { type Agent, spawnAgent } from "./support/agent.ts";
import { shims } from "./support/binaries.ts";
import { stdoutOf } from "./support/exec-order.ts";
import { isRoot } from "./support/links.ts";
import { hasEnded } from "./support/process-state.ts";

/** Starts an agent; a shell moves its socket to descriptor 0 where that is asked for. */
function startAgent(binary: string, path: string, fd: 0 | 3): Agent {
  const agent = [binary, "agent", "--path", path];
  const argv = fd === 3 ? [...agent, "--fd", "3"] : ["sh", "-c", 'exec "$0" "$@" 0<&3 3<&-', ...agent];
  return spawnAgent(argv, { PATH: process.env.PATH, SECRET: "the daemon's", CNI_IFNAME: "none" });
}

function addPlugin(directory: ScratchDirectory, name: string, script: string): void {
  writeFileSync(`${directory.path}/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(`${directory.path}/${name}`, 0o755);
}

const order = (directory: ScratchDirectory, plugin: string) => ({
  plugin,
  path: directory.path,
  env: { CNI_COMMAND: "ADD" },
  stdin: Buffer.from("{}"),
  timeoutMs: 10_000,
});

describe.concurrent.each(shims)("agent, $name shim", ({ binary }) => {
  test.each([0, 3] as const)("serves orders on descriptor %i until it is closed", async (fd) => {
    using directory = new ScratchDirectory("agent");
    addPlugin(directory, "plugin", "cat; env | sort; echo said >&2; ls /proc/self/fd | wc -l >&2");
    const agent = startAgent(binary, `${directory.path}:/nonexistent`, fd);
    expect(await agent.stream.greet("agent")).toMatchObject({ protocol: 1, role: "agent" });
    const done = await agent.stream.order(FrameType.exec, order(directory, "plugin"));
    const lines = stdoutOf(done).split("\n");
    expect(lines[0]).toContain("{}");
    // Nothing of the daemon's environment but PATH; what the shell adds is its own.
    const names = lines
      .join("\n")
      .replace("{}", "")
      .match(/^[A-Z_]+(?==)/gm);
    expect(names?.filter((name) => !["PWD", "_", "OLDPWD", "SHLVL"].includes(name))).toEqual([
      "CNI_COMMAND",
      "MULTUS_DELEGATE",
      "PATH",
    ]);
    agent.stream.destroy();
    expect(await agent.end).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^said\n/) });
  });

  test("runs plugins only from --path", async () => {
    using directory = new ScratchDirectory("agent");
    const agent = startAgent(binary, directory.path, 0);
    await agent.stream.greet("agent");
    const done = await agent.stream.order(FrameType.exec, {
      ...order(directory, "sh"),
      path: "/bin:/opt/cni/bin",
    });
    expect(done).toMatchObject({ error: "refused" });
    agent.stream.destroy();
    await agent.end;
  });

  test("kills its plugins when they do not end within 5 s after the daemon has gone", async () => {
    using directory = new ScratchDirectory("agent");
    addPlugin(directory, "plugin", "echo $$ >&2; sleep 60");
    const agent = startAgent(binary, directory.path, 0);
    await agent.stream.greet("agent");
    const pid = new Promise<number>((resolve) =>
      agent.child.stderr?.once("data", (data) => resolve(Number(data))),
    );
    void agent.stream.order(FrameType.exec, order(directory, "plugin"));
    const running = await pid;
    agent.stream.destroy();
    expect(await agent.end).toMatchObject({ exitCode: 0 });
    expect(await hasEnded(running, 30_000)).toBe(true);
  });

  test.runIf(isRoot)("looks into any network namespace but its own", async () => {
    await using namespace = await Namespace.create("agent");
    const agent = startAgent(binary, "/nonexistent", 0);
    await agent.stream.greet("agent");
    const exists = (netns: string) => agent.stream.order(FrameType.linkExists, { netns, ifName: "lo" });
    expect(await exists(namespace.path)).toEqual({ exists: true });
    expect(await exists("/run/netns/mwt-never-made")).toMatchObject({ error: "netns" });
    expect(await exists("/proc/self/ns/net")).toMatchObject({ error: "refused" });
    agent.stream.destroy();
    await agent.end;
  });

  test("runs a DEL where a network namespace was, and no ADD in what is none", async () => {
    using directory = new ScratchDirectory("agent");
    addPlugin(directory, "plugin", 'echo "<$CNI_NETNS>"');
    const agent = startAgent(binary, directory.path, 0);
    await agent.stream.greet("agent");
    const file = directory.write("left", "");
    const run = (command: string, netns: string) =>
      agent.stream.order(FrameType.exec, {
        ...order(directory, "plugin"),
        env: { CNI_COMMAND: command, CNI_NETNS: netns },
      });
    for (const netns of [file, "/run/netns/mwt-never-made"]) {
      expect(stdoutOf(await run("DEL", netns))).toBe(`<${netns}>\n`);
    }
    for (const netns of [file, directory.path, "/dev/null", "/proc/self/ns/mnt"]) {
      expect(await run("ADD", netns)).toMatchObject({
        error: "refused",
        message: expect.stringContaining("is no network namespace"),
      });
    }
    agent.stream.destroy();
    await agent.end;
  });

  test("says on stderr why a daemon does not want it", async () => {
    using directory = new ScratchDirectory("agent");
    const agent = startAgent(binary, directory.path, 0);
    await agent.stream.greet("agent");
    agent.stream.reply(1, '{"code":1,"msg":"other protocol"}');
    expect(await agent.end).toEqual({ exitCode: 1, stderr: '{"code":1,"msg":"other protocol"}' });
  });

  test.each([
    [["agent"], 2, /needs --path/],
    [["agent", "--path"], 2, /no value/],
    [["agent", "--path", "/x", "--fd", "3x"], 2, /not a descriptor/],
    [["agent", "--path", "/x", "--chroot", "x"], 2, /not an absolute path/],
    [["agent", "--what", "/x"], 2, /options --path, --chroot, --fd and --as-runtime/],
    [["agent", "--path", "/x", "--fd", "77"], 1, /Bad file descriptor/],
    [["agent", "--path", "/x"], 1, /Socket operation on non-socket/],
  ])("%j is refused", async (args, exitCode, says) => {
    // A shell's pipe is no socket.
    const outcome = await runCommand(["sh", "-c", 'true | "$0" "$@"', binary, ...args], { env: {} });
    expect(outcome).toMatchObject({ exitCode, stderr: expect.stringMatching(says) });
    expect(outcome.stdout).toHaveLength(0);
  });
});
