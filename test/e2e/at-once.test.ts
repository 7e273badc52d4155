/** Networks whose plugins run at once, with real plugins: what a pod has, and what is on disk, is as in order; and nothing stays. */

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { delegateCalls, installDelegate } from "../support/delegates.ts";
import { traces } from "../support/leaks.ts";
import { cidrs } from "../support/namespace.ts";
import { debianPlugins, masterLink, type Pod, TestNode } from "../support/test-node.ts";
import { until } from "../support/until.ts";

type Json = Readonly<Record<string, unknown>>;

let node: TestNode;
let netconf: Json;

beforeAll(async () => {
  node = await TestNode.start();
  for (const [index, name] of ["a", "b", "c"].entries()) node.writeMacvlan(name, `10.${81 + index}.0.0/24`);
  // It has one address.
  node.writeNetwork("default/full", {
    cniVersion: "1.0.0",
    name: "full",
    type: "macvlan",
    master: masterLink,
    ipam: {
      ...node.hostLocal("10.84.0.0/30"),
      ranges: [[{ subnet: "10.84.0.0/30", rangeStart: "10.84.0.2", rangeEnd: "10.84.0.2" }]],
    },
  });
  netconf = await node.bridgeNetconf("10.80.0.0/24");
});

afterAll(() => node?.[Symbol.asyncDispose]());

const withKey = (attachConcurrency: number | "auto") => ({ ...netconf, attachConcurrency });

/** A text without what differs from run to run: hardware addresses, the last part of addresses, names by chance, the pod's identity. */
function comparable(text: string, pod: Pod): string {
  return text
    .replaceAll(pod.containerId, "CONTAINER")
    .replaceAll(pod.uid, "UID")
    .replaceAll(pod.network.path, "NETNS")
    .replaceAll(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, "MAC")
    .replaceAll(/veth[0-9a-f]{8}/g, "VETH")
    .replaceAll(/10\.(8\d)\.0\.\d+/g, "10.$1.0.X");
}

async function stateOf(pod: Pod, attachConcurrency: number | "auto") {
  const key = withKey(attachConcurrency);
  const added = await node.call("ADD", pod, key);
  const links = await pod.network.links();
  const files = readdirSync(node.cniDir, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.includes(pod.containerId),
  );
  const kept = files.sort().map((name) => {
    const text = readFileSync(join(node.cniDir, name), "utf8");
    return [comparable(name, pod), comparable(text, pod)];
  });
  const { reservations } = await traces(node);
  const state = {
    answer: comparable(JSON.stringify(added.result), pod),
    kinds: Object.fromEntries(links.map(({ ifname, linkinfo }) => [ifname, linkinfo?.info_kind])),
    subnets: Object.fromEntries(
      links.map((link) => [link.ifname, cidrs(link).map((cidr) => comparable(cidr, pod))]),
    ),
    kept,
    reservations: reservations.length,
    routes: (await pod.network.routes()).map(({ dst, dev }) => `${dst} ${dev}`).sort(),
  };
  (await node.call("CHECK", pod, { ...key, checkDelegates: "all" })).expectSuccess();
  (await node.call("DEL", pod, key)).expectSuccess();
  expect(await pod.network.links()).toEqual([]);
  return state;
}

test("four networks have the same links, addresses, routes, answer, plan and results as in order", async () => {
  const before = await traces(node);
  await using first = await node.pod("web", "a,b,c");
  await using second = await node.pod("web", "a,b,c");
  const inOrder = await stateOf(first, 1);
  expect(inOrder.kinds).toEqual({ eth0: "veth", net1: "macvlan", net2: "macvlan", net3: "macvlan" });
  expect(await stateOf(second, "auto")).toEqual(inOrder);
  expect(await traces(node)).toEqual(before);
});

describe("where one network has no address left", () => {
  test.each(["full,a,b", "a,full,b", "a,b,full"])(
    "%s: the ADD names it, and undoes all",
    async (networks) => {
      const before = await traces(node);
      await using holder = await node.pod("holder", "full");
      (await node.call("ADD", holder, withKey("auto"))).expectSuccess();
      const held = await traces(node);
      await using pod = await node.pod("web", networks);
      const { error } = await node.call("ADD", pod, withKey("auto"));
      expect(error.msg).toMatch(/:default\/full\]: .*no IP addresses available/);
      expect(await pod.network.links()).toEqual([]);
      (await node.call("DEL", pod, withKey("auto"))).expectSuccess();
      expect(await traces(node)).toEqual(held);
      (await node.call("DEL", holder, withKey("auto"))).expectSuccess();
      expect(await traces(node)).toEqual(before);
    },
  );
});

test("pods at once, each with its networks at once, get an address each", async () => {
  const before = await traces(node);
  const pods = await Promise.all(Array.from({ length: 8 }, (_, index) => node.pod(`web-${index}`, "a,b,c")));
  await Promise.all(pods.map(async (pod) => (await node.call("ADD", pod, withKey("auto"))).expectSuccess()));
  const addresses = await Promise.all(
    pods.map(async (pod) => (await pod.network.links()).flatMap((link) => cidrs(link))),
  );
  expect(new Set(addresses.flat()).size).toBe(8 * 4);
  await Promise.all(pods.map(async (pod) => (await node.call("DEL", pod, withKey("auto"))).expectSuccess()));
  expect(await traces(node)).toEqual(before);
  for (const pod of pods) await pod[Symbol.asyncDispose]();
});

describe("plugins that all wait for the last of them", () => {
  const names = ["net1", "net2", "net3"];
  const calls = () => delegateCalls(node).map(({ command, ifName }) => `${command} ${ifName}`);
  /** There when they may go on. */
  let goes: string;

  beforeAll(() => {
    goes = join(node.directory, "goes");
    const wait = `while [ ! -e ${goes} ]; do sleep 0.01; done\nexec ${join(debianPlugins, "macvlan")}`;
    installDelegate(node, "waiting", wait, wait);
    for (const [index, name] of ["w1", "w2", "w3"].entries()) {
      node.writeMacvlan(name, `10.${85 + index}.0.0/24`, "waiting");
    }
  });

  test("run at once with a number, in ADD and DEL, also where auto keeps order", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "w1,w2,w3");
    const adding = node.call("ADD", pod, withKey(3));
    await until("all have begun", () => calls().length === 3);
    writeFileSync(goes, "");
    (await adding).expectSuccess();
    rmSync(goes);
    const deleting = node.call("DEL", pod, withKey(3));
    await until("all have begun", () => calls().length === 6);
    writeFileSync(goes, "");
    (await deleting).expectSuccess();
    expect(calls().slice(0, 3).sort()).toEqual(names.map((name) => `ADD ${name}`));
    expect(calls().slice(3).sort()).toEqual(names.map((name) => `DEL ${name}`));
    expect(await traces(node)).toEqual(before);
  });

  test("a daemon that is killed meanwhile leaves a plan, by which the next DEL removes all", async () => {
    rmSync(goes, { force: true });
    const before = await traces(node);
    const soFar = calls().length;
    await using pod = await node.pod("web", "w1,w2,w3");
    const adding = node.call("ADD", pod, { ...withKey(3), daemonWaitSeconds: 1 });
    await until("all have begun", () => calls().length === soFar + 3);
    await node.daemon.stop("SIGKILL");
    writeFileSync(goes, "");
    expect((await adding).error.code).toBe(11);
    await node.daemon.start();
    (await node.call("DEL", pod, withKey(3))).expectSuccess();
    expect(await pod.network.links()).toEqual([]);
    expect(await traces(node)).toEqual(before);
  });
});
