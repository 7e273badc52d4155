/** The plan of a benchmark: checked options, and their description. */

import type { NetworkOptions } from "../scratch/networks.ts";
import { count } from "../text/quantities.ts";

/** A multus to measure beside ours. */
export interface Peer {
  readonly name: string;
  /** With a runtime: name of the runtime handler. Else the absolute path of its binary. */
  readonly target: string;
  /** Keys that are set over its netconf. */
  readonly netconf: Readonly<Record<string, unknown>>;
}

/** Devices that the pods get of one network, in order. */
export interface Devices {
  /** Name of a NAD as the selection has it. */
  readonly network: string;
  /** PCI addresses, or whatever the plugin takes as deviceID. */
  readonly ids: readonly string[];
}

/** Through our plugin alone, on scratch pods. */
export interface PluginSite {
  readonly through: "plugin";
  readonly binDirs: readonly string[];
  /** Links to create on the scratch node, besides those that the networks' files name. */
  readonly masters: readonly string[];
  /** Delegates run in this machine's own network namespace. */
  readonly inHostNetwork: boolean;
  /** undefined: the benchmark starts a daemon for itself. */
  readonly runningDaemon: { readonly socketDir: string; readonly cniDir: string } | undefined;
  /** Compare with the cluster network's plugins alone. */
  readonly withoutMultus: boolean;
}

/** Through the node's container runtime. */
export interface RuntimeSite {
  readonly through: "runtime";
  /** Path of its socket. */
  readonly socket: string;
  /** Where the daemon of this node listens. */
  readonly socketDir: string;
  /** Of the sandboxes. */
  readonly cgroupParent: string;
}

export interface BenchPlan {
  readonly site: PluginSite | RuntimeSite;
  readonly networks: NetworkOptions;
  readonly devices: readonly Devices[];
  readonly peers: readonly Peer[];
  /** Numbers of pods that are started at once. */
  readonly levels: readonly number[];
  readonly rounds: number;
  readonly warmUps: number;
  /** Kubernetes namespace of the pods. */
  readonly podNamespace: string;
  readonly limitMinutes: number;
}

/** Pods that a plan starts in all. @param subjects what is compared */
export function startsOf({ levels, rounds, warmUps }: BenchPlan, subjects: number): number {
  return levels.reduce((sum, pods) => sum + pods, 0) * (rounds + warmUps) * subjects;
}

/** How many ways to start a pod are compared. */
export function subjectsOf({ site, peers }: BenchPlan): number {
  return 1 + peers.length + (site.through === "plugin" && site.withoutMultus ? 1 : 0);
}

/** Describes a plan, line by line, for `--dry-run`. @param selection of the pods */
export function describePlan(plan: BenchPlan, selection: string): string[] {
  const { site, peers, levels, rounds, warmUps, limitMinutes, devices, podNamespace } = plan;
  const compared = [
    "multus-wasm",
    ...peers.map(({ name, target }) => `${name} (${target})`),
    ...(site.through === "plugin" && site.withoutMultus ? ["the cluster network's plugins alone"] : []),
  ];
  const lines =
    site.through === "runtime"
      ? [
          `pods: sandboxes of the runtime at ${site.socket}, in namespace ${podNamespace}, below cgroup ${site.cgroupParent}`,
          `daemon: the one that serves ${site.socketDir}`,
        ]
      : [
          `pods: scratch network namespaces, ${Math.max(...levels)} of them`,
          site.inHostNetwork
            ? "delegates: in this machine's own network namespace"
            : "delegates: in a scratch network namespace",
          site.runningDaemon === undefined
            ? "daemon: one of its own, with its own directories"
            : `daemon: the one that serves ${site.runningDaemon.socketDir}`,
          `plugins: from ${site.binDirs.join(", ")}`,
        ];
  return [
    ...lines,
    `networks: the cluster network, and ${selection === "" ? "no other" : selection}`,
    ...devices.map(({ network, ids }) => `devices of ${network}: ${ids.join(", ")}`),
    `compared: ${compared.join(", ")}`,
    `rounds: ${warmUps} to warm up, ${rounds} measured, each with ${levels.join(", ")} pods at once of each`,
    `in all: ${count(startsOf(plan, compared.length), "pod")} started and stopped, within ${limitMinutes} min`,
  ];
}
