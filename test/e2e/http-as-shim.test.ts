/** Go multus's shim in front of our daemon: over HTTP a pod gets the same as through our own plugin, field by field. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GoShim, goShimReleases } from "../support/go-shim.ts";
import { traces } from "../support/leaks.ts";
import type { PluginAnswer } from "../support/plugin.ts";
import { debianPlugins, masterLink, type Pod, TestNode } from "../support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;
type Caller = (command: "ADD" | "DEL" | "CHECK", pod: Pod) => Promise<PluginAnswer>;

const newest = goShimReleases.at(-1);
if (newest === undefined) throw new Error("there is no release of the shim");

/** Puts a placeholder for each value that differs from pod to pod. */
function withoutIdentity(value: unknown, pod: Pod): unknown {
  const text = JSON.stringify(value)
    .replaceAll(pod.network.path, "<netns>")
    .replaceAll(pod.containerId, "<container>")
    .replaceAll(pod.uid, "<uid>")
    .replaceAll(/\bveth[0-9a-f]{8}\b/g, "<veth>")
    .replaceAll(/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, "<mac>")
    .replaceAll(/\b(10\.\d+\.0)\.(?!1")\d+\b/g, "$1.<host>");
  return JSON.parse(text);
}

async function linksOf(pod: Pod): Promise<unknown> {
  const links = await pod.network.links();
  return links.map(({ ifname, mtu, linkinfo, addr_info }) => ({
    ifname,
    mtu,
    kind: linkinfo?.info_kind,
    families: addr_info.map(({ family, prefixlen, scope }) => ({ family, prefixlen, scope })),
  }));
}

describe.each(["0.3.1", "0.4.0", "1.0.0", "1.1.0"])("a netconf of %s", (cniVersion) => {
  let node: TestNode;
  let netconf: Json;
  let throughGo: GoShim;

  beforeAll(async () => {
    node = await TestNode.start({ isDaemonInNetwork: true });
    for (const [name, subnet] of [
      ["storage", "10.71.0.0/24"],
      ["video", "10.72.0.0/24"],
    ] as const) {
      node.writeNetwork(`default/${name}`, {
        cniVersion: cniVersion === "1.1.0" ? "1.0.0" : cniVersion,
        name,
        type: "macvlan",
        master: masterLink,
        mode: "bridge",
        ipam: node.hostLocal(subnet),
      });
    }
    netconf = { ...(await node.bridgeNetconf("10.70.0.0/24")), cniVersion };
    throughGo = new GoShim(join(node.socketDir, "multus.sock"), newest);
    // Starts the agent, which stays for the next.
    await using pod = await node.pod("first");
    (await throughGo.call(node.podCall("ADD", pod, netconf))).expectSuccess();
    (await throughGo.call(node.podCall("DEL", pod, netconf))).expectSuccess();
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  test("gives a pod the same, checks it and takes it away", async () => {
    const before = await traces(node);
    await using own = await node.pod("web", "storage, video@vid0");
    await using go = await node.pod("web", "storage, video@vid0");
    const callers: readonly (readonly [Pod, Caller])[] = [
      [own, (command, pod) => node.call(command, pod, netconf)],
      [go, (command, pod) => throughGo.call(node.podCall(command, pod, netconf))],
    ];
    const seen = [];
    for (const [pod, call] of callers) {
      const added = await call("ADD", pod);
      const result = withoutIdentity(added.result, pod);
      const links = await linksOf(pod);
      const state = (await traces(node)).state.filter((file) => file.includes(pod.containerId)).length;
      const again = withoutIdentity((await call("ADD", pod)).error.msg, pod);
      const checked = await call("CHECK", pod);
      const check = checked.exitCode === 0 ? "" : withoutIdentity(checked.error.msg, pod);
      await pod.network.ip("link", "del", "net1");
      const broken = withoutIdentity((await call("CHECK", pod)).error.msg, pod);
      const removed = (await call("DEL", pod)).expectSuccess().stdout;
      const removedAgain = (await call("DEL", pod)).expectSuccess().stdout;
      const left = await pod.network.links();
      seen.push({ result, links, state, again, check, broken, removed, removedAgain, left });
    }
    const [ours, theirs] = seen;
    const withName = (text: unknown, name: string) => `${name} (shim): ${text}`;
    expect(theirs).toEqual({
      ...ours,
      again: withName(ours?.again, "CmdAdd"),
      check: ours?.check === "" ? "" : withName(ours?.check, "CmdCheck"),
      broken: withName(ours?.broken, "CmdCheck"),
    });
    // Below 0.4.0 there is no CHECK; else the interface is looked at by the shim, and by the daemon's agent.
    if (cniVersion !== "0.3.1")
      expect(ours?.broken).toContain("default/storage]: interface net1 is missing in <netns>");
    expect(ours?.result).toMatchObject({ cniVersion, ips: [{ address: "10.70.0.<host>/24" }] });
    expect(await traces(node)).toEqual(before);
  });

  test("answers STATUS and GC as our own plugin does", async () => {
    const before = await traces(node);
    await using kept = await node.pod("kept", "storage");
    await using lost = await node.pod("lost", "storage");
    const own = (call: Parameters<GoShim["call"]>[0]) => node.call(call.command, kept, netconf, call);
    const go = (call: Parameters<GoShim["call"]>[0]) => throughGo.call(call);
    for (const [caller, prefix] of [
      [own, ""],
      [go, "(shim): "],
    ] as const) {
      for (const pod of [kept, lost]) (await node.call("ADD", pod, netconf)).expectSuccess();
      const common = { containerId: "", netns: "", ifName: "", args: "", path: debianPlugins };
      const status = await caller({ command: "STATUS", ...common, config: netconf });
      const valid = [{ containerID: kept.containerId, ifname: "eth0" }];
      const config = { ...netconf, "cni.dev/valid-attachments": valid };
      const gc = await caller({ command: "GC", ...common, config });
      if (cniVersion === "1.1.0") {
        expect([status.expectSuccess().stdout, gc.expectSuccess().stdout]).toEqual(["", ""]);
        const state = (await traces(node)).state.join();
        expect([state.includes(kept.containerId), state.includes(lost.containerId)]).toEqual([true, false]);
      } else {
        for (const { error } of [status, gc]) {
          expect(error.msg).toContain(prefix);
          expect(error.msg).toMatch(/came with spec version 1\.1\.0, but the netconf says cniVersion/);
        }
      }
      for (const pod of [kept, lost]) (await node.call("DEL", pod, netconf)).expectSuccess();
    }
    expect(await traces(node)).toEqual(before);
  });
});
