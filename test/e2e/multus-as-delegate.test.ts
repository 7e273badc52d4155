/** A network whose plugin is Multus itself would let its author choose a program that the node runs as root. The real shim is installed as the plugin that such a network names. */

import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post } from "../support/go-shim.ts";
import { traces } from "../support/leaks.ts";
import { debianPlugins, masterLink, type Pod, shim, TestNode } from "../support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;

let node: TestNode;
let netconf: Json;

/** Directory that the attacks would make. */
const loot = () => join(node.directory, "loot");

/** The nested Multus's netconf: its program is run as root where no daemon serves the directory that it names. */
const rootShell = (): Json => ({
  cniVersion: "1.0.0",
  type: "multus",
  name: "evil",
  daemonCommand: ["/bin/sh", "-c", `mkdir -p ${loot()} && id > ${loot()}/root`],
  daemonSocketDir: join(loot(), "run"),
  cniDir: join(loot(), "cni"),
  clusterNetwork: "x",
});

/** Aimed at the daemon that works on the outer request: it would wait behind itself. */
const atTheDaemon = (): Json => ({
  cniVersion: "1.0.0",
  type: "multus",
  name: "evil",
  daemonSocketDir: node.socketDir,
  cniDir: join(loot(), "cni"),
  delegates: [{ cniVersion: "1.0.0", name: "inner", type: "bridge", bridge: "cni0", ipam: {} }],
});

const macvlan = (): Json => ({ type: "macvlan", master: masterLink, mode: "bridge", ipam: {} });
const later = (plugin: Json): Json => ({
  cniVersion: "1.0.0",
  name: "evil",
  plugins: [macvlan(), plugin],
});

beforeAll(async () => {
  node = await TestNode.start({ isDaemonInNetwork: true });
  await node.daemon.stop();
  const { socketDir, nadDir, cniDir } = node;
  node.daemon.configure({ socketDir, nadDir, cniDir, binDir: node.binDir, logLevel: "debug" });
  await node.daemon.start();
  for (const name of ["multus", "multus-shim", ".multus.new"]) copyFileSync(shim, join(node.binDir, name));
  netconf = await node.bridgeNetconf("10.50.0.0/24");
  node.writeMacvlan("storage", "10.51.0.0/24");
  // Bridge and addresses' directories are there from now on.
  await using pod = await node.pod("first", "storage");
  (await node.call("ADD", pod, netconf)).expectSuccess();
  (await node.call("DEL", pod, netconf)).expectSuccess();
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

interface Attack {
  readonly about: string;
  readonly config: () => Json;
  readonly says: RegExp;
}

const attacks: readonly Attack[] = [
  { about: "a root shell", config: rootShell, says: /type "multus" is Multus itself/ },
  {
    about: "a root shell as a later plugin",
    config: () => later(rootShell()),
    says: /plugins\[1\]: type "multus" is/,
  },
  {
    about: "a root shell under Go multus's other name",
    config: () => ({ ...rootShell(), type: "multus-shim" }),
    says: /type "multus-shim" is Multus itself/,
  },
  {
    about: "a root shell under the name of an installation",
    config: () => ({ ...rootShell(), type: ".multus.new" }),
    says: /type "\.multus\.new" begins with a dot/,
  },
  {
    about: "a root shell in place of addresses",
    config: () => ({ cniVersion: "1.0.0", name: "evil", ...macvlan(), ipam: rootShell() }),
    says: /ipam\.type "multus" is Multus itself/,
  },
  { about: "the daemon's own socket", config: atTheDaemon, says: /type "multus" is Multus itself/ },
  {
    about: "the daemon's own socket as a later plugin",
    config: () => later(atTheDaemon()),
    says: /plugins\[1\]: type "multus" is/,
  },
];

/** A plan's entry as Go multus 4.3 writes it. */
function goEntry(config: Json): Json {
  const { cniVersion, name, type, plugins } = config;
  return {
    Conf: plugins === undefined ? { cniVersion, name, type, ipam: {} } : { cniVersion, name, ipam: {} },
    ConfList: plugins === undefined ? {} : { cniVersion, name, plugins },
    Name: "default/evil",
    IsFilterV4Gateway: false,
    IsFilterV6Gateway: false,
    Bytes: Buffer.from(JSON.stringify(config)).toString("base64"),
  };
}

const planOf = (pod: Pod) => join(node.cniDir, pod.containerId);

describe.each(attacks)("$about", ({ config, says }) => {
  test("is refused by an ADD before anything runs, and its DEL succeeds", async () => {
    const before = await traces(node);
    node.writeNetwork("default/evil", config());
    await using pod = await node.pod("web", "storage,evil");
    const { error } = await node.call("ADD", pod, netconf);
    expect(error.code).toBe(7);
    expect(error.msg).toMatch(says);
    expect(error.msg).toContain("default/evil");
    expect(await pod.network.links()).toEqual([]);
    (await node.call("DEL", pod, netconf)).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(existsSync(loot())).toBe(false);
    expect(await traces(node)).toEqual(before);
  });

  test("in a plan that Go multus left is passed over by the DEL, which takes the others away", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const [cluster, storage] = JSON.parse(readFileSync(planOf(pod), "utf8"));
    // Places count: the network behind it says which interface it has.
    const plan = [cluster, goEntry(config()), { ...storage, ifnameRequest: "net1" }];
    writeFileSync(planOf(pod), JSON.stringify(plan));
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(existsSync(planOf(pod))).toBe(false);
    expect(existsSync(loot())).toBe(false);
    expect(await traces(node)).toEqual(before);
  });

  test("is refused where a controller plugs it into a running pod", async () => {
    await using pod = await node.pod("web");
    const send = (command: string) => {
      const env = {
        CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=${pod.uid}`,
        CNI_COMMAND: command,
        CNI_CONTAINERID: pod.containerId,
        CNI_IFNAME: "net5",
        CNI_NETNS: pod.network.path,
        CNI_PATH: `${node.binDir}:${debianPlugins}`,
      };
      const body = { env, config: Buffer.from(JSON.stringify(config())).toString("base64") };
      return post(join(node.socketDir, "multus.sock"), "/delegate", JSON.stringify(body));
    };
    const { status, body } = await send("ADD");
    expect(status).toBe(400);
    expect(JSON.parse(body)).toMatchObject({ code: 7, msg: expect.stringMatching(says) });
    expect(await send("DEL")).toMatchObject({ status: 200 });
    expect(existsSync(loot())).toBe(false);
  });
});

test("a cluster network's directory whose first file is Multus's own is said at once, and its DEL succeeds", async () => {
  const before = await traces(node);
  const directory = join(node.directory, "etc");
  mkdirSync(directory);
  writeFileSync(join(directory, "00-multus.conf"), JSON.stringify({ ...netconf, clusterNetwork: directory }));
  const own = { ...netconf, delegates: undefined, clusterNetwork: directory };
  await using pod = await node.pod("web");
  for (const further of [{}, { readinessindicatorfile: join(node.directory, "never") }]) {
    const { error } = await node.call("ADD", pod, { ...own, ...further });
    expect(error).toMatchObject({ code: 7 });
    expect(error.msg).toMatch(
      /clusterNetwork .*\/etc: network "multus-test": type "multus" is Multus itself/,
    );
  }
  const status = await node.call("STATUS", pod, { ...own, cniVersion: "1.1.0" });
  expect(status.error.code).toBe(50);
  writeFileSync(planOf(pod), JSON.stringify([goEntry({ ...rootShell(), name: "multus-test" })]));
  (await node.call("DEL", pod, own)).expectSuccess();
  (await node.call("DEL", pod, own)).expectSuccess();
  expect(existsSync(loot())).toBe(false);
  expect(await traces(node)).toEqual(before);
});
