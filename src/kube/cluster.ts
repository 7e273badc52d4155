/** A cluster as the rest of the daemon sees it: its pods, its NetworkAttachmentDefinitions and its statuses over one connection. */

import type { Logger } from "../log/logger.ts";
import type { Cluster } from "../multus/cluster/cluster.ts";
import type { ClaimSource } from "../multus/plan/devices.ts";
import type { Connection } from "./api.ts";
import { ApiClient } from "./api-client.ts";
import type { NodeCertificateSettings } from "./certificates/connection.ts";
import type { ClusterState } from "./cluster-state.ts";
import { ClusterStatusSink } from "./cluster-status-sink.ts";
import { inClusterCredentials, kubeconfigCredentials, kubeconfigServer } from "./credentials.ts";
import type { DaemonSetFate } from "./daemon-set.ts";
import { KubeLackingPods } from "./lacking-pods.ts";
import { KubeNads } from "./nads.ts";
import type { OwnDaemonSet } from "./own-daemon-set.ts";
import { KubePods } from "./pods.ts";
import { syncPatienceMs } from "./reflector.ts";

export interface OpenCluster extends Cluster {
  readonly state: ClusterState;
  /** Is the DaemonSet gone that the daemon is a pod of? Never throws. @param withinMs milliseconds until there has to be an answer */
  fateOfDaemonSet(own: OwnDaemonSet, withinMs: number): Promise<DaemonSetFate>;
  /**
   * Waits until statuses and events are delivered, then ends watches and connections.
   * @param limitMs milliseconds to wait at most
   * @param until a request that has to end before connections are closed; it has its own limit
   * @returns how many were not delivered
   */
  close(limitMs: number, until?: Promise<unknown>): Promise<number>;
}

export interface KubeClusterOptions {
  readonly api: Connection;
  /** Names the cluster in log and errors: its server's address. */
  readonly server: string;
  /** "" if it is not known; then no pods are watched. */
  readonly nodeName: string;
  /** Bytes that the NetworkAttachmentDefinitions may take in memory. */
  readonly nadCacheBytes: number;
  readonly log: Logger;
}

export interface ClusterSettings extends Pick<KubeClusterOptions, "nodeName" | "nadCacheBytes" | "log"> {
  /** A certificate of the node is shown to the cluster; the kubeconfig's user only asks for the first one. */
  readonly nodeCertificate?: NodeCertificateSettings | undefined;
}

/**
 * Opens a cluster. Whether its server can be reached is not waited for.
 * @param kubeconfig path; "": the cluster that this process is a pod of
 * @throws {InputError} where there are no credentials that could be shown to it
 */
export async function openCluster(kubeconfig: string, settings: ClusterSettings): Promise<OpenCluster> {
  const { nodeCertificate, ...options } = settings;
  const { nodeName, log } = options;
  const credentials = kubeconfig === "" ? inClusterCredentials(log) : kubeconfigCredentials(kubeconfig, log);
  if (nodeCertificate === undefined) {
    const { server } = await credentials.access();
    return new KubeCluster({ ...options, api: new ApiClient(credentials), server: server.origin });
  }
  // The files of its user may be missing while there is a certificate.
  const server = await kubeconfigServer(kubeconfig);
  const { connectWithNodeCertificate } = await import("./certificates/connection.ts");
  const api = connectWithNodeCertificate({ ...nodeCertificate, kubeconfig, nodeName, log }, credentials);
  return new KubeCluster({ ...options, api, server: server.origin });
}

/** A runtime that asks for the STATUS of a daemon which has just started gets its answer after so many milliseconds at most. */
const firstListMs = 1_000;

class KubeCluster implements OpenCluster {
  readonly pods: KubePods;
  readonly nads: KubeNads;
  readonly sink: ClusterStatusSink;
  readonly lacking: KubeLackingPods;
  readonly claims: ClaimSource;
  readonly #options: KubeClusterOptions;

  /** Begins to watch at once. */
  constructor(options: KubeClusterOptions) {
    const { api, server, nodeName, nadCacheBytes, log } = options;
    this.#options = options;
    log.verbose("cluster: connecting", { server, node: nodeName || undefined });
    if (nodeName === "") {
      log.verbose(
        "cluster: MULTUS_NODE_NAME is not set, nor nodeName: pods are not watched, each is asked for",
      );
    }
    this.nads = new KubeNads(api, log, nadCacheBytes);
    this.pods = new KubePods(api, nodeName, log);
    this.lacking = new KubeLackingPods({ api, pods: this.pods, nodeName, log });
    this.sink = new ClusterStatusSink({ api, nodeName, log });
    this.claims = claimsWhenAsked(api, log);
    this.#sayWhenComplete().catch(() => {});
  }

  problem(): string | undefined {
    const { watch } = this.nads;
    // Without the right to watch them, or without their definition, the rest of the API still works.
    if (watch.synced || watch.refused) return undefined;
    const why = watch.lastProblem ?? "they are being listed for the first time";
    return `the network-attachment-definitions of the cluster at ${this.#options.server} are not known yet: ${why}`;
  }

  get state(): ClusterState {
    return {
      server: this.#options.server,
      watches: [this.nads.state, this.pods.state].filter((state) => state !== undefined),
      deliveries: this.sink.deliveries,
    };
  }

  async untilListed(): Promise<void> {
    const { watch } = this.nads;
    if (!watch.refused && watch.lastProblem === undefined) await watch.waitUntilSynced(firstListMs);
  }

  async fateOfDaemonSet(own: OwnDaemonSet, withinMs: number): Promise<DaemonSetFate> {
    const { fateOfDaemonSet } = await import("./daemon-set.ts");
    const isPodEnding = () => this.pods.isBeingDeleted(own.namespace, own.pod);
    return fateOfDaemonSet({ api: this.#options.api, own, isPodEnding, withinMs });
  }

  async close(limitMs: number, until?: Promise<unknown>): Promise<number> {
    const undelivered = await this.sink.flush(limitMs);
    await until;
    this.sink.close();
    this.lacking.close();
    this.nads.watch.close();
    this.pods.watch?.close();
    this.#options.api.close();
    return undelivered;
  }

  async #sayWhenComplete(): Promise<void> {
    const begin = performance.now();
    const watches = [this.nads.watch, this.pods.watch].filter((watch) => watch !== undefined);
    const complete = await Promise.all(watches.map((watch) => watch.waitUntilSynced(syncPatienceMs)));
    if (!complete.every(Boolean)) return;
    this.#options.log.verbose("cluster: networks and pods are known", {
      nads: this.nads.watch.size,
      pods: this.pods.watch?.size,
      milliseconds: performance.now() - begin,
    });
  }
}

/** The pods' claims, whose code is loaded when it is asked for them first. */
function claimsWhenAsked(api: Connection, log: Logger): ClaimSource {
  let loading: Promise<ClaimSource> | undefined;
  const loaded = () => {
    loading ??= import("./claimed-devices.ts").then(({ ClaimedDevices }) => new ClaimedDevices(api, log));
    return loading;
  };
  return {
    containers: async (pod) => (await loaded()).containers(pod),
    devices: async (pod) => (await loaded()).devices(pod),
  };
}
