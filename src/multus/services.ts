/** The services that all requests of a daemon share, and which read each request for the commands. */

import { join } from "node:path";
import type { Executor } from "../agent/executor.ts";
import { largeTurnsOf } from "../base/large-work.ts";
import { parseCniArgs } from "../cni/args.ts";
import { ResultCache, resultsDirectory } from "../cni/cache.ts";
import { NetworkConfigFiles } from "../cni/files.ts";
import { FollowedResults } from "../cni/followed-results.ts";
import { PluginVersions } from "../cni/plugin-versions.ts";
import type { CniRequest } from "../cni/request.ts";
import type { Kernels } from "../kernels/index.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import type { EvictionPolicy } from "./background/evict-missing.ts";
import { MissingNetworks } from "./background/missing-networks.ts";
import { restoreStatuses } from "./background/restore-status.ts";
import type { Cluster, Clusters } from "./cluster/cluster.ts";
import { withinPatience } from "./cluster/patience.ts";
import type { LastingKeys, Netconf, NetconfOverrides } from "./input/netconf.ts";
import { refusedPlugin } from "./input/own-plugin.ts";
import { podReference } from "./input/pod.ts";
import type { DeviceInfoFiles, DeviceSource } from "./plan/devices.ts";
import { firstOf, type NadSource } from "./plan/nads.ts";
import { NetworkCatalog } from "./plan/networks.ts";
import { PassthruExecutor } from "./plan/passthru.ts";
import { BusyContainers } from "./request/busy.ts";
import type { Call } from "./request/call.ts";
import type { Pause } from "./request/pause.ts";
import { pluginArgs, pluginPath } from "./request/plugin-environment.ts";
import { type Clock, systemClock } from "./request/readiness.ts";
import { inPhase, type RequestReport } from "./request/report.ts";
import { notAvailable } from "./status-command.ts";

export interface MultusOptions {
  readonly kernels: Kernels;
  /** For what belongs to no request: configuration files that cannot be read. */
  readonly log: Logger;
  /** Netconf keys of the daemon's own configuration. */
  readonly overrides?: NetconfOverrides | undefined;
  /** The Kubernetes clusters that requests may belong to; undefined: none. */
  readonly clusters?: Clusters | undefined;
  /** NetworkAttachmentDefinitions beside a cluster's own, which come first; undefined: none. */
  readonly nads?: NadSource | undefined;
  /** Devices of the node's pods; undefined: a network that wants one is refused. */
  readonly devices?: DeviceSource | undefined;
  /** Device information files; undefined: attachments have none. */
  readonly deviceInfo?: DeviceInfoFiles | undefined;
  readonly clock?: Clock | undefined;
  /** Milliseconds since 1970, for what outlives the daemon. */
  readonly wallClock?: (() => number) | undefined;
  /** Milliseconds for each run of a plugin; 0: no limit. Undefined: what `timeoutOf` says. */
  readonly delegateTimeoutMs?: number | undefined;
  /** Which pods that run without their networks are evicted; undefined: none. */
  readonly eviction?: EvictionPolicy | undefined;
}

export interface RequestSurroundings {
  readonly executor: Executor;
  readonly log: Logger;
  readonly pause: Pause;
}

/** Above the two minutes that whereabouts gives itself for an ADD. With an undoing DEL it is below the four minutes that a kubelet waits for a sandbox. */
const defaultDelegateTimeoutMs = 135_000;

/** Of what is not ADD: below the two minutes that a kubelet waits until a sandbox has stopped, and a recorded DEL may take. */
const defaultFurtherTimeoutMs = 90_000;

/** Milliseconds that a run of a plugin may take where nothing else is configured: a DEL that undoes an ADD takes no longer than any other. */
function timeoutOf(command: string): number {
  return command === "ADD" ? defaultDelegateTimeoutMs : defaultFurtherTimeoutMs;
}

/** Does a request attach or detach its pod's networks? */
export function changesPods({ command }: CniRequest): boolean {
  return command === "ADD" || command === "DEL";
}

export class Services {
  readonly kernels: Kernels;
  readonly busy = new BusyContainers();
  /** Finds pods of the node that run without the networks that they select. */
  readonly missing: MissingNetworks;
  readonly files: NetworkConfigFiles;
  readonly catalog: NetworkCatalog;
  readonly clock: Clock;
  readonly #options: MultusOptions;
  /** Directories of each cluster that background work was begun for. */
  readonly #begun = new WeakMap<Cluster, Set<string>>();
  readonly #versions = new PluginVersions();
  readonly #followed: FollowedResults;

  constructor(options: MultusOptions) {
    const { kernels, log, eviction, clock = systemClock } = options;
    this.#options = options;
    this.kernels = kernels;
    this.clock = clock;
    this.files = new NetworkConfigFiles(kernels, (problem) => log.error(problem.message));
    this.catalog = new NetworkCatalog(kernels, this.files);
    this.#followed = new FollowedResults(log);
    this.missing = new MissingNetworks({ kernels, eviction, log });
  }

  /**
   * Reads a request.
   * @param netconfOf reads its netconf
   * @throws {CniError} as `netconfOf` does; of an ADD or STATUS whose cluster cannot be used
   */
  read(
    request: CniRequest,
    netconfOf: () => Netconf,
    surroundings: RequestSurroundings,
    report: RequestReport,
  ): Promise<Call> {
    return inPhase(report, "netconf", async () => {
      const { executor, log, pause } = surroundings;
      const netconf = netconfOf();
      const { nads, devices, deviceInfo, delegateTimeoutMs } = this.#options;
      const { containerId, netns, ifName } = request;
      const runtimeArgs = parseCniArgs(request.args);
      const pod = podReference(runtimeArgs);
      report.podNamespace = pod.namespace;
      report.podName = pod.name;
      report.podUid = pod.uid;
      if (pod.name !== "" && changesPods(request)) this.missing.started(pod);
      const cluster = await pause(this.#clusterOf(request, netconf.kubeconfig, log));
      for (const warning of netconf.warnings) log.verbose(warning);
      if (cluster !== undefined) this.beginBackground(cluster, netconf);
      return {
        request,
        netconf,
        sandbox: { containerId, netns, ifName, pod, args: pluginArgs(pod, runtimeArgs) },
        chain: {
          executor: new PassthruExecutor(executor),
          kernels: this.kernels,
          path: pluginPath(netconf.binDir, request.path),
          cache: this.#cacheOf(netconf.cniDir, log),
          timeoutOf: (command) => delegateTimeoutMs ?? timeoutOf(command),
          versions: this.#versions,
          refusal: (plugin) => refusedPlugin(plugin, netconf.type),
          largeWork: largeTurnsOf(request.command, pod.namespace),
          log,
        },
        cluster,
        nads: cluster === undefined ? nads : this.#nadsOf(cluster),
        devices,
        deviceInfo,
        pause,
        report,
      };
    });
  }

  /** Begins the work of no request for a cluster and a cniDir, once for each: network-statuses are made again, pods without their networks are looked for. */
  beginBackground(cluster: Cluster, { cniDir }: LastingKeys): void {
    const begun = this.#begun.get(cluster) ?? new Set();
    if (begun.has(cniDir)) return;
    this.#begun.set(cluster, begun.add(cniDir));
    const { kernels, busy } = this;
    const { deviceInfo, log } = this.#options;
    void restoreStatuses(cluster, cniDir, { kernels, busy, deviceInfo, log });
    this.missing.begin(cluster, cniDir);
  }

  /** The cluster that a request belongs to. Requests that need none go on without one that cannot be used. */
  async #clusterOf({ command }: CniRequest, kubeconfig: string, log: Logger): Promise<Cluster | undefined> {
    try {
      const opening = this.#options.clusters?.of(kubeconfig);
      // It may have to be opened first, with credentials that a program makes.
      return await (opening === undefined || command === "ADD"
        ? opening
        : withinPatience(opening, "the cluster"));
    } catch (error) {
      if (command === "ADD") throw error;
      if (command === "STATUS") throw notAvailable(error);
      log.error("the cluster cannot be used", { error: errorText(error) });
      return undefined;
    }
  }

  #nadsOf(cluster: Cluster): NadSource {
    const { nads } = this.#options;
    return nads === undefined ? cluster.nads : firstOf([cluster.nads, nads]);
  }

  /** The result cache of a cniDir. An index, made from the first request on, finds a container's entries. */
  #cacheOf(cniDir: string, log: Logger): ResultCache {
    const directory = this.#followed.of(join(cniDir, resultsDirectory));
    directory.begin();
    return new ResultCache(cniDir, log, directory);
  }
}
