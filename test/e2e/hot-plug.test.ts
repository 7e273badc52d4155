/** POST /delegate: a controller plugs one network into a pod that runs, checks it and takes it out, and the pod's own DEL leaves nothing of it. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { delegateCalls, installDelegate } from "../support/delegates.ts";
import { goJson, type HttpAnswer, post } from "../support/go-shim.ts";
import { traces } from "../support/leaks.ts";
import { cidrs } from "../support/namespace.ts";
import { debianPlugins, masterLink, type Pod, TestNode } from "../support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

let node: TestNode;
let netconf: Json;

/** A network that a controller brings. */
const network = (name: string, subnet: string, further: Json = {}): Json => ({
  cniVersion: "1.0.0",
  name,
  type: "macvlan",
  master: masterLink,
  mode: "bridge",
  ipam: node.hostLocal(subnet),
  ...further,
});

/** Sends what Go multus's client library sends for a controller: no CNI_PATH unless it is told of one, and no more CNI_ARGS than these. */
function plug(
  command: string,
  pod: Pod,
  ifName: string,
  config: Json,
  interfaceAttributes?: Json,
  path?: string,
): Promise<HttpAnswer> {
  const env = {
    CNI_ARGS: `K8S_POD_NAMESPACE=${pod.namespace};K8S_POD_NAME=${pod.name};K8S_POD_UID=${pod.uid}`,
    CNI_COMMAND: command,
    CNI_CONTAINERID: pod.containerId,
    CNI_IFNAME: ifName,
    CNI_NETNS: pod.network.path,
    ...(path === undefined ? {} : { CNI_PATH: path }),
  };
  const body = { env, config: Buffer.from(JSON.stringify(config)).toString("base64"), interfaceAttributes };
  return post(join(node.socketDir, "multus.sock"), "/delegate", goJson(body));
}

const names = async (pod: Pod) => (await pod.network.links()).map(({ ifname }) => ifname);
const nothing = expect.objectContaining({ status: 200, body: "" });

beforeAll(async () => {
  node = await TestNode.start({ isDaemonInNetwork: true });
  // The daemon's own configuration has the settings that a request of this kind does not bring.
  await node.daemon.stop();
  const { socketDir, nadDir, cniDir } = node;
  node.daemon.configure({ socketDir, nadDir, cniDir, binDir: debianPlugins, logLevel: "debug" });
  await node.daemon.start();
  netconf = { ...(await node.bridgeNetconf("10.50.0.0/24")), binDir: debianPlugins };
  node.writeMacvlan("storage", "10.51.0.0/24");
  await using pod = await node.pod("first");
  await plug("ADD", pod, "net1", network("first", "10.52.0.0/24"));
  await plug("DEL", pod, "net1", network("first", "10.52.0.0/24"));
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

describe("a network that is plugged in", () => {
  test("is there with what was asked for it, is checked, and goes alone", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const withPod = await traces(node);
    const plan = readFileSync(join(node.cniDir, pod.containerId), "utf8");

    const video = network("video", "10.53.0.0/24", { capabilities: { mac: true, ips: true } });
    const attributes = { mac: "02:00:00:00:53:07", ips: ["10.53.0.77/24"], "cni-args": { note: "hot" } };
    const added = await plug("ADD", pod, "net7", video, attributes);
    expect(added).toMatchObject({ status: 200 });
    expect(JSON.parse(added.body)).toMatchObject({
      Result: {
        cniVersion: "1.0.0",
        interfaces: [{ name: "net7", mac: "02:00:00:00:53:07", sandbox: pod.network.path }],
        ips: [{ address: "10.53.0.77/24" }],
      },
    });
    const link = await pod.network.link("net7");
    expect([link.address, ...cidrs(link)]).toEqual(["02:00:00:00:53:07", "10.53.0.77/24"]);
    expect(await plug("CHECK", pod, "net7", video)).toEqual(nothing);
    (await node.call("CHECK", pod, netconf)).expectSuccess();

    expect(await plug("DEL", pod, "net7", video)).toEqual(nothing);
    expect(await names(pod)).toEqual(["eth0", "net1"]);
    expect(await traces(node)).toEqual(withPod);
    expect(readFileSync(join(node.cniDir, pod.containerId), "utf8")).toBe(plan);
    // Once more, as a controller may.
    expect(await plug("DEL", pod, "net7", video)).toEqual(nothing);

    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("goes with the pod", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const video = {
      cniVersion: "0.4.0",
      name: "video",
      plugins: [network("video", "10.53.0.0/24"), { type: "tuning", sysctl: {} }],
    };
    expect(await plug("ADD", pod, "net7", video)).toMatchObject({ status: 200 });
    expect(await names(pod)).toEqual(["eth0", "net1", "net7"]);
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await names(pod)).toEqual([]);
    expect(await traces(node)).toEqual(before);
  });

  test("goes with a pod whose plan is lost", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web");
    expect(await plug("ADD", pod, "net7", network("video", "10.53.0.0/24"))).toMatchObject({ status: 200 });
    expect(existsSync(join(node.cniDir, pod.containerId))).toBe(false);
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("that the pod's own annotation asked for is taken out of its plan, and the others keep their interfaces", async () => {
    const before = await traces(node);
    node.writeMacvlan("later", "10.54.0.0/24");
    await using pod = await node.pod("web", "storage,later");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    expect(await plug("DEL", pod, "net1", network("storage", "10.51.0.0/24"))).toEqual(nothing);
    expect(await names(pod)).toEqual(["eth0", "net2"]);
    (await node.call("CHECK", pod, netconf)).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });
});

describe("a request that cannot be carried out is an error, and leaves nothing", () => {
  const errorOf = ({ status, body }: HttpAnswer) => {
    expect(status).toBe(400);
    return JSON.parse(body) as { code: number; msg: string };
  };

  test("an interface that is there, another network's or the cluster's", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const withPod = await traces(node);
    const video = network("video", "10.53.0.0/24");
    expect(errorOf(await plug("ADD", pod, "net1", video))).toMatchObject({
      code: 4,
      msg: expect.stringContaining(`interface net1 (CNI_IFNAME) is already in ${pod.network.path}`),
    });
    expect(errorOf(await plug("DEL", pod, "net1", video))).toMatchObject({
      code: 7,
      msg: expect.stringContaining("belongs to network storage, not to video"),
    });
    expect(errorOf(await plug("DEL", pod, "eth0", { ...video, name: "cluster" }))).toMatchObject({
      code: 7,
      msg: expect.stringContaining("cluster network"),
    });
    expect(errorOf(await plug("CHECK", pod, "net9", video)).code).toBe(3);
    expect(await traces(node)).toEqual(withPod);
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("a plugin that fails in the middle of its chain", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const withPod = await traces(node);
    const video = {
      cniVersion: "1.0.0",
      name: "video",
      plugins: [network("video", "10.53.0.0/24"), { type: "no-such-plugin" }],
    };
    expect(errorOf(await plug("ADD", pod, "net7", video))).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/^\[default\/web\/.*:video\]: plugin "no-such-plugin" \(ADD\): not found/),
    });
    expect(await names(pod)).toEqual(["eth0", "net1"]);
    expect(await traces(node)).toEqual(withPod);
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("a bad address, a network without a name", async () => {
    await using pod = await node.pod("web");
    const video = network("video", "10.53.0.0/24");
    expect(errorOf(await plug("ADD", pod, "net7", video, { ips: ["10.53.0.300"] }))).toEqual({
      cniVersion: "1.0.0",
      code: 7,
      msg: expect.stringMatching(
        /interfaceAttributes: ips\[0\] must be an IP address or CIDR, is "10\.53\.0\.300"/,
      ),
    });
    expect(errorOf(await plug("ADD", pod, "net7", network("", "10.53.0.0/24"))).msg).toMatch(/has no name/);
    expect(errorOf(await plug("ADD", pod, "", video)).msg).toMatch(/needs CNI_IFNAME/);
    expect(errorOf(await plug("GC", pod, "net7", video)).code).toBe(4);
  });
});

test("STATUS asks the network's plugins", async () => {
  await using pod = await node.pod("web");
  const missing = { cniVersion: "1.1.0", name: "video", type: "no-such-plugin" };
  const answer = await plug("STATUS", pod, "net7", missing);
  expect([answer.status, JSON.parse(answer.body)]).toMatchObject([400, { code: 50 }]);
  // Below 1.1.0 there is nothing to ask.
  expect(await plug("STATUS", pod, "net7", { ...missing, cniVersion: "1.0.0" })).toEqual(nothing);
});

// Last: the agent that the others share is killed with its daemon.
test.each(["with its plan", "without a plan"])(
  "a network goes with its pod, %s, where the daemon was killed while it was plugged in",
  async (plan) => {
    const tracesOfPods = async () => ({ ...(await traces(node)), processes: [] });
    const before = await tracesOfPods();
    await using pod = await node.pod("web");
    if (plan === "with its plan") (await node.call("ADD", pod, netconf)).expectSuccess();
    const release = join(node.directory, `release-${pod.containerId}`);
    installDelegate(node, "held", `cat > /dev/null\nuntil [ -e ${release} ]; do sleep 0.02; done`);
    const plugins = [network("video", "10.53.0.0/24"), { type: "held" }];
    const video = { cniVersion: "1.0.0", name: "video", plugins };
    const path = `${node.binDir}:${debianPlugins}`;
    const adding = plug("ADD", pod, "net7", video, undefined, path).catch(() => "no answer");
    const called = () => delegateCalls(node).map(({ containerId }) => containerId);
    await vi.waitFor(() => expect(called()).toContain(pod.containerId), patience);
    await node.daemon.stop("SIGKILL");
    expect(await adding).toBe("no answer");
    expect(await names(pod)).toContain("net7");
    writeFileSync(release, "");
    await vi.waitFor(async () => expect((await traces(node)).processes).toEqual([]), patience);

    await node.daemon.start();
    (await node.call("DEL", pod, netconf, { path })).expectSuccess();
    expect(await names(pod)).toEqual([]);
    expect(await tracesOfPods()).toEqual(before);
  },
);
