/** LINK_EXISTS and EXEC's absentLink, in real network namespaces. */

import { readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { FrameType } from "../../src/agent/frames.ts";
import { runOrThrow } from "../support/command.ts";
import { Namespace } from "../support/namespace.ts";
import { shims } from "./support/binaries.ts";
import { exec, stdoutOf } from "./support/exec-order.ts";
import { addLink, isRoot } from "./support/links.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";

describe.runIf(isRoot).each(shims)("links, $name shim", ({ binary }) => {
  test("sees the links of the namespace it is asked about, also by an alternative name, and of no other", async () => {
    await using namespace = await Namespace.create("links");
    await addLink(namespace, "net1");
    await namespace.ip("link", "property", "add", "dev", "net1", "altname", "alternative");
    await using daemon = await ShimDaemon.create(binary);
    const own = "/proc/self/ns/net";
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    // An ADD there is refused.
    const call = await daemon.connected({ env: { CNI_COMMAND: "CHECK", CNI_NETNS: own } });
    const exists = (netns: string, ifName: string) =>
      (netns === own ? call.stream : stream).order(FrameType.linkExists, { netns, ifName });
    expect(await exists(namespace.path, "net1")).toEqual({ exists: true });
    expect(await exists(namespace.path, "alternative")).toEqual({ exists: true });
    expect(await exists(namespace.path, "net2")).toEqual({ exists: false });
    expect(await exists(namespace.path, "net")).toEqual({ exists: false });
    expect(await exists(own, "lo")).toEqual({ exists: true });
    expect(await exists(own, "net1")).toEqual({ exists: false });
    await namespace.ip("link", "del", "net1");
    expect(await exists(namespace.path, "net1")).toEqual({ exists: false });
  });

  test("starts no plugin where absentLink is there, and starts it where it is not", async () => {
    await using namespace = await Namespace.create("absent");
    await addLink(namespace, "net1");
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "readlink /proc/self/ns/net");
    const { stream } = await daemon.connected({ env: { CNI_NETNS: namespace.path } });
    const attach = (ifName: string) =>
      exec(daemon, stream, "plugin", { absentLink: { netns: namespace.path, ifName } });
    expect(await attach("net1")).toEqual({
      error: "link-exists",
      message: `interface net1 is already there in ${namespace.path}`,
    });
    // The plugin runs in the runtime's namespace, as if nobody had ever looked into another.
    expect(stdoutOf(await attach("net2")).trim()).toBe(readlinkSync("/proc/self/ns/net"));
  });

  test("says when a namespace cannot be entered", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "echo ran");
    await runOrThrow(["mkfifo", daemon.path("fifo")]);
    for (const [netns, says] of [
      ["/run/netns/mwt-never-made", "No such file or directory"],
      [daemon.pluginDirectory, "Invalid argument"],
      [daemon.path("fifo"), "Invalid argument"],
      ["/proc/self/ns/mnt", "Invalid argument"],
    ] as const) {
      const { stream } = await daemon.connected({ env: { CNI_NETNS: netns } });
      const expected = { error: "netns", message: expect.stringContaining(`${netns}: ${says}`) };
      expect(await stream.order(FrameType.linkExists, { netns, ifName: "eth0" })).toEqual(expected);
      expect(await exec(daemon, stream, "plugin", { absentLink: { netns, ifName: "eth0" } })).toEqual(
        expected,
      );
      stream.reply(1, '{"code":3,"msg":"done"}');
    }
  });

  test("leaves no descriptor open, however often it looks", async () => {
    await using namespace = await Namespace.create("often");
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "true");
    const env = { CNI_NETNS: namespace.path };
    const { stream, child, outcome } = await daemon.connected({ env });
    const descriptors = async () =>
      (await runOrThrow(["ls", `/proc/${child.pid}/fd`])).trim().split("\n").length;
    const look = async () => {
      await stream.order(FrameType.linkExists, { netns: namespace.path, ifName: "net1" });
      await stream.order(FrameType.linkExists, { netns: "/nonexistent", ifName: "net1" });
      await stream.order(FrameType.defaultRoute, {
        netns: namespace.path,
        ifName: "lo",
        clear: [4, 6],
        add: [],
      });
      await exec(daemon, stream, "plugin");
      await exec(daemon, stream, "absent");
    };
    await look();
    const before = await descriptors();
    for (let i = 0; i < 20; i++) await look();
    expect(await descriptors()).toBe(before);
    stream.reply(1, '{"code":999,"msg":"end"}');
    expect(errorOf(await outcome)).toEqual({ code: 999, msg: "end" });
  });
});
