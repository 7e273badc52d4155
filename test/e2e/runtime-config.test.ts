/** The file by which a runtime finds the daemon, made by the real daemon from a cluster network's, and used for pods through the real plugin. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { traces } from "../support/leaks.ts";
import { cidrs } from "../support/namespace.ts";
import { debianPlugins, TestNode } from "../support/test-node.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = { timeout: 30_000, interval: 20 };

let node: TestNode;
let before: unknown;

beforeEach(async () => {
  node = await TestNode.start();
  // Plugins make them with the first pod and leave them.
  for (const bridge of ["cni0", "cni1"]) await node.network.ip("link", "add", bridge, "type", "bridge");
  node.writeMacvlan("storage", "10.141.0.0/24");
  mkdirSync(runtimeDirectory());
  before = await traces(node);
  await restart();
});

afterEach(async () => {
  await node[Symbol.asyncDispose]();
});

const runtimeDirectory = () => join(node.directory, "runtime-net.d");
const inRuntimeDirectory = (name: string) => join(runtimeDirectory(), name);
const target = () => inRuntimeDirectory("00-multus.conf");
const read = () => JSON.parse(readFileSync(target(), "utf8"));

/** Starts the node's daemon as one that keeps the runtime's file. */
async function restart(keys: Readonly<Record<string, unknown>> = {}): Promise<void> {
  await node.daemon.stop();
  node.daemon.configure({
    socketDir: node.socketDir,
    nadDir: node.nadDir,
    binDir: node.binDir,
    cniDir: node.cniDir,
    confDir: node.confDir,
    logLevel: "debug",
    cniConfigDir: runtimeDirectory(),
    multusConfigFile: "auto",
    ...keys,
  });
  await node.daemon.start();
}

/** A bridge, as its installer writes it. @param subnet CIDR */
function writeClusterNetwork(
  subnet: string,
  { file = "10-cluster.conflist", name = "cluster", bridge = "cni0", further = {} } = {},
): void {
  const plugin = { type: "bridge", bridge, isGateway: true, ipam: node.hostLocal(subnet) };
  const plugins = [plugin, { type: "tuning", capabilities: { mac: true, ...further } }];
  writeFileSync(inRuntimeDirectory(file), JSON.stringify({ cniVersion: "1.0.0", name, plugins }));
}

const expectWritten = () => vi.waitFor(() => expect(existsSync(target())).toBe(true), patience);

/** @returns status and text of GET /readyz */
function readyz(): Promise<readonly [number | undefined, string]> {
  return new Promise((resolve, reject) => {
    request({ socketPath: join(node.socketDir, "multus.sock"), path: "/readyz" }, (response) =>
      text(response).then((body) => resolve([response.statusCode, body]), reject),
    )
      .on("error", reject)
      .end();
  });
}

describe("a file made from the cluster network's", () => {
  test("is how pods get their networks: ADD, CHECK, DEL with what is in it and nothing else, and nothing stays", async () => {
    expect(await readyz()).toEqual([
      500,
      expect.stringContaining(`waiting for a cluster network: a .conf or .conflist in ${runtimeDirectory()}`),
    ]);
    expect(existsSync(target())).toBe(false);
    writeClusterNetwork("10.140.0.0/24");
    await expectWritten();
    expect((await readyz())[0]).toBe(200);
    expect(statSync(target()).mode & 0o777).toBe(0o600);
    expect(read()).toEqual({
      cniVersion: "1.0.0",
      name: "multus-cni-network",
      type: "multus",
      capabilities: { "io.kubernetes.cri.pod-annotations": true, mac: true },
      binDir: node.binDir,
      cniDir: node.cniDir,
      logLevel: "debug",
      daemonSocketDir: node.socketDir,
      clusterNetwork: inRuntimeDirectory("10-cluster.conflist"),
      generatedBy: "multus-wasm",
    });

    await using pod = await node.pod("web", "storage");
    const { interfaces } = (await node.call("ADD", pod, read())).result;
    expect(interfaces).toContainEqual(expect.objectContaining({ name: "eth0" }));
    expect(cidrs(await pod.network.link("eth0"))).toEqual([expect.stringMatching(/^10\.140\.0\.\d+\/24$/)]);
    expect(cidrs(await pod.network.link("net1"))).toEqual([expect.stringMatching(/^10\.141\.0\.\d+\/24$/)]);
    (await node.call("CHECK", pod, { ...read() })).expectSuccess();

    // Another network beside it is no substitute while it is away.
    writeClusterNetwork("10.144.0.0/24", { file: "87-podman.conflist", name: "podman" });
    writeClusterNetwork("10.140.0.0/24", { further: { ips: true } });
    await vi.waitFor(() => expect(read().capabilities).toHaveProperty("ips"), patience);
    rmSync(inRuntimeDirectory("10-cluster.conflist"));
    await vi.waitFor(
      () => expect(node.daemon.output).toContain("87-podman.conflist is another network's"),
      patience,
    );
    await using early = await node.pod("early");
    expect((await node.call("ADD", early, read())).error).toMatchObject({
      code: 7,
      msg: expect.stringContaining(
        `clusterNetwork ${inRuntimeDirectory("10-cluster.conflist")}: there is no such file`,
      ),
    });

    // The next pod is in what the cluster network is by then.
    writeClusterNetwork("10.142.0.0/24", { file: "05-cluster.conflist", bridge: "cni1" });
    const moved = inRuntimeDirectory("05-cluster.conflist");
    await vi.waitFor(() => expect(read().clusterNetwork).toBe(moved), patience);
    await using other = await node.pod("other");
    (await node.call("ADD", other, read())).expectSuccess();
    expect(cidrs(await other.network.link("eth0"))).toEqual([expect.stringMatching(/^10\.142\.0\.\d+\/24$/)]);

    for (const gone of [pod, other]) {
      (await node.call("DEL", gone, read())).expectSuccess();
      expect(await gone.network.links()).toEqual([]);
    }
    expect(await traces(node)).toEqual(before);
  });

  test("is removed when the daemon stops and is told to remove it, stays when it is killed, and is the next one's then", async () => {
    writeClusterNetwork("10.140.0.0/24");
    await restart({ cleanupConfigOnExit: true });
    await expectWritten();
    const { ino } = statSync(target());
    await node.daemon.stop("SIGKILL");
    expect(existsSync(target())).toBe(true);
    await restart({ cleanupConfigOnExit: true });
    await vi.waitFor(() => expect(statSync(target()).ino).not.toBe(ino), patience);
    expect(await node.daemon.stop("SIGTERM")).toBe(0);
    expect(existsSync(target())).toBe(false);
    // The runtime takes this file then.
    expect(readdirSync(runtimeDirectory())).toEqual(["10-cluster.conflist"]);
  });

  test("stays at the daemon's end where no DaemonSet is known: a pod that comes then waits for the next one, and gets all its networks", async () => {
    writeClusterNetwork("10.140.0.0/24");
    await expectWritten();
    expect(await node.daemon.stop("SIGTERM")).toBe(0);
    expect(readdirSync(runtimeDirectory()).sort()).toEqual(["00-multus.conf", "10-cluster.conflist"]);

    await using pod = await node.pod("web", "storage");
    const adding = node.call("ADD", pod, read());
    await node.daemon.start();
    (await adding).expectSuccess();
    expect((await pod.network.links()).map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
    (await node.call("DEL", pod, read())).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("with a forced version has a copy of the cluster network, whose file stays as it was", async () => {
    const old = { cniVersion: "0.3.1", name: "old", type: "bridge", bridge: "cni0", isGateway: true };
    const content = JSON.stringify({ ...old, ipam: node.hostLocal("10.143.0.0/24") });
    writeFileSync(inRuntimeDirectory("10-old.conf"), content);
    await restart({ cniVersion: "1.0.0", forceCNIVersion: true, overrideNetworkName: true });
    await expectWritten();
    // The file of the daemon before is there until this one has written its own.
    await expect.poll(read, patience).toMatchObject({ name: "old", cniVersion: "1.0.0" });
    await using pod = await node.pod("web");
    expect((await node.call("ADD", pod, read())).result.cniVersion).toBe("1.0.0");
    (await node.call("DEL", pod, read())).expectSuccess();
    expect(readFileSync(inRuntimeDirectory("10-old.conf"), "utf8")).toBe(content);
    expect(await traces(node)).toEqual(before);
  });
});

test("a file that the user wrote is copied, serves pods, and goes with the daemon", async () => {
  writeClusterNetwork("10.140.0.0/24", { file: "50-cluster.conflist" });
  const file = join(node.directory, "05-mine.conf");
  const clusterNetwork = inRuntimeDirectory("50-cluster.conflist");
  writeFileSync(file, JSON.stringify(node.netconf({}, { delegates: undefined, clusterNetwork })));
  await restart({ multusConfigFile: file, cleanupConfigOnExit: true });
  const copy = inRuntimeDirectory("05-mine.conf");
  await vi.waitFor(() => expect(readFileSync(copy)).toEqual(readFileSync(file)), patience);
  await using pod = await node.pod("web", "storage");
  const netconf = JSON.parse(readFileSync(copy, "utf8"));
  (await node.call("ADD", pod, netconf)).expectSuccess();
  expect((await pod.network.links()).map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
  (await node.call("DEL", pod, netconf, { path: debianPlugins })).expectSuccess();
  expect(await traces(node)).toEqual(before);
  expect(await node.daemon.stop()).toBe(0);
  expect([existsSync(copy), existsSync(file)]).toEqual([false, true]);
});
