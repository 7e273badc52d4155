/**
 * A thin installation from the single-file executable, on a node that has nothing else: its thin entrypoint puts everything there, the plugin starts the daemon that was put there,
 * which ends when it is idle and takes everything off again.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { buildExecutable } from "../../tools/build/executable.mjs";
import { HostPlaces } from "../support/cluster/host-places.ts";
import { inPodWith, ServiceAccountFiles } from "../support/cluster/service-account-files.ts";
import { runCommand } from "../support/command.ts";
import { KnownPod } from "../support/known-pod.ts";
import { traces } from "../support/leaks.ts";
import { cidrs, Namespace } from "../support/namespace.ts";
import { nadsPath, PretendedApiServer } from "../support/pretended-api-server.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { markedProcesses, session, sessionVariable } from "../support/session.ts";
import { debianPlugins, masterLink } from "../support/test-node.ts";

const patience = { timeout: 60_000, interval: 50 };
const resources = new AsyncDisposableStack();
const scratch = resources.use(new ScratchDirectory("thin"));
const [binDir, confDir, stateDir, runDir] = ["bin", "net.d", "state", "run"].map((name) =>
  join(scratch.path, name),
) as [string, string, string, string];
const multusctl = join(scratch.path, "multusctl");
const onDemandFile = join(confDir, "multus.d", "on-demand.json");

let network: Namespace;
let api: PretendedApiServer;
/** Words before a command that start it on the node. */
let onNode: readonly string[];
let entrypoint: ChildProcess;
let entrypointLog = "";

const daemons = () =>
  markedProcesses().filter(
    ({ session: owner, command }) => owner === session && command.startsWith("/opt/cni/bin/multusd "),
  );
/** Present traces of pods, and running processes. */
const tracesNow = () =>
  traces({
    network,
    daemon: { pidIfRunning: undefined },
    cniDir: join(stateDir, "multus"),
    ipamDir: join(stateDir, "networks"),
  });
const podLookups = () => api.asked.filter((line) => /^GET \S+\/pods\/[^/]+$/.test(line));

/** A plugin as the node has it. It is executed on the node's network: the daemon, and who starts it, are on the API server's. */
function putPlugin(name: string): void {
  const script = `#!/bin/sh\nexec nsenter --net=${network.path} -- ${debianPlugins}/${name}\n`;
  writeFileSync(join(binDir, name), script, { mode: 0o755 });
}

function macvlan(subnet: string): string {
  const ipam = { type: "host-local", ranges: [[{ subnet }]] };
  return JSON.stringify({ cniVersion: "0.4.0", type: "macvlan", master: masterLink, mode: "bridge", ipam });
}

/** Its annotations do not come with the request. */
const startPod = (name: string) =>
  KnownPod.start({ api, onNode, configFile: join(confDir, "00-multus.conf"), name, networks: "storage" });

beforeAll(async () => {
  for (const directory of [binDir, confDir]) mkdirSync(directory);
  await buildExecutable({ out: join(scratch.path, "multusd") });
  symlinkSync("multusd", multusctl);
  network = resources.use(await Namespace.create("node"));
  await network.ip("link", "add", masterLink, "type", "veth", "peer", "name", "wire0");
  for (const link of [masterLink, "wire0"]) await network.ip("link", "set", link, "up");
  // It would stay after the first pod.
  await network.ip("link", "add", "cni0", "type", "bridge");
  for (const name of ["bridge", "macvlan"]) putPlugin(name);
  const ipam = { type: "host-local", ranges: [[{ subnet: "10.140.0.0/24" }]] };
  const cluster = { cniVersion: "0.4.0", name: "cluster", type: "bridge", bridge: "cni0", ipam };
  writeFileSync(join(confDir, "10-cluster.conf"), JSON.stringify(cluster));
  api = resources.use(new PretendedApiServer());
  await api.start();
  api.set(nadsPath, {
    metadata: { name: "storage", namespace: "default" },
    spec: { config: macvlan("10.141.0.0/24") },
  });
  const node = { "/opt/cni/bin": binDir, "/etc/cni/net.d": confDir, "/var/lib/cni": stateDir };
  onNode = resources.use(new HostPlaces({ ...node, "/run/multus": runDir }, [])).through;
});

afterAll(async () => {
  entrypoint?.kill("SIGKILL");
  for (const { pid } of daemons()) process.kill(pid, "SIGKILL");
  await resources.disposeAsync();
});

test("the executable puts itself, the plugin that is inside, kubeconfig and configuration onto the node", async () => {
  const inPod = resources.use(
    new HostPlaces({ "/host/opt/cni/bin": binDir, "/host/etc/cni/net.d": confDir }, []),
  );
  const account = new ServiceAccountFiles(
    join(scratch.path, "account"),
    scratch.write("authority", "certificate"),
    "kube-system",
    "token-1",
  );
  const [command = "", ...words] = [...inPod.through, ...inPodWith(account.directory), multusctl];
  entrypoint = spawn(command, [...words, "thin-entrypoint"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env.PATH,
      KUBERNETES_SERVICE_PROTOCOL: "http",
      KUBERNETES_SERVICE_HOST: "127.0.0.1",
      KUBERNETES_SERVICE_PORT: String(api.port),
      MULTUS_NODE_NAME: "node-1",
      [sessionVariable]: session,
    },
  });
  entrypoint.stderr?.on("data", (chunk) => {
    entrypointLog += chunk;
  });
  await vi.waitFor(
    () => expect(existsSync(join(confDir, "00-multus.conf")), entrypointLog).toBe(true),
    patience,
  );
  expect(readdirSync(binDir).sort()).toEqual([
    "bridge",
    "macvlan",
    "multus",
    "multus-shim",
    "multusd",
    "passthru",
  ]);
  const executable = readFileSync(join(scratch.path, "multusd"));
  expect(readFileSync(join(binDir, "multusd")).equals(executable)).toBe(true);
  expect(JSON.parse(readFileSync(onDemandFile, "utf8"))).toEqual({
    kubeconfig: "/etc/cni/net.d/multus.d/multus.kubeconfig",
    nodeName: "node-1",
    idleExitSeconds: 300,
  });
  expect(daemons()).toEqual([]);
});

test("a pod gets its networks by what is there, from a daemon that watches the node's pods and ends when it is idle; so does the next", async () => {
  // The installer's pod can go. The files that it has put there stay.
  const ended = once(entrypoint, "close");
  entrypoint.kill("SIGTERM");
  await ended;
  expect({ exitCode: entrypoint.exitCode, entrypointLog }).toMatchObject({ exitCode: 0 });
  // Nobody wants to wait for five minutes.
  const config = JSON.parse(readFileSync(onDemandFile, "utf8"));
  writeFileSync(onDemandFile, JSON.stringify({ ...config, idleExitSeconds: 3 }));
  const before = await tracesNow();

  const pids = new Set<number>();
  for (const turn of ["first", "second"]) {
    const watches = api.watchCount;
    await using pod = await startPod(`${turn}-cold`);
    const { result } = await pod.call("ADD");
    const links = await pod.sandbox.links();
    expect(links.map(({ ifname, linkinfo }) => [ifname, linkinfo?.info_kind])).toEqual([
      ["eth0", "veth"],
      ["net1", "macvlan"],
    ]);
    const [eth0 = "", net1 = ""] = links.flatMap((link) => cidrs(link));
    expect([eth0, net1]).toEqual([
      expect.stringMatching(/^10\.140\.0\.\d+\/24$/),
      expect.stringMatching(/^10\.141\.0\.\d+\/24$/),
    ]);
    expect(result.ips?.map(({ address }) => address)).toEqual([eth0]);
    const [daemon, ...others] = daemons();
    expect(others).toEqual([]);
    expect(daemon?.command).toBe("/opt/cni/bin/multusd --config /etc/cni/net.d/multus.d/on-demand.json");
    pids.add(daemon?.pid ?? 0);

    // A third one is open while the pod that has just come has no network-status yet.
    await vi.waitFor(() => expect(api.watchCount).toBeGreaterThanOrEqual(watches + 2), patience);
    expect(api.asked).toContainEqual(
      expect.stringMatching(/^GET \/api\/v1\/pods\?fieldSelector=spec\.nodeName%3Dnode-1&.*watch/),
    );
    // Of this one the watch tells: it is not asked for.
    const asked = podLookups().length;
    await using watched = await startPod(`${turn}-watched`);
    expect((await watched.call("ADD")).result.ips).toHaveLength(1);
    expect(podLookups()).toHaveLength(asked);

    for (const gone of [pod, watched]) {
      (await gone.call("DEL")).expectSuccess();
      expect(await gone.sandbox.links()).toEqual([]);
    }
    await vi.waitFor(() => expect(daemons()).toEqual([]), patience);
    expect(await tracesNow()).toEqual(before);
    expect(readdirSync(runDir)).not.toContain("multus.sock");
  }
  expect(pids.size).toBe(2);
});

test("the daemon that is on the node takes everything off it, itself too", async () => {
  const directories = ["--cni-bin-dir", "/opt/cni/bin", "--cni-conf-dir", "/etc/cni/net.d"];
  const uninstall = [...onNode, "/opt/cni/bin/multusd", "ctl", "uninstall", ...directories];
  expect(await runCommand(uninstall)).toMatchObject({ exitCode: 0, stderr: "" });
  expect(readdirSync(binDir).sort()).toEqual(["bridge", "macvlan"]);
  expect(readdirSync(confDir)).toEqual(["10-cluster.conf"]);
  // Of the plugins' own: host-local's addresses. The directory of the socket is mounted here.
  expect(readdirSync(stateDir)).toEqual(["networks"]);
  expect(readdirSync(runDir)).toEqual([]);
});
