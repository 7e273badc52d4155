/** Pods as a runtime starts and stops them: RunPodSandbox and StopPodSandbox of a real containerd, with the bridge alone and no multus, and through multus-wasm with four networks. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Containerd, type SandboxConfig } from "../test/support/containerd.ts";
import { debianPlugins, shim } from "../test/support/test-node.ts";
import type { AttachReport, Progress } from "./attach.ts";
import { BenchNode } from "./bench-node.ts";
import { BenchCluster } from "./cluster.ts";
import { inCluster, podInCluster } from "./in-cluster.ts";
import { executedName, nativeName, nativeNetconf } from "./native.ts";
import { realNetworks, selection } from "./networks.ts";
import { installPlugins } from "./plugins.ts";
import { relay } from "./relay.ts";
import { interleave, rows, shareOf, warmUps } from "./rounds.ts";
import { type Cost, ownNetconf, type Peer, peerNetconf, type Subject } from "./subjects.ts";

const networksOfPod = 4;

/** The subject that the others are compared with. */
export const bridgeAloneName = "bridge alone, no multus";

/** What a containerd is given as its only network. */
interface RuntimeNetwork {
  readonly name: string;
  readonly netconf: Readonly<Record<string, unknown>>;
  /** The binary of the netconf's type; undefined: among the plugins. */
  readonly binary?: string;
}

/**
 * Every subject has a containerd: which plugin one runs is its configuration's.
 * @param rounds measured runs of each subject
 */
export async function benchPod(
  rounds: number,
  peers: readonly Peer[],
  progress: Progress,
): Promise<AttachReport> {
  await using cluster = await BenchCluster.start();
  await using bench = await BenchNode.start(await cluster.nodeOptions());
  await using resources = new AsyncDisposableStack();
  const { node, runner } = bench;
  if (peers.length > 0) resources.use(await relay(node.network, cluster.api.port));
  await installPlugins(node.binDir);
  await node.untilReady();
  const networks = realNetworks(networksOfPod, node.ipamDir);
  const [bridge] = networks;
  if (bridge === undefined) throw new Error("at least one network is needed");
  const one = { delegates: "bridge and macvlan", networks, directory: node.binDir } as const;
  const { site, pod } = await podInCluster(cluster, one, {
    node,
    runner,
    pod: await node.pod("bench-pod", selection(networks)),
  });
  const annotationsFrom = "cluster";
  const kubeconfig = cluster.api.adminKubeconfig;
  const own = [
    { name: executedName, netconf: ownNetconf(site, networks, { annotationsFrom }), binary: shim },
    {
      name: nativeName,
      netconf: ownNetconf(site, networks, { annotationsFrom, netconf: nativeNetconf }),
      binary: shim,
    },
  ];
  const others = peers.map((peer) => ({
    name: peer.name,
    netconf: peerNetconf(node, peer, { delegates: [bridge.config], kubeconfig }),
    binary: peer.binary,
  }));
  const sandbox: SandboxConfig = { metadata: { ...pod }, annotations: site.pod.annotations };
  const started: Subject[] = [];
  const start = async (network: RuntimeNetwork): Promise<Subject> =>
    subjectOf(network, resources.use(await startContainerd(bench, started.length, network)), sandbox);
  const nothing = { status: false, events: 0 };
  const alone = await start({ name: bridgeAloneName, netconf: bridge.config });
  started.push(inCluster(alone, cluster, pod, nothing));
  for (const network of own) {
    started.push(inCluster(await start(network), cluster, pod, { status: true, events: networksOfPod }));
  }
  for (const network of others) {
    started.push(inCluster(await start(network), cluster, pod, { status: true, events: 0 }));
  }
  let done = 0;
  const series = await interleave(started, rounds, () => {
    done += 1;
    progress("pod: sandboxes of containerd", done / (rounds + warmUps));
  });
  return {
    rows: rows("bridge and macvlan", networksOfPod, series, bridgeAloneName),
    units: {},
    judged: [
      {
        bound: "podStart",
        what: "RunPodSandbox",
        measured: shareOf(series, "ADD", nativeName, bridgeAloneName),
      },
      {
        bound: "podStop",
        what: "StopPodSandbox",
        measured: shareOf(series, "DEL", nativeName, bridgeAloneName),
      },
    ],
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

/** ADD is RunPodSandbox, DEL is StopPodSandbox; the sandbox is removed outside of both. CPU is not known. */
function subjectOf({ name }: RuntimeNetwork, containerd: Containerd, sandbox: SandboxConfig): Subject {
  let id = "";
  const timed = async (work: () => Promise<void>): Promise<Cost> => {
    const start = performance.now();
    await work();
    return { wall: performance.now() - start, cpu: 0, processes: undefined };
  };
  return {
    name,
    add: () =>
      timed(async () => {
        id = await containerd.runPodSandbox(sandbox);
      }),
    async del() {
      const cost = await timed(() => containerd.stopPodSandbox(id));
      await containerd.removePodSandbox(id);
      return cost;
    },
  };
}
