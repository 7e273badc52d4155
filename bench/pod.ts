/** Pods as a runtime starts and stops them: RunPodSandbox and StopPodSandbox of a real containerd, with the bridge alone and no multus, and through multus-wasm with four networks. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Containerd, type SandboxConfig } from "../test/support/containerd.ts";
import { debianPlugins, shim } from "../test/support/test-node.ts";
import type { AttachReport } from "./attach.ts";
import { BenchNode } from "./bench-node.ts";
import { type ApiPod, BenchCluster, clusterStarts } from "./cluster.ts";
import type { Judged } from "./gate.ts";
import { inCluster } from "./in-cluster.ts";
import { executedName, nativeName, nativeNetconf } from "./native.ts";
import { type BenchNetwork, realNetworks, selection } from "./networks.ts";
import { installPlugins } from "./plugins.ts";
import { type Progress, Rounds } from "./progress.ts";
import { relay } from "./relay.ts";
import { type Command, interleave, rows, shareOf, warmUps } from "./rounds.ts";
import { type Cost, ownNetconf, type Peer, peerNetconf, type Subject } from "./subjects.ts";

type Json = Readonly<Record<string, unknown>>;

const networksOfPod = 4;

/** The subject that the others are compared with. */
export const bridgeAloneName = "bridge alone, no multus";

/** The only network of a containerd. */
interface RuntimeNetwork {
  readonly name: string;
  readonly netconf: Json;
  /** The binary of the netconf's type; undefined: among the plugins. */
  readonly binary?: string;
}

/** A containerd with its network. */
interface Runtime {
  readonly name: string;
  readonly containerd: Containerd;
  /** The changes in the API that a pod's start makes. */
  readonly expected: { readonly status: boolean; readonly events: number };
}

/** A node of a cluster with a containerd for each subject: which plugin one runs is its configuration's. */
interface RuntimeNode {
  readonly cluster: BenchCluster;
  readonly networks: readonly BenchNetwork[];
  readonly runtimes: readonly Runtime[];
}

async function runtimeNode(peers: readonly Peer[], resources: AsyncDisposableStack): Promise<RuntimeNode> {
  const cluster = resources.use(await BenchCluster.start());
  const bench = resources.use(await BenchNode.start(await cluster.nodeOptions()));
  const { node } = bench;
  if (peers.length > 0) resources.use(await relay(node.network, cluster.api.port));
  await installPlugins(node.binDir);
  await node.untilReady();
  const networks = realNetworks(networksOfPod, node.ipamDir);
  const [bridge] = networks;
  if (bridge === undefined) throw new Error("at least one network is needed");
  for (const { name, config } of networks.slice(1)) await cluster.api.createNetwork(name, config);
  const own = (netconf: Json) => ownNetconf({ node }, networks, { annotationsFrom: "cluster", netconf });
  const kubeconfig = cluster.api.adminKubeconfig;
  const delivered = { status: true, events: networksOfPod };
  const wanted: (RuntimeNetwork & Pick<Runtime, "expected">)[] = [
    { name: bridgeAloneName, netconf: bridge.config, expected: { status: false, events: 0 } },
    { name: executedName, netconf: own({}), binary: shim, expected: delivered },
    { name: nativeName, netconf: own(nativeNetconf), binary: shim, expected: delivered },
    ...peers.map((peer) => ({
      name: peer.name,
      netconf: peerNetconf(node, peer, { delegates: [bridge.config], kubeconfig }),
      binary: peer.binary,
      expected: { status: true, events: 0 },
    })),
  ];
  const runtimes: Runtime[] = [];
  for (const { expected, ...network } of wanted) {
    const containerd = resources.use(await startContainerd(bench, runtimes.length, network));
    runtimes.push({ name: network.name, containerd, expected });
  }
  return { cluster, networks, runtimes };
}

/** How sandboxes are measured. */
interface PodMeasurement {
  /** For the progress. */
  readonly what: string;
  /** Measured runs of each subject, and those before them. */
  readonly rounds: number;
  readonly before: number;
  /** Bounds of ours against the bridge alone. */
  readonly bounds: readonly (Omit<Judged, "measured"> & { readonly command: Command })[];
  /** Makes what is measured. @param annotations of the pods */
  readonly subjectsOf: (
    node: RuntimeNode,
    annotations: Readonly<Record<string, string>>,
  ) => Promise<readonly Subject[]>;
}

async function measurePods(
  { what, rounds, before, bounds, subjectsOf }: PodMeasurement,
  peers: readonly Peer[],
  progress: Progress,
): Promise<AttachReport> {
  await using resources = new AsyncDisposableStack();
  const counted = new Rounds(progress, before + rounds);
  await counted.begin(clusterStarts);
  const node = await runtimeNode(peers, resources);
  const subjects = await subjectsOf(node, { "k8s.v1.cni.cncf.io/networks": selection(node.networks) });
  const series = await interleave(subjects, rounds, () => counted.ended(what), before);
  return {
    rows: rows("bridge and macvlan", networksOfPod, series, bridgeAloneName),
    units: {},
    judged: bounds.map(({ command, ...bound }) => ({
      ...bound,
      measured: shareOf(series, command, nativeName, bridgeAloneName),
    })),
  };
}

/** @param rounds measured runs of each subject */
export function benchPod(rounds: number, peers: readonly Peer[], progress: Progress): Promise<AttachReport> {
  const measurement: PodMeasurement = {
    what: "sandboxes of containerd",
    rounds,
    before: warmUps,
    bounds: [
      { bound: "podStart", what: "RunPodSandbox", command: "ADD" },
      { bound: "podStop", what: "StopPodSandbox", command: "DEL" },
    ],
    async subjectsOf({ cluster, runtimes }, annotations) {
      const pod = await cluster.createPod("bench-pod", annotations);
      return runtimes.map(({ name, containerd, expected }) =>
        inCluster(subjectOf(name, containerd, { metadata: { ...pod }, annotations }), cluster, pod, expected),
      );
    },
  };
  return measurePods(measurement, peers, progress);
}

/**
 * Pods that a runtime starts all at once: a run is the time until all sandboxes run, and until all are stopped.
 * @param rounds measured runs of each subject
 */
export function benchCrowd(
  pods: number,
  rounds: number,
  peers: readonly Peer[],
  progress: Progress,
): Promise<AttachReport> {
  const measurement: PodMeasurement = {
    what: `${pods} sandboxes at once`,
    rounds,
    before: 1,
    bounds: [{ bound: "crowd", what: `${pods} RunPodSandbox at once`, command: "ADD" }],
    async subjectsOf({ cluster, runtimes }, annotations) {
      const placed: ApiPod[] = [];
      for (let index = 0; index < pods; index++) {
        placed.push(await cluster.createPod(`crowd-${index}`, annotations));
      }
      return runtimes.map(({ name, containerd }) => crowdOf(name, containerd, placed, annotations));
    },
  };
  return measurePods(measurement, peers, progress);
}

function crowdOf(
  name: string,
  containerd: Containerd,
  pods: readonly ApiPod[],
  annotations: Readonly<Record<string, string>>,
): Subject {
  const all = pods.map((pod) => new MeasuredSandbox(containerd, { metadata: { ...pod }, annotations }));
  return {
    name,
    add: () => timed(() => Promise.all(all.map((each) => each.start()))),
    async del() {
      const cost = await timed(() => Promise.all(all.map((each) => each.stop())));
      await Promise.all(all.map((each) => each.remove()));
      return cost;
    },
  };
}

async function startContainerd(
  { node }: BenchNode,
  index: number,
  { netconf, binary }: RuntimeNetwork,
): Promise<Containerd> {
  const directory = join(node.directory, `cri${index}`);
  const binDir = join(directory, "bin");
  const confDir = join(directory, "net.d");
  for (const each of [binDir, confDir]) mkdirSync(each, { recursive: true });
  // containerd runs it itself.
  copyFileSync(join(debianPlugins, "loopback"), join(binDir, "loopback"));
  await installPlugins(binDir);
  if (binary !== undefined) copyFileSync(binary, join(binDir, String(netconf.type)));
  writeFileSync(join(confDir, "00-bench.conf"), JSON.stringify(netconf));
  return await Containerd.start(directory, node.network, binDir, confDir);
}

/** A sandbox that is started again and again. */
class MeasuredSandbox {
  readonly #containerd: Containerd;
  readonly #config: SandboxConfig;
  #id = "";

  constructor(containerd: Containerd, config: SandboxConfig) {
    this.#containerd = containerd;
    this.#config = config;
  }

  async start(): Promise<void> {
    this.#id = await this.#containerd.runPodSandbox(this.#config);
  }

  stop(): Promise<void> {
    return this.#containerd.stopPodSandbox(this.#id);
  }

  remove(): Promise<void> {
    return this.#containerd.removePodSandbox(this.#id);
  }
}

/** CPU is not known: the containerd has other processes do the work. */
async function timed(work: () => Promise<unknown>): Promise<Cost> {
  const start = performance.now();
  await work();
  return { wall: performance.now() - start, cpu: 0, processes: undefined };
}

/** ADD is RunPodSandbox, DEL is StopPodSandbox; the sandbox is removed outside of both. */
function subjectOf(name: string, containerd: Containerd, config: SandboxConfig): Subject {
  const sandbox = new MeasuredSandbox(containerd, config);
  return {
    name,
    add: () => timed(() => sandbox.start()),
    async del() {
      const cost = await timed(() => sandbox.stop());
      await sandbox.remove();
      return cost;
    },
  };
}
