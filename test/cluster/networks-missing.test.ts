/**
 * Pods that were started on a node before multus ever ran there, as a node that boots has them: the daemon that comes later names each, wherever one looks. With
 * onMissingNetworks "evict" those that a controller makes again are replaced and have their networks; all others stay as they are. Kubelet, containerd, API server and controllers are real.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MissingPodStatus } from "../../src/socket/status.ts";
import { Controllers } from "../support/cluster/controllers.ts";
import { DaemonPod, DeployedDaemonSet } from "../support/cluster/daemon-pod.ts";
import { kustomizeOwn } from "../support/cluster/deployment.ts";
import { podManifest } from "../support/cluster/manifests.ts";
import {
  ClusterNode,
  type ClusterPod,
  isRunning,
  networksAnnotation,
  nodeName,
} from "../support/cluster/node.ts";
import { runCommand, runOrThrow } from "../support/command.ts";
import { pauseImageName } from "../support/pause-image.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

const multusctl = join(import.meta.dirname, "..", "..", "build", "multusctl.mjs");
const metricsPort = 9091;
const staticPod = `fixed-${nodeName}`;

const resources = new AsyncDisposableStack();
let scratch: ScratchDirectory;
let node: ClusterNode;
let daemon: DaemonPod;

/** Template of a controller's pods. */
const template = (app: string) => ({
  metadata: { labels: { app }, annotations: { [networksAnnotation]: "storage" } },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    tolerations: [{ operator: "Exists" }],
    containers: [{ name: "main", image: pauseImageName, imagePullPolicy: "Never" }],
  },
});

/** A Deployment or DaemonSet of namespace default; JSON is YAML. */
function controller(kind: "Deployment" | "DaemonSet", app: string, spec: object = {}): string {
  return `${JSON.stringify({
    apiVersion: "apps/v1",
    kind,
    metadata: { namespace: "default", name: app },
    spec: { ...spec, selector: { matchLabels: { app } }, template: template(app) },
  })}\n`;
}

/** Pods of namespace default whose names begin so, those that are going left out. */
async function podsOf(prefix: string): Promise<readonly ClusterPod[]> {
  return (await node.pods("default")).filter(
    ({ metadata }) => metadata.name.startsWith(prefix) && metadata.deletionTimestamp === undefined,
  );
}

const untilRunning = (prefix: string, count: number) =>
  node.until(`${count} pods of ${prefix} to run`, async () => {
    const pods = (await podsOf(prefix)).filter(isRunning);
    return pods.length === count && pods;
  });

/** Waits for the pod of the DaemonSet that its controller has made. @param but name of an earlier one */
async function nextDaemon(but = ""): Promise<DaemonPod> {
  const pod = await node.until("the daemon's pod", async () =>
    (await node.pods("kube-system")).find(
      (pod) => pod.metadata.name.startsWith("kube-multus-ds-") && pod.metadata.name !== but && isRunning(pod),
    ),
  );
  return new DaemonPod(node, pod);
}

/** @param components of deploy/components */
function manifests(name: string, components: readonly string[]): Promise<string> {
  const directory = join(scratch.path, name);
  mkdirSync(directory);
  writeFileSync(
    join(directory, "daemon-config.json"),
    JSON.stringify({
      cniConfigDir: "/host/etc/cni/net.d",
      multusConfigFile: "auto",
      socketDir: "/host/run/multus",
      metricsPort,
      logLevel: "verbose",
      logToStderr: true,
    }),
  );
  return kustomizeOwn(directory, "thick", components, {
    configMapGenerator: [
      {
        name: "multus-daemon-config",
        namespace: "kube-system",
        behavior: "merge",
        files: ["daemon-config.json"],
      },
    ],
  });
}

async function missing(): Promise<readonly MissingPodStatus[]> {
  const answer = await daemon.multusctl("ls", "--missing", "--socket-dir", "/host/run/multus");
  return (answer as { readonly missing: readonly MissingPodStatus[] }).missing;
}

const untilMissing = (names: readonly string[]) =>
  node.until(`pods ${names.join(", ")} to be listed, and no others`, async () => {
    const listed = (await missing()).map(({ pod }) => pod.replace(/^default\//, ""));
    return listed.sort().join() === [...names].sort().join() && listed;
  });

/** `multusctl validate -A` as an administrator. */
async function validate(): Promise<readonly string[]> {
  const { stdout } = await runCommand([
    process.execPath,
    multusctl,
    "validate",
    "--all-namespaces",
    "--kubeconfig",
    node.api.adminKubeconfig,
    "--json",
  ]);
  const { findings } = JSON.parse(stdout.toString()).cluster as {
    readonly findings: readonly { readonly message: string; readonly pods: readonly string[] }[];
  };
  return findings
    .filter(({ message }) => message.startsWith("it runs and has no network-status"))
    .flatMap(({ pods }) => pods)
    .map((pod) => pod.replace(/^default\//, ""))
    .sort();
}

/** Pods that were started before the daemon came, by name: as they were. */
const before = new Map<string, ClusterPod>();
/** Of those that lack their networks. */
const lacking = () => [...before.keys()].filter((name) => name !== "plain");

beforeAll(async () => {
  scratch = resources.use(new ScratchDirectory("networks-missing"));
  node = resources.use(await ClusterNode.start({ bare: true, containerd: "2.4" }));
  resources.use(await Controllers.start(node.api));
  await node.api.applyDeployment();
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));

  await node.apply(controller("Deployment", "web", { replicas: 2 }));
  await node.apply(controller("Deployment", "guarded", { replicas: 1 }));
  await node.apply(controller("DaemonSet", "agent"));
  await node.applyPod("default", "alone", "storage");
  await node.apply(podManifest({ namespace: "default", name: "plain", nodeName }));
  writeFileSync(
    join(node.kubelet.staticPodDirectory, "fixed.yaml"),
    podManifest({ namespace: "default", name: "fixed", annotations: { [networksAnnotation]: "storage" } }),
  );
  for (const [prefix, count] of [
    ["web-", 2],
    ["guarded-", 1],
    ["agent-", 1],
    ["alone", 1],
    ["plain", 1],
    [staticPod, 1],
  ] as const) {
    for (const pod of await untilRunning(prefix, count)) before.set(pod.metadata.name, pod);
  }
  await DeployedDaemonSet.apply(node, await manifests("report", []));
  daemon = await nextDaemon();
});

afterAll(() => resources.disposeAsync());

describe("pods that were started while nothing of multus was there", () => {
  test("have the cluster network alone, and each gets the event", async () => {
    for (const name of lacking()) {
      expect((await node.podLinks("default", name)).map(({ ifname }) => ifname)).toEqual(["eth0"]);
      const event = await node.waitForEvent("default", name, "NetworksMissing");
      expect(event).toMatchObject({ type: "Warning", reportingController: "multus" });
    }
    // As `kubectl describe` looks for it: a static pod's by the kubelet's UID.
    const mirrored = before.get(staticPod)?.metadata.annotations?.["kubernetes.io/config.mirror"];
    expect(mirrored).toMatch(/./);
    expect((await node.waitForEvent("default", staticPod, "NetworksMissing")).regarding.uid).toBe(mirrored);
  });

  test("are named by ls --missing, status, doctor, validate and the metric, and no others are", async () => {
    await untilMissing(lacking());
    expect(await missing()).toContainEqual({
      pod: "default/alone",
      controller: "",
      foundAt: expect.stringMatching(/Z$/),
      action: "reported",
    });
    const socket = ["--socket-dir", "/host/run/multus"];
    expect(await daemon.multusctl("status", ...socket)).toMatchObject({
      daemon: { missingNetworks: { length: lacking().length } },
    });
    expect(
      await daemon.multusctl("doctor", ...socket, "--cni-conf-dir", "/host/etc/cni/net.d", "--no-cluster"),
    ).toMatchObject({
      ok: false,
      findings: expect.arrayContaining([
        expect.objectContaining({
          check: "daemon/missing-networks",
          verdict: "fail",
          finding: expect.stringContaining(`${lacking().length} pods run without the networks`),
        }),
      ]),
    });
    expect(await validate()).toEqual(lacking().sort());
    const metrics = await runOrThrow([
      "nsenter",
      `--net=/proc/${daemon.pid}/ns/net`,
      "--",
      process.execPath,
      "--eval",
      `fetch("http://127.0.0.1:${metricsPort}/metrics").then((answer) => answer.text()).then(console.log)`,
    ]);
    expect(metrics).toContain(`\nmultus_pods_networks_missing ${lacking().length}\n`);
  });

  test("are found by the next daemon as well, which makes no second event", async () => {
    await daemon.delete();
    daemon = await nextDaemon(daemon.pod.metadata.name);
    await untilMissing(lacking());
    // All its events have been sent.
    await node.until("its events to be delivered", async () => {
      const { clusters } = (
        (await daemon.multusctl("status", "--socket-dir", "/host/run/multus")) as {
          daemon: { clusters: { deliveries: { kind: string; pending: number; delivered: number }[] }[] };
        }
      ).daemon;
      const events = clusters[0]?.deliveries.find(({ kind }) => kind === "event");
      return events?.pending === 0 && events.delivered >= lacking().length;
    });
    const events = (await node.allEvents()).filter(({ reason }) => reason === "NetworksMissing");
    expect(events.map(({ regarding }) => regarding.name).sort()).toEqual(lacking().sort());
  });

  test("are not those that start from then on", async () => {
    await node.applyPod("default", "later", "storage");
    await node.waitForPod("default", "later");
    await node.waitForNetworkStatus("default", "later");
    expect(await validate()).toEqual(lacking().sort());
    await untilMissing(lacking());
    await node.deletePods("default", "later");
  });
});

describe("with onMissingNetworks: evict", () => {
  const disruptionBudget = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

  beforeAll(async () => {
    // Nobody looks after its status, so that the server lets no pod of it go.
    await node.api.request("POST", disruptionBudget, {
      metadata: { name: "guarded" },
      spec: { minAvailable: 1, selector: { matchLabels: { app: "guarded" } } },
    });
    await node.apply(await manifests("evict", ["evict-missing"]));
    await daemon.delete();
    daemon = await nextDaemon(daemon.pod.metadata.name);
  });

  const actionOf = async (name: string) =>
    (await missing()).find(({ pod }) => pod.startsWith(`default/${name}`))?.action;

  test("a Deployment's pods are replaced, and have their networks", async () => {
    const replaced = await node.until("other pods of web, with a network-status", async () => {
      const pods = (await podsOf("web-")).filter(({ metadata }) => !before.has(metadata.name));
      const attached = pods.filter(
        (pod) =>
          isRunning(pod) && pod.metadata.annotations?.["k8s.v1.cni.cncf.io/network-status"] !== undefined,
      );
      return attached.length === 2 && attached;
    });
    for (const { metadata } of replaced) {
      expect((await node.podLinks("default", metadata.name)).map(({ ifname }) => ifname)).toEqual([
        "eth0",
        "net1",
      ]);
    }
    expect(node.podLog(daemon.pod, "kube-multus").match(/pod evicted, as it runs without/g)).toHaveLength(2);
  });

  test("pods of DaemonSets, pods without a controller and static pods stay, and it is said why", async () => {
    for (const prefix of ["agent-", "alone", staticPod]) {
      const [pod] = await podsOf(prefix);
      expect(pod?.metadata.uid, prefix).toBe(before.get(pod?.metadata.name ?? "")?.metadata.uid);
    }
    expect(await actionOf("agent-")).toMatch(/^not evicted: .*evictAlso: daemonSets/);
    expect(await actionOf("alone")).toMatch(/^not evicted: .*evictAlso: barePods/);
    expect(await actionOf("fixed-")).toMatch(/^not evicted: a static pod/);
  });

  test("a PodDisruptionBudget holds a pod until it lets it go", async () => {
    const [guarded] = await podsOf("guarded-");
    expect(before.has(guarded?.metadata.name ?? "")).toBe(true);
    await node.until("the budget's refusal", async () =>
      /^eviction waits: .*429/.test((await actionOf("guarded-")) ?? ""),
    );
    await node.api.request("DELETE", `${disruptionBudget}/guarded`);
    await node.until("another pod of guarded, with a network-status", async () =>
      (await podsOf("guarded-")).some(
        ({ metadata }) =>
          !before.has(metadata.name) &&
          metadata.annotations?.["k8s.v1.cni.cncf.io/network-status"] !== undefined,
      ),
    );
  });

  test("the remaining pods are still listed", async () => {
    await untilMissing(lacking().filter((name) => !/^(?:web|guarded)-/.test(name)));
  });
});
