/** `multus agent --chroot`: plugins, and the namespaces that orders name, are looked for below another root. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FrameType } from "../../src/agent/frames.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { type Agent, spawnAgent } from "./support/agent.ts";
import { shims } from "./support/binaries.ts";
import { stdoutOf } from "./support/exec-order.ts";
import { addLink, isRoot } from "./support/links.ts";

const pluginDirectory = "/opt/cni/bin";

/** A root directory with one plugin, which needs nothing else: the plugin binary itself. */
function makeRoot(root: string): void {
  for (const path of [pluginDirectory, "run", "proc"]) mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, "run/pod"), "");
  copyFileSync(shims[0]?.binary ?? "", join(root, pluginDirectory, "only-here"));
}

/**
 * Starts an agent with another root.
 * @param mounts `source target` below the root; in a mount namespace of the agent's own, so that they go with it
 * @param through words that it is run through
 */
function startAgent(
  binary: string,
  root: string,
  mounts: readonly string[] = [],
  through: readonly string[] = [],
): Agent {
  const agent = [...through, binary, "agent", "--chroot", root, "--path", pluginDirectory, "--fd", "3"];
  const script = [...mounts.map((mount) => `mount --bind ${mount}`), 'exec "$0" "$@"'].join(" && ");
  return spawnAgent(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, ...agent]);
}

describe.runIf(isRoot).each(shims)("agent with another root, $name shim", ({ name, binary }) => {
  test("runs the plugins that are there, and looks into the namespaces that are there", async () => {
    await using namespace = await Namespace.create("root");
    await addLink(namespace, "net1");
    using directory = new ScratchDirectory("root");
    makeRoot(directory.path);
    const agent = startAgent(binary, directory.path, [
      `${namespace.path} ${directory.path}/run/pod`,
      // The sanitizers look into /proc when they end. The agent does without, and so does the other binary here.
      ...(name === "sanitized" ? [`/proc ${directory.path}/proc`] : []),
    ]);
    expect(await agent.stream.greet("agent")).toMatchObject({ role: "agent" });
    const link = (netns: string, ifName: string) =>
      agent.stream.order(FrameType.linkExists, { netns, ifName });
    expect(await link("/run/pod", "net1")).toEqual({ exists: true });
    expect(await link("/run/pod", "net2")).toEqual({ exists: false });
    expect(await link(namespace.path, "net1")).toMatchObject({ error: "netns" });
    const order = {
      plugin: "only-here",
      path: pluginDirectory,
      env: { CNI_COMMAND: "ADD" },
      stdin: Buffer.from("{}"),
      timeoutMs: 10_000,
    };
    expect(JSON.parse(stdoutOf(await agent.stream.order(FrameType.exec, order)))).toMatchObject({
      msg: expect.stringContaining("cannot be a delegate of Multus"),
    });
    expect(await agent.stream.order(FrameType.exec, { ...order, plugin: "sh" })).toMatchObject({
      error: "not-found",
    });
    agent.stream.destroy();
    expect(await agent.end).toEqual({ exitCode: 0, stderr: "" });
  });

  test("says why it has not got there", async () => {
    using directory = new ScratchDirectory("root");
    const missing = startAgent(binary, join(directory.path, "missing"));
    expect(await missing.end).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/cannot make .*\/missing its root directory: No such file or directory/),
    });
    const unprivileged = startAgent(
      binary,
      directory.path,
      [],
      ["setpriv", "--bounding-set=-sys_chroot", "--"],
    );
    expect(await unprivileged.end).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/cannot make .* its root directory: Operation not permitted/),
    });
  });
});
