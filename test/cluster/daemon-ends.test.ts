/**
 * How daemons end on a real node, with the controllers of a cluster: 00-multus.conf goes where the DaemonSet is deleted, in every way that people delete it, and stays where a next
 * daemon comes. So of the pods that come while a daemon is replaced, killed, away or hung none runs without its networks.
 */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { helmProgram } from "../support/cluster/binaries.ts";
import { Controllers } from "../support/cluster/controllers.ts";
import { DaemonPod } from "../support/cluster/daemon-pod.ts";
import { chart, kustomize, kustomizeOwn } from "../support/cluster/deployment.ts";
import { importMultusImage, multusImage } from "../support/cluster/images.ts";
import { documents } from "../support/cluster/manifests.ts";
import { ClusterNode, isRunning } from "../support/cluster/node.ts";
import { runOrThrow } from "../support/command.ts";
import { isAlive, markedProcesses, session } from "../support/session.ts";

const resources = new AsyncDisposableStack();
let node: ClusterNode;
let runtimeFile: string;
/** Of kustomize: deploy/thick. */
let thick: string;
let madePods = 0;

beforeAll(async () => {
  node = resources.use(await ClusterNode.start({ bare: true, containerd: "2.4" }));
  // Controllers end first: there is nothing to be made any more.
  resources.use(await Controllers.start(node.api));
  await importMultusImage(node, multusImage);
  runtimeFile = join(node.hostPath("/etc/cni/net.d"), "00-multus.conf");
  thick = await kustomize("thick");
});

afterAll(() => resources.disposeAsync());

/** @returns the path */
function write(name: string, text: string): string {
  const path = join(node.directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const isThere = () => existsSync(runtimeFile);
const daemonSet = ["--namespace", "kube-system", "daemonset/kube-multus-ds"];

/** Pods of the DaemonSet, those that end included. */
async function daemonPods() {
  return (await node.pods("kube-system")).filter(({ metadata }) =>
    metadata.name.startsWith("kube-multus-ds-"),
  );
}

const readyDaemon = () =>
  node.until(
    "a daemon that is ready, and no other",
    async () => {
      const [pod, ...others] = await daemonPods();
      const isEnding = pod?.metadata.deletionTimestamp !== undefined;
      return pod !== undefined && others.length === 0 && !isEnding && isRunning(pod)
        ? new DaemonPod(node, pod)
        : undefined;
    },
    240_000,
  );

const noDaemon = () => node.until("no daemon's pod", async () => (await daemonPods()).length === 0);

const restartsOf = ({ pod }: DaemonPod) => pod.status.containerStatuses?.[0]?.restartCount ?? 0;

/** Waits until its container has been started once more, and is ready. */
async function untilRestarted(daemon: DaemonPod): Promise<void> {
  const { name } = daemon.pod.metadata;
  await node.until(
    "the daemon's container to be started again",
    async () => {
      const pod = await node.pod("kube-system", name);
      return pod !== undefined && isRunning(pod) && restartsOf(new DaemonPod(node, pod)) > restartsOf(daemon);
    },
    240_000,
  );
}

/** Waits for the end of a process. */
const untilEnded = (pid: number) => node.until(`process ${pid} to end`, async () => !isAlive(pid));

/** Calls of the plugin that wait now. */
const waitingCalls = () =>
  markedProcesses().filter(
    ({ session: owner, command }) => owner === session && command.startsWith("/opt/cni/bin/multus"),
  );

/** Makes pods with two further networks. @returns their names */
async function makePods(count: number): Promise<readonly string[]> {
  const names = Array.from({ length: count }, () => `pod-${++madePods}`);
  await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
  return names;
}

/** Waits until the pods run; each has all its networks. Removes them. */
async function expectNetworks(names: readonly string[]): Promise<void> {
  await node.waitForPods("default", names);
  for (const name of names) {
    const links = await node.podLinks("default", name);
    expect([name, ...links.map(({ ifname }) => ifname)]).toEqual([name, "eth0", "net1", "net2"]);
  }
  await node.deletePods("default", ...names);
}

/** Applies deploy/thick and waits for its daemon. */
async function install(manifests = thick): Promise<DaemonPod> {
  await node.apply(manifests);
  await node.api.untilDefinitionsServed();
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
  const daemon = await readyDaemon();
  expect(isThere()).toBe(true);
  return daemon;
}

describe("00-multus.conf goes with the DaemonSet", () => {
  const helm = (...args: readonly string[]) =>
    runOrThrow([helmProgram(), ...args, "--namespace", "kube-system"], {
      env: { PATH: process.env.PATH, HOME: node.directory, KUBECONFIG: node.api.adminKubeconfig },
    });

  test("by helm uninstall, which deletes the daemon's account and rights as well", async () => {
    await helm("install", "multus", chart, "--set", "image.local=true");
    await readyDaemon();
    expect(isThere()).toBe(true);
    await helm("uninstall", "multus");
    await noDaemon();
    expect(isThere()).toBe(false);
  });

  test.each([
    ["by kubectl delete", [] as readonly string[]],
    ["by kubectl delete in the foreground", ["--cascade=foreground"]],
  ])("%s", async (_, options) => {
    await install();
    await node.api.kubectl("delete", ...daemonSet, ...options);
    await noDaemon();
    expect(isThere()).toBe(false);
  });

  test("by kubectl delete of all its manifests, accounts and roles first", async () => {
    await install();
    await node.api.kubectl("delete", "--filename", write("thick.yaml", thick));
    await noDaemon();
    expect(isThere()).toBe(false);
  });
});

describe("pods that come while there is no daemon wait, and all have their networks", () => {
  test("its update, three times", async () => {
    let daemon = await install();
    for (let round = 0; round < 3; round++) {
      await node.api.kubectl("rollout", "restart", ...daemonSet);
      await node.until("the daemon to be told to stop", async () =>
        (await daemonPods()).some(({ metadata }) => metadata.deletionTimestamp !== undefined),
      );
      const early = await makePods(3);
      const old = daemon.pod.metadata.name;
      await node.until("the old daemon to be gone", async () =>
        (await daemonPods()).every(({ metadata }) => metadata.name !== old),
      );
      expect(isThere()).toBe(true);
      const late = await makePods(3);
      await node.api.kubectl("rollout", "status", ...daemonSet, "--timeout=5m");
      daemon = await readyDaemon();
      await expectNetworks([...early, ...late]);
    }
  });

  test("its end by SIGKILL, as the kernel does it where memory is short", async () => {
    const daemon = await readyDaemon();
    process.kill(daemon.pid, "SIGKILL");
    const names = await makePods(5);
    await expectNetworks(names);
    await readyDaemon();
  });

  test("its pod deleted by force, so that the API refuses its token", async () => {
    const daemon = await readyDaemon();
    const { pid } = daemon;
    const { name } = daemon.pod.metadata;
    await node.api.kubectl("delete", "pod", "--namespace=kube-system", name, "--force", "--grace-period=0");
    const names = await makePods(5);
    await untilEnded(pid);
    expect(isThere()).toBe(true);
    await expectNetworks(names);
    expect((await readyDaemon()).pod.metadata.name).not.toBe(name);
  });

  test("SIGTERM without a deletion, as a node that is shut down sends it; then the runtime starts first, and the daemon when pods have waited", async () => {
    const daemon = await readyDaemon();
    const { pid } = daemon;
    // Nowhere: its pod goes, and no other comes.
    const away = (on: boolean) =>
      node.api.kubectl(
        "patch",
        ...daemonSet,
        "--type=merge",
        "--patch",
        JSON.stringify({ spec: { template: { spec: { nodeSelector: { away: on ? "true" : null } } } } }),
      );
    process.kill(pid, "SIGTERM");
    await untilEnded(pid);
    expect(isThere()).toBe(true);
    await untilRestarted(daemon);
    await away(true);
    await noDaemon();
    expect(isThere()).toBe(true);
    const names = await makePods(4);
    await node.until("the pods' calls to wait", async () => waitingCalls().length >= names.length);
    expect((await node.pods("default")).filter((pod) => isRunning(pod))).toEqual([]);
    await away(false);
    await expectNetworks(names);
    await readyDaemon();
  });

  test("a daemon that hangs: it is restarted", async () => {
    const daemon = await readyDaemon();
    process.kill(daemon.pid, "SIGSTOP");
    const names = await makePods(4);
    const { metadata } = daemon.pod;
    await untilRestarted(daemon);
    const event = await node.waitForEvent("kube-system", metadata.name, "Unhealthy", ({ note }) =>
      note.includes("Liveness probe failed"),
    );
    expect(event.note).toContain("does not answer in time: it hangs, is stopped");
    await expectNetworks(names);
    await readyDaemon();
  });
});

test("an update to a configuration that cannot serve does not get on, its reason is in an event, and pods wait until it is taken back", async () => {
  await readyDaemon();
  const own = write(
    "own/daemon-config.json",
    JSON.stringify({
      cniConfigDir: "/host/etc/cni/net.d",
      multusAutoconfigDir: "/host/etc/cni/net.d",
      multusConfigFile: "auto",
      multusMasterCNI: "99-not-there.conflist",
      socketDir: "/host/run/multus",
      logToStderr: true,
    }),
  );
  const wrong = await kustomizeOwn(dirname(own), "thick", [], {
    configMapGenerator: [
      {
        name: "multus-daemon-config",
        namespace: "kube-system",
        behavior: "merge",
        files: ["daemon-config.json"],
      },
    ],
  });
  await node.apply(wrong);
  await node.api.kubectl("rollout", "restart", ...daemonSet);
  const event = await node.until("the event that says why", async () =>
    (await node.allEvents()).find(
      ({ reason, note, regarding }) =>
        reason === "Unhealthy" &&
        regarding.name.startsWith("kube-multus-ds-") &&
        note.includes("99-not-there.conflist"),
    ),
  );
  expect(event.note).toMatch(/Readiness probe failed: ready: no runtime configuration in/);
  const status = ["rollout", "status", ...daemonSet, "--timeout=5s"];
  expect((await node.api.kubectlOutcome(status)).exitCode).not.toBe(0);
  await node.apply(thick);
  await node.api.kubectl("rollout", "restart", ...daemonSet);
  await readyDaemon();
  await expectNetworks(await makePods(2));
});
