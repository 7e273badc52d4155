/** Multus is no delegate of Multus: a network whose author names it runs nothing that the network names, and the pod can be deleted. */

import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { FrameBody } from "../../src/agent/frames.ts";
import { runCommand } from "../support/command.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { debianPlugins } from "../support/test-node.ts";
import { spawnAgent } from "./support/agent.ts";
import { shims } from "./support/binaries.ts";
import { exec, stdoutOf } from "./support/exec-order.ts";
import { isRoot } from "./support/links.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";

/** A directory with the plugin binary, as it is installed, and what would betray that a network's words were followed. */
class Trap implements Disposable {
  readonly directory = new ScratchDirectory("itself");
  readonly binary = join(this.directory.path, "multus");
  readonly plugins = join(this.directory.path, "plugins");

  constructor(binary: string) {
    copyFileSync(binary, this.binary);
    mkdirSync(this.plugins);
  }

  /** Configuration of a network's author who wants to be root on the node. */
  network(more: Readonly<Record<string, unknown>> = {}): string {
    return JSON.stringify({
      cniVersion: "1.0.0",
      name: "evil",
      type: "multus",
      daemonCommand: ["/bin/sh", "-c", `touch ${this.directory.path}/executed`],
      daemonSocketDir: join(this.directory.path, "made", "run"),
      cniDir: join(this.directory.path, "made", "cni"),
      daemonStartTimeoutMs: 2000,
      ...more,
    });
  }

  addPlugin(name: string, script: string): void {
    const file = join(this.plugins, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
  }

  /** Nothing was executed, and no directory made. */
  expectUntouched(): void {
    expect(readdirSync(this.directory.path).sort()).toEqual(["multus", "plugins"]);
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }
}

const says = expect.stringContaining("Multus cannot be a delegate of Multus");

/** An EXEC of a plugin among those of the trap. */
function order(trap: Trap, plugin: string, netns: string, stdin: string, command = "ADD"): FrameBody {
  const path = `${trap.plugins}:${debianPlugins}`;
  return {
    plugin,
    path,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: "container1",
      CNI_NETNS: netns,
      CNI_IFNAME: "net1",
      CNI_PATH: path,
    },
    stdin: Buffer.from(stdin),
  };
}

describe.each(shims)("the $name shim", ({ binary }) => {
  const call = (trap: Trap, command: string) => ({
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: "container1",
      CNI_NETNS: "/run/netns/none",
      CNI_IFNAME: "net1",
      CNI_PATH: trap.plugins,
      MULTUS_DELEGATE: "1",
    },
    stdin: trap.network(),
  });

  test.each(["ADD", "CHECK", "GC", "STATUS"])(
    "started below itself with %s refuses, before it reads what the network names",
    async (command) => {
      using trap = new Trap(binary);
      const error = errorOf(await runCommand([trap.binary], call(trap, command)));
      expect(error).toEqual({ code: 7, msg: says, details: expect.stringContaining("MULTUS_DELEGATE") });
      trap.expectUntouched();
    },
  );

  test("started below itself lets a DEL succeed, and does nothing for it", async () => {
    using trap = new Trap(binary);
    const outcome = await runCommand([trap.binary], call(trap, "DEL"));
    expect(outcome).toMatchObject({ exitCode: 0, stdout: Buffer.alloc(0), stderr: "" });
    trap.expectUntouched();
  });

  test("started below itself still says which versions it speaks", async () => {
    using trap = new Trap(binary);
    const { exitCode, stdout } = await runCommand([trap.binary], call(trap, "VERSION"));
    expect([exitCode, JSON.parse(stdout.toString())]).toEqual([
      0,
      expect.objectContaining({ supportedVersions: expect.arrayContaining(["1.0.0"]) }),
    ]);
  });

  test("runs its own file under no name, and a copy of it refuses", async () => {
    using trap = new Trap(binary);
    await using daemon = await ShimDaemon.create(trap.binary);
    linkSync(trap.binary, join(trap.plugins, "multus"));
    linkSync(trap.binary, join(trap.plugins, "macvlan-fast"));
    symlinkSync(trap.binary, join(trap.plugins, "link"));
    copyFileSync(trap.binary, join(trap.plugins, "copy"));
    trap.addPlugin("flannel", `exec ${trap.plugins}/multus`);
    const { stream } = await daemon.connected({ env: { CNI_PATH: `${trap.plugins}:${debianPlugins}` } });
    const run = (plugin: string) =>
      exec(daemon, stream, plugin, order(trap, plugin, "/run/netns/none", trap.network()));
    for (const plugin of ["multus", "macvlan-fast", "link"]) {
      expect(await run(plugin)).toEqual({ error: "refused", message: says });
    }
    // As a plugin of another name, or of one that runs plugins itself, it is started and finds the mark.
    for (const plugin of ["copy", "flannel"]) {
      const done = await run(plugin);
      expect(done).toMatchObject({ exitCode: 1 });
      expect(JSON.parse(stdoutOf(done))).toMatchObject({ code: 7, msg: says });
    }
    trap.expectUntouched();
  });

  test.runIf(isRoot)("as IPAM of a delegate runs nothing, and the DEL succeeds", async () => {
    using trap = new Trap(binary);
    await using pod = await Namespace.create("itself");
    await using daemon = await ShimDaemon.create(trap.binary);
    linkSync(trap.binary, join(trap.plugins, "multus"));
    const path = `${trap.plugins}:${debianPlugins}`;
    const network = trap.network({ type: "ptp", ipam: { type: "multus" } });
    const add = await daemon.connected({ env: { CNI_PATH: path, CNI_NETNS: pod.path } });
    const added = await exec(daemon, add.stream, "ptp", order(trap, "ptp", pod.path, network));
    expect(added).toMatchObject({ exitCode: 1 });
    expect(JSON.parse(stdoutOf(added))).toMatchObject({ msg: says });
    const del = await daemon.connected({ env: { CNI_COMMAND: "DEL", CNI_PATH: path, CNI_NETNS: pod.path } });
    const deleted = await exec(daemon, del.stream, "ptp", order(trap, "ptp", pod.path, network, "DEL"));
    expect(deleted).toMatchObject({ exitCode: 0 });
    trap.expectUntouched();
  });

  test("as an agent runs its own file only where it plays the runtime, and then without the mark", async () => {
    using trap = new Trap(binary);
    linkSync(trap.binary, join(trap.plugins, "multus"));
    trap.addPlugin("plugin", 'echo "<$MULTUS_DELEGATE>"');
    const env = { PATH: process.env.PATH, MULTUS_DELEGATE: "1" };
    for (const [options, mark] of [
      [[], "1"],
      [["--as-runtime"], ""],
    ] as const) {
      const path = `${trap.plugins}:${debianPlugins}`;
      const agent = spawnAgent([trap.binary, "agent", ...options, "--path", path, "--fd", "3"], env);
      await agent.stream.greet("agent");
      const ordered = { ...order(trap, "plugin", "", trap.network(), "STATUS"), timeoutMs: 10_000 };
      expect(stdoutOf(await agent.stream.order(16, ordered))).toBe(`<${mark}>\n`);
      const own = await agent.stream.order(16, { ...ordered, plugin: "multus" });
      if (mark === "1") expect(own).toEqual({ error: "refused", message: says });
      else expect(own).toMatchObject({ exitCode: 0 });
      agent.stream.destroy();
      await agent.end;
    }
  });

  test("gives a daemon that it starts no mark", async () => {
    using trap = new Trap(binary);
    await using daemon = await ShimDaemon.create(trap.binary, { listening: false });
    const dump = join(trap.plugins, "environment");
    const script = `env > ${dump}.new; mv ${dump}.new ${dump}; exit 1`;
    const config = daemon.config({ daemonCommand: ["/bin/sh", "-c", script] });
    const { outcome } = daemon.run({ config, env: { MULTUS_OTHER: "kept" } });
    expect((await outcome).exitCode).toBe(1);
    const { stdout } = await runCommand(["cat", dump]);
    expect(stdout.toString()).toContain("MULTUS_OTHER=kept");
    expect(stdout.toString()).not.toContain("MULTUS_DELEGATE");
  });
});
