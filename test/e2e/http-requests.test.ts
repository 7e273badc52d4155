/** Requests over HTTP when things go wrong: errors of delegates, many at once, clients that leave, agents and daemons that are killed. And where the plugins of such requests run. */

import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { DaemonStatus } from "../../src/socket/status.ts";
import { badBehaviour, delegateCalls, installDelegate } from "../support/delegates.ts";
import { cniBody, GoShim, goShimReleases, type HttpAnswer, post } from "../support/go-shim.ts";
import { traces } from "../support/leaks.ts";
import { podArgs } from "../support/plugin.ts";
import { debianPlugins, type Pod, TestNode } from "../support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

const socketOf = (node: TestNode) => join(node.socketDir, "multus.sock");

/** Sends one request to `/cni`, without asking first whether the daemon is ready. */
function send(
  node: TestNode,
  command: string,
  pod: Pod,
  netconf: Json,
  environment: Json = {},
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  const variables = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: pod.containerId,
    CNI_NETNS: pod.network.path,
    CNI_IFNAME: "eth0",
    CNI_ARGS: podArgs(pod),
    CNI_PATH: debianPlugins,
    PATH: String(process.env.PATH),
    ...environment,
  };
  const runtimeConfig = { "io.kubernetes.cri.pod-annotations": pod.annotations };
  const body = cniBody(variables, JSON.stringify({ ...netconf, runtimeConfig }));
  return post(socketOf(node), "/cni", body, signal);
}

function errorOf({ status, headers, body }: HttpAnswer): { code: number; msg: string } {
  expect([status, headers.get("content-type")]).toEqual([400, "application/json"]);
  return JSON.parse(body);
}

/** Waits until one of the delegates that note their calls has been called for the pod. */
async function untilCalled(node: TestNode, pod: Pod, command = "ADD"): Promise<void> {
  const call = expect.objectContaining({ containerId: pod.containerId, command });
  await vi.waitFor(() => expect(delegateCalls(node)).toContainEqual(call), patience);
}

const releaseFile = (node: TestNode, containerId: string) => join(node.directory, `release-${containerId}`);
/** Lets the delegate "held" go on. */
const release = (node: TestNode, pod: Pod) => writeFileSync(releaseFile(node, pod.containerId), "");

/** How many wait for their turn, as the daemon says. */
function requestsThatWait(node: TestNode): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ socketPath: socketOf(node), path: "/status" }, (response) =>
      json(response).then((status) => resolve((status as DaemonStatus<unknown>).requests.waiting), reject),
    )
      .on("error", reject)
      .end();
  });
}

/** The agents that the daemon has started. */
function agentsOf(node: TestNode): number[] {
  const { pid } = node.daemon;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
}

describe("a request over HTTP", () => {
  let node: TestNode;
  let netconf: Json;

  beforeAll(async () => {
    node = await TestNode.start({ isDaemonInNetwork: true });
    netconf = await node.bridgeNetconf("10.90.0.0/16");
    node.writeMacvlan("storage", "10.91.0.0/16");
    installDelegate(node, "bad-error", badBehaviour.error);
    node.writeNetwork("default/bad", { cniVersion: "1.0.0", name: "bad", type: "bad-error" });
    installDelegate(
      node,
      "says",
      `cat > /dev/null\necho 'a word' >&2\nenv > ${join(node.directory, "told")}\necho '{}'`,
    );
    node.writeNetwork("default/says", { cniVersion: "1.0.0", name: "says", type: "says" });
    const untilReleased = `until [ -e ${releaseFile(node, "$CNI_CONTAINERID")} ]; do sleep 0.02; done`;
    installDelegate(node, "held", `cat > /dev/null\n${untilReleased}\necho '{}'`);
    node.writeNetwork("default/held", { cniVersion: "1.0.0", name: "held", type: "held" });
    installDelegate(node, "lingers", "cat > /dev/null\necho '{}'", `cat > /dev/null\n${untilReleased}`);
    node.writeNetwork("default/lingers", { cniVersion: "1.0.0", name: "lingers", type: "lingers" });
    await using pod = await node.pod("first");
    expect((await send(node, "ADD", pod, netconf)).status).toBe(200);
    expect((await send(node, "DEL", pod, netconf)).status).toBe(200);
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  test.each(goShimReleases)(
    "of release $name is served, and its failure has a delegate's code and message",
    async (release) => {
      const before = await traces(node);
      await using pod = await node.pod("web", "storage, bad");
      const goShim = new GoShim(socketOf(node), release);
      const { error } = await goShim.call(node.podCall("ADD", pod, netconf));
      expect(error.msg).toContain("the switch is on fire");
      if (release.knowsErrorObjects) {
        expect(goShim.lastError).toMatchObject({
          code: 123,
          msg: expect.stringContaining(
            `[default/web/${pod.uid}:default/bad]: plugin "bad-error" (ADD) failed: `,
          ),
          details: "rack 7",
        });
      }
      (await goShim.call(node.podCall("DEL", pod, netconf))).expectSuccess();
      await using other = await node.pod("db", "storage");
      (await goShim.call(node.podCall("ADD", other, netconf))).expectSuccess();
      (await goShim.call(node.podCall("CHECK", other, netconf))).expectSuccess();
      (await goShim.call(node.podCall("DEL", other, netconf))).expectSuccess();
      expect(await traces(node)).toEqual(before);
    },
  );

  test("is checked like a shim's", async () => {
    await using pod = await node.pod("web");
    const refused = async (environment: Json, config: Json = netconf) =>
      errorOf(await send(node, "ADD", pod, config, environment));
    expect(await refused({ CNI_CONTAINERID: "../x" })).toMatchObject({
      code: 4,
      msg: expect.stringContaining("CNI_CONTAINERID"),
    });
    expect(await refused({ CNI_IFNAME: "a/b" })).toMatchObject({
      code: 4,
      msg: expect.stringContaining("CNI_IFNAME"),
    });
    expect(await refused({ CNI_PATH: "" })).toMatchObject({
      code: 4,
      msg: "ADD needs CNI_PATH in its environment",
    });
    expect(await refused({ CNI_COMMAND: "JUMP" })).toMatchObject({ code: 4 });
    expect(await refused({ CNI_NETNS: "/nowhere" })).toMatchObject({
      code: 4,
      msg: expect.stringContaining("CNI_NETNS /nowhere"),
    });
    expect(await refused({}, { ...netconf, binDir: 7 })).toMatchObject({
      code: 7,
      msg: expect.stringContaining("binDir must be string"),
    });
  });

  test("gives the delegates the parameters and the trace, and of the client's and the daemon's environment no more", async () => {
    await using pod = await node.pod("web", "says");
    const told = join(node.directory, "told");
    const environment = {
      LD_PRELOAD: join(node.directory, "evil.so"),
      NODE_OPTIONS: "--require=/evil.js",
      CNI_EXTRA: "away",
      PATH: "/evil",
      TRACEPARENT: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      TRACESTATE: "vendor=1",
    };
    expect(await send(node, "ADD", pod, netconf, environment)).toMatchObject({ status: 200 });
    const variables = readFileSync(told, "utf8").split("\n");
    expect(variables).toEqual(
      expect.arrayContaining([
        `PATH=${process.env.PATH}`,
        expect.stringMatching(/^TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-/),
        "TRACESTATE=vendor=1",
        "CNI_COMMAND=ADD",
        "CNI_IFNAME=net1",
        `CNI_PATH=${node.binDir}:${debianPlugins}`,
      ]),
    );
    const names = variables.flatMap((line) => (line === "" ? [] : [line.replace(/=.*/s, "")]));
    const parameters = ["COMMAND", "CONTAINERID", "NETNS", "IFNAME", "ARGS", "PATH"].map(
      (name) => `CNI_${name}`,
    );
    // The plugin's shell adds variables of its own.
    const expected = [
      ...parameters,
      "MULTUS_DELEGATE",
      "PATH",
      "TRACEPARENT",
      "TRACESTATE",
      "PWD",
      "_",
      "OLDPWD",
      "SHLVL",
    ];
    expect(names.filter((name) => !expected.includes(name))).toEqual([]);
    await vi.waitFor(() => expect(node.daemon.output).toContain('text="a word"'), patience);
    await send(node, "DEL", pod, netconf, environment);
  });

  test("is served fifty times at once", async () => {
    const before = await traces(node);
    const pods = await Promise.all(
      Array.from({ length: 50 }, (_, index) => node.pod(`p${index}`, "storage")),
    );
    const all = (command: string) => Promise.all(pods.map((pod) => send(node, command, pod, netconf)));
    const addresses = (await all("ADD")).map(({ status, body }) => {
      expect([status, body]).toEqual([200, expect.stringMatching(/^\{"Result":/)]);
      return JSON.parse(body).Result.ips[0].address;
    });
    expect(new Set(addresses).size).toBe(50);
    for (const { status } of await all("CHECK")) expect(status).toBe(200);
    for (const { status } of await all("DEL")) expect(status).toBe(200);
    for (const pod of pods) expect(await pod.network.links()).toEqual([]);
    expect(await traces(node)).toEqual(before);
    expect(agentsOf(node)).toHaveLength(1);
    await Promise.all(pods.map((pod) => pod[Symbol.asyncDispose]()));
  });

  test("of a client that leaves begins nothing more, and the DEL that follows waits for what was under way", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "held, storage");
    const leaving = new AbortController();
    const adding = send(node, "ADD", pod, netconf, {}, leaving.signal).catch(() => "left");
    await untilCalled(node, pod);
    leaving.abort();
    expect(await adding).toBe("left");
    const deleting = send(node, "DEL", pod, netconf);
    await vi.waitFor(async () => expect(await requestsThatWait(node)).toBe(1), patience);
    release(node, pod);
    expect((await deleting).status).toBe(200);
    await vi.waitFor(
      () => expect(node.daemon.output).toMatch(/ADD failed .*gone=true.*the client that asked is gone/),
      patience,
    );
    expect(await pod.network.links()).toEqual([]);
    expect(await traces(node)).toEqual(before);
  });

  test("whose agent is killed fails clearly, and the next is served by a new one", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage, held");
    const adding = send(node, "ADD", pod, netconf);
    await untilCalled(node, pod);
    const [agent = 0] = agentsOf(node);
    process.kill(agent, "SIGKILL");
    expect(errorOf(await adding)).toMatchObject({
      code: 11,
      msg: expect.stringMatching(
        /:default\/held\]: plugin "held" \(ADD\): the agent .*\/multus ended by SIGKILL before it answered EXEC, which may be done/,
      ),
    });
    // By another agent.
    expect(await pod.network.links()).toEqual([]);
    expect(agentsOf(node)).not.toContain(agent);
    expect((await send(node, "DEL", pod, netconf)).status).toBe(200);
    expect(await traces(node)).toEqual(before);
  });

  test("for DEL whose agent is killed is gone on with by a new one", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage, lingers");
    expect((await send(node, "ADD", pod, netconf)).status).toBe(200);
    const deleting = send(node, "DEL", pod, netconf);
    await untilCalled(node, pod, "DEL");
    const [agent = 0] = agentsOf(node);
    process.kill(agent, "SIGKILL");
    release(node, pod);
    expect(await deleting).toMatchObject({ status: 200, body: "" });
    const calls = delegateCalls(node).filter(({ containerId }) => containerId === pod.containerId);
    expect(calls.map(({ command }) => command)).toEqual(["ADD", "DEL", "DEL"]);
    expect(await pod.network.links()).toEqual([]);
    expect(await traces(node)).toEqual(before);
  });

  test("ends with the daemon that is killed, and so do the agent and its plugins", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage, held");
    const adding = send(node, "ADD", pod, netconf).catch(() => "no answer");
    await untilCalled(node, pod);
    await node.daemon.stop("SIGKILL");
    expect(await adding).toBe("no answer");
    release(node, pod);
    await vi.waitFor(async () => expect((await traces(node)).processes).toEqual([]), patience);
    await node.daemon.start();
    expect((await send(node, "DEL", pod, netconf)).status).toBe(200);
    expect(await pod.network.links()).toEqual([]);
    expect(await traces(node)).toEqual(before);
  });

  test("that is under way when the daemon stops is finished first", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "held, storage");
    const adding = send(node, "ADD", pod, netconf);
    await untilCalled(node, pod);
    const stopping = node.daemon.stop("SIGTERM");
    await vi.waitFor(() => expect(node.daemon.output).toMatch(/multusd shuts down signal=SIGTERM/), patience);
    release(node, pod);
    expect(await stopping).toBe(0);
    expect((await adding).status).toBe(200);
    expect((await traces(node)).processes).toEqual([]);
    await node.daemon.start();
    expect((await send(node, "DEL", pod, netconf)).status).toBe(200);
    expect(await traces(node)).toEqual(before);
  });
});

/** Runs the daemon with the host's root mounted below `root`, as in a pod: mounts that the host makes later are seen there, and nothing goes the other way. */
const inPod = (script: string) => [
  "unshare",
  "--mount",
  "--propagation",
  "slave",
  "sh",
  "-c",
  `set -e; ${script}; exec "$0" "$@"`,
];

describe("a daemon in a pod", () => {
  test("runs plugins as the host has them, where the host's root is mounted", async () => {
    const root = "/mnt";
    const script = [
      `mount -t tmpfs tmpfs ${root}`,
      `mkdir ${root}/host`,
      `mount --rbind / ${root}/host`,
      // The pod has no plugins: only the host's root has them.
      `mount -t tmpfs tmpfs ${debianPlugins}`,
    ].join("; ");
    await using node = await TestNode.start({
      isDaemonInNetwork: true,
      daemonConfig: { chrootDir: `${root}/host` },
      daemonSurroundings: { through: inPod(script) },
    });
    node.writeMacvlan("storage", "10.92.0.0/24");
    const netconf = await node.bridgeNetconf("10.93.0.0/24");
    await using pod = await node.pod("web", "storage");
    expect(await send(node, "ADD", pod, netconf)).toMatchObject({ status: 200 });
    expect((await pod.network.links()).map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
    expect((await send(node, "CHECK", pod, netconf)).status).toBe(200);
    expect((await send(node, "DEL", pod, netconf)).status).toBe(200);
    expect(await pod.network.links()).toEqual([]);
    expect((await traces(node)).state).toEqual([]);
  });

  test.each([
    [
      "setpriv --bounding-set=-all --inh-caps=-all --",
      {},
      4,
      /Operation not permitted; the daemon carries out/,
    ],
    [
      "setpriv --bounding-set=-sys_chroot --",
      { chrootDir: "/" },
      5,
      /cannot make \/ its root directory: Operation not permitted/,
    ],
    [
      "",
      { agentPath: "/nonexistent/multus" },
      5,
      /no agent to run plugins: spawn \/nonexistent\/multus ENOENT/,
    ],
  ] as const)("says what it cannot do (%s)", async (words, daemonConfig, code, says) => {
    await using node = await TestNode.start({
      isDaemonInNetwork: true,
      daemonConfig,
      daemonSurroundings: { through: words.split(" ").filter(Boolean) },
    });
    const netconf = await node.bridgeNetconf("10.94.0.0/24");
    await using pod = await node.pod("web");
    expect(errorOf(await send(node, "ADD", pod, netconf))).toMatchObject({
      code,
      msg: expect.stringMatching(says),
    });
    expect(await pod.network.links()).toEqual([]);
    // Through our own plugin the same daemon serves it.
    (await node.call("ADD", pod, netconf)).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
  });
});
