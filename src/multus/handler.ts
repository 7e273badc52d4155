/** The face of this room: one CNI request in, one reply out. Everything that goes wrong becomes a CNI error object. */

import { join } from "node:path";
import type { Executor } from "../agent/executor.ts";
import { parseCniArgs } from "../cni/args.ts";
import { ResultCache, resultsDirectory } from "../cni/cache.ts";
import { statusNetworkList } from "../cni/chain.ts";
import { CniError, CniErrorCode, errorJson } from "../cni/errors.ts";
import { NetworkConfigFiles } from "../cni/files.ts";
import { FollowedResults } from "../cni/followed-results.ts";
import { largeTurnsOf } from "../cni/large-work.ts";
import { isContainerIdTooLong } from "../cni/names.ts";
import { PluginVersions } from "../cni/plugin-versions.ts";
import { type CniReply, type CniRequest, containerOf, versionAskedFor } from "../cni/request.ts";
import type { Kernels } from "../kernels/index.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { attach } from "./attach.ts";
import type { EvictionPolicy } from "./background/evict-missing.ts";
import { MissingNetworks } from "./background/missing-networks.ts";
import type { MissingPod } from "./background/missing-search.ts";
import { StatusRestorer } from "./background/restore-status.ts";
import { check } from "./check.ts";
import type { Cluster, Clusters } from "./cluster/cluster.ts";
import { withinPatience } from "./cluster/patience.ts";
import { del as deleteAll } from "./del.ts";
import { type FailedDelCounts, FailedDels } from "./failed-dels.ts";
import { collectGarbage } from "./gc.ts";
import { checkPlugged, type DelegateRequest, plug, pluggedNetwork, unplug } from "./hot-plug.ts";
import { checkCommandVersion, checkEnvironment } from "./input/environment.ts";
import {
  keysOfDaemon,
  type Netconf,
  type NetconfOverrides,
  netconfOfDaemon,
  parseNetconf,
} from "./input/netconf.ts";
import { refusedPlugin } from "./input/own-plugin.ts";
import { hasName, podReference } from "./input/pod.ts";
import { podError } from "./input/pod-error.ts";
import { firstOf, type NadSource } from "./plan/nads.ts";
import { NetworkCatalog } from "./plan/networks.ts";
import { PassthruExecutor } from "./plan/passthru.ts";
import { BusyContainers } from "./request/busy.ts";
import { executorErrorCode, type RequestContext } from "./request/context.ts";
import { networkWithVersion } from "./request/network-version.ts";
import { type Pause, plainPause } from "./request/pause.ts";
import { pluginArgs, pluginPath } from "./request/plugin-environment.ts";
import { type Clock, systemClock } from "./request/readiness.ts";
import { endPhase, newReport, type RequestReport } from "./request/report.ts";
import type { CarryOut } from "./spool/attempt.ts";
import type { OwnRecords } from "./spool/own-records.ts";
import { hasRecords } from "./spool/spool.ts";
import { notAvailable, status } from "./status-command.ts";

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
  readonly clock?: Clock | undefined;
  /** Milliseconds since 1970, for what outlives the daemon. */
  readonly wallClock?: (() => number) | undefined;
  /** Milliseconds for each run of a plugin; 0: no limit. Undefined: what `timeoutOf` says. */
  readonly delegateTimeoutMs?: number | undefined;
  /** Which pods that run without their networks are evicted; undefined: none. */
  readonly eviction?: EvictionPolicy | undefined;
}

/** A reply, and what was done for it. */
export interface HandledRequest extends CniReply {
  readonly report: RequestReport;
  /** undefined where all went well. */
  readonly error: CniError | undefined;
}

export interface Multus {
  /**
   * Works on one request. Never throws. Requests for one container are expected one after the other.
   * @param executor runs plugins for this request
   * @param log of this request
   * @param pause waits for the API and for files; without it other requests are not given way to
   * @param arrived when it came, in milliseconds of `performance.now()`: it may have waited for its turn. Default: just now
   */
  handle(
    request: CniRequest,
    executor: Executor,
    log: Logger,
    pause?: Pause,
    arrived?: number,
  ): Promise<HandledRequest>;
  /** The same for one attachment of a pod that runs, with a network that the request brings. */
  handleDelegate(
    request: DelegateRequest,
    executor: Executor,
    log: Logger,
    pause?: Pause,
  ): Promise<HandledRequest>;
  /**
   * Makes the network-statuses again that a daemon which was killed had not delivered, in the background. Done without being asked as well: for
   * each cluster and cniDir when the first request names them.
   */
  restoreStatuses(cluster: Cluster): void;
  /**
   * Looks for pods of the node that run without the networks that they select, in the background. Done without being asked as well: with `restoreStatuses`, and for each cluster and cniDir when
   * the first request names them. Asked for when the runtime's file was written.
   */
  lookForMissingNetworks(): void;
  /** Those pods, as far as they were found and still run so. */
  readonly missingNetworks: readonly MissingPod[];
  /** Configuration files that are kept parsed. */
  readonly configFiles: number;
  /** Reads which DELs have failed before this daemon started. Done without being asked when the first DEL names the cniDir. Never throws. */
  readFailedDels(cniDir: string): Promise<void>;
  /** Containers whose DEL has failed, as far as that is read. */
  readonly failedDels: FailedDelCounts;
}

/** The surroundings of a request. */
interface RequestSurroundings {
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

/** Containers whose failed ADD is remembered: their DEL usually comes within seconds. */
const neverStartedLimit = 4096;

const nothing = new Uint8Array();

/** A DEL of a container whose ADD was refused for the length of its id: there is nothing to undo, and a DEL that fails would come again for ever. */
function isForNothing({ command, containerId }: CniRequest, log: Logger): boolean {
  if (command !== "DEL" || !isContainerIdTooLong(containerId)) return false;
  log.error("DEL of a container id that is too long: nothing was attached to it", {
    characters: containerId.length,
  });
  return true;
}

/** Does a request attach or detach its pod's networks? */
function changesPods({ command }: CniRequest): boolean {
  return command === "ADD" || command === "DEL";
}

/** Makes the handler of a daemon's whole life. */
export function createMultus(options: MultusOptions): Multus {
  const { kernels, nads, clock = systemClock, wallClock = Date.now, delegateTimeoutMs } = options;
  const files = new NetworkConfigFiles(kernels, (problem) => options.log.error(problem.message));
  const catalog = new NetworkCatalog(kernels, files);
  const versions = new PluginVersions();
  const busy = new BusyContainers();
  const followed = new FollowedResults(options.log);
  /** Containers whose ADD ended before its first delegate, the oldest first. */
  const neverStarted = new Set<string>();
  /** By cniDir: a node has one, or few. */
  const failedDels = new Map<string, FailedDels | Promise<FailedDels>>();
  const restorer = new StatusRestorer({ kernels, busy, log: options.log });
  const missing = new MissingNetworks({ eviction: options.eviction, log: options.log });

  /** The cluster that a request belongs to. Requests that need none go on without one that cannot be used. */
  async function clusterOf(
    { command }: CniRequest,
    kubeconfig: string,
    log: Logger,
  ): Promise<Cluster | undefined> {
    try {
      const opening = options.clusters?.of(kubeconfig);
      // It may have to be opened first, with credentials that a program makes.
      return await (opening === undefined || command === "ADD"
        ? opening
        : withinPatience(opening, "the cluster"));
    } catch (error) {
      if (command === "ADD") {
        throw error;
      }
      if (command === "STATUS") {
        throw notAvailable(error);
      }
      log.error("the cluster cannot be used", { error: errorText(error) });
      return undefined;
    }
  }

  function nadsOf(cluster: Cluster): NadSource {
    return nads === undefined ? cluster.nads : firstOf([cluster.nads, nads]);
  }

  /** Read when the first DEL names the cniDir. */
  function failedDelsOf(cniDir: string): FailedDels | Promise<FailedDels> {
    const known = failedDels.get(cniDir);
    if (known !== undefined) return known;
    const opening = FailedDels.open({ cniDir, log: options.log, now: wallClock }).then((opened) => {
      failedDels.set(cniDir, opened);
      return opened;
    });
    failedDels.set(cniDir, opening);
    return opening;
  }

  /** The result cache of a cniDir. An index, made from the first request on, finds a container's entries. */
  function cacheOf(cniDir: string, log: Logger): ResultCache {
    const directory = followed.of(join(cniDir, resultsDirectory));
    directory.begin();
    return new ResultCache(cniDir, log, directory);
  }

  async function contextOf(
    request: CniRequest,
    netconfOf: () => Netconf,
    { executor, log, pause }: RequestSurroundings,
    report: RequestReport,
  ): Promise<RequestContext> {
    const start = performance.now();
    const netconf = netconfOf();
    const runtimeArgs = parseCniArgs(request.args);
    const pod = podReference(runtimeArgs);
    report.podNamespace = pod.namespace;
    report.podName = pod.name;
    report.podUid = pod.uid;
    if (pod.name !== "" && changesPods(request)) missing.started(pod);
    const cluster = await pause(clusterOf(request, netconf.kubeconfig, log));
    for (const warning of netconf.warnings) {
      log.verbose(warning);
    }
    if (cluster !== undefined) {
      restorer.begin(cluster, netconf);
      missing.begin(cluster, netconf);
    }
    endPhase(report, "netconf", start);
    return {
      request,
      netconf,
      pod,
      annotations: netconf.podAnnotations,
      cluster,
      podObject: undefined,
      args: pluginArgs(pod, runtimeArgs),
      path: pluginPath(netconf.binDir, request.path),
      chain: {
        executor: new PassthruExecutor(executor),
        kernels,
        cache: cacheOf(netconf.cniDir, log),
        timeoutOf: (command) => delegateTimeoutMs ?? timeoutOf(command),
        versions,
        refusal: (plugin) => refusedPlugin(plugin, netconf.type),
        largeWork: largeTurnsOf(request.command, pod.namespace),
        log,
      },
      catalog,
      nads: cluster === undefined ? nads : nadsOf(cluster),
      clock,
      pause,
      report,
      log,
    };
  }

  function rememberNeverStarted(containerId: string): void {
    neverStarted.add(containerId);
    const [oldest] = neverStarted;
    if (neverStarted.size > neverStartedLimit && oldest !== undefined) {
      neverStarted.delete(oldest);
    }
  }

  async function add(context: RequestContext): Promise<Uint8Array> {
    const { containerId } = context.request;
    rememberNeverStarted(containerId);
    return attach(context, () => neverStarted.delete(containerId));
  }

  async function del(context: RequestContext): Promise<Uint8Array> {
    const { containerId } = context.request;
    if (hasName(context.pod)) {
      context.cluster?.sink.withdraw(context.pod);
    }
    await deleteAll(context, neverStarted.has(containerId), await failedDelsOf(context.netconf.cniDir));
    return nothing;
  }

  /** Records of the request's container; undefined: there are none, or the request is the replay of one. */
  async function recordsOf({ request, netconf, log }: RequestContext): Promise<OwnRecords | undefined> {
    const { containerId, triesLeft } = request;
    const { shimCniDir: cniDir } = netconf;
    if (triesLeft !== undefined) return undefined;
    try {
      if (!hasRecords(cniDir, containerId)) return undefined;
      const { OwnRecords: Records } = await import("./spool/own-records.ts");
      return new Records({ cniDir, request, log, now: wallClock });
    } catch (error) {
      log.error("recorded DELs cannot be read", { cniDir, error: errorText(error) });
      return undefined;
    }
  }

  /** Carries recorded DELs out inside of another request of their container. */
  function withinRequest(surroundings: RequestSurroundings): CarryOut {
    const { executor, log, pause } = surroundings;
    return async ({ request, begin, executorOver }) => {
      if (!begin()) return "not begun";
      const own = { ...surroundings, executor: executorOver(executor) };
      const { error } = await answered(request, (report) =>
        carryOut(request, own, report, performance.now()),
      );
      const { ifName } = request;
      if (error === undefined) {
        log.verbose("a recorded DEL of the container is done", { ifName });
        return "succeeded";
      }
      log.error("a recorded DEL of the container has failed", {
        ifName,
        code: error.code,
        error: error.message,
      });
      const isGone = pause.signal?.aborted === true || executorErrorCode(error) === "gone";
      return isGone ? "broken off" : "failed";
    };
  }

  /** An old DEL would take away what the ADD makes. @throws {CniError} 11 where one of the container's records cannot be done */
  async function addAfterRecords(
    context: RequestContext,
    surroundings: RequestSurroundings,
  ): Promise<Uint8Array> {
    const records = await recordsOf(context);
    if (records !== undefined) {
      const since = performance.now();
      if (!(await records.replay(withinRequest(surroundings)))) {
        const { addBeforeRecorded } = await import("./spool/own-records.ts");
        throw addBeforeRecorded(context.netconf.shimCniDir);
      }
      endPhase(context.report, "recorded", since);
    }
    return add(context);
  }

  /** One that cannot be done is no obstacle. A record that says just the same as the DEL is done with it. */
  async function delAfterRecords(
    context: RequestContext,
    surroundings: RequestSurroundings,
  ): Promise<Uint8Array> {
    const records = await recordsOf(context);
    if (records === undefined) return del(context);
    const since = performance.now();
    await records.replay(withinRequest(surroundings));
    endPhase(context.report, "recorded", since);
    const answer = await del(context);
    await records.forget();
    return answer;
  }

  /** The runtime's list is from before the request came: it does not have what was added while that waited. */
  async function gc(context: RequestContext, arrived: number): Promise<Uint8Array> {
    const touched = busy.touched(arrived);
    try {
      await collectGarbage(context, touched);
    } finally {
      touched.end();
    }
    return nothing;
  }

  async function carryOut(
    request: CniRequest,
    surroundings: RequestSurroundings,
    report: RequestReport,
    arrived: number,
  ): Promise<Uint8Array> {
    if (isForNothing(request, surroundings.log)) return nothing;
    const command = checkEnvironment(request);
    const netconfOf = () => parseNetconf(request.config, options.overrides);
    const context = await contextOf(request, netconfOf, surroundings, report);
    checkCommandVersion(command, context.netconf.cniVersion);
    switch (command) {
      case "ADD":
        return addAfterRecords(context, surroundings);
      case "DEL":
        return delAfterRecords(context, surroundings);
      case "CHECK":
        await check(context);
        return nothing;
      case "GC":
        return gc(context, arrived);
      case "STATUS":
        await status(context);
        return nothing;
    }
  }

  async function carryOutDelegate(
    request: DelegateRequest,
    surroundings: RequestSurroundings,
    report: RequestReport,
  ): Promise<Uint8Array> {
    if (isForNothing(request, surroundings.log)) return nothing;
    const command = checkEnvironment(request, { withoutPath: true });
    const plugged = pluggedNetwork(request, kernels);
    const netconfOf = () => netconfOfDaemon(options.overrides);
    const context = await contextOf(request, netconfOf, surroundings, report);
    switch (command) {
      case "ADD":
        return plug(context, plugged, () => neverStarted.delete(request.containerId));
      case "DEL":
        await unplug(context, plugged);
        return nothing;
      case "CHECK":
        await checkPlugged(context, plugged);
        return nothing;
      case "STATUS":
        await statusNetworkList(
          context.chain,
          await networkWithVersion(context, plugged.network),
          context.path,
        );
        return nothing;
      case "GC":
        throw new CniError(
          CniErrorCode.invalidEnvironment,
          "CNI_COMMAND is GC, which is not about one attachment",
        );
    }
  }

  /** Works on one request while its container counts as busy. */
  async function handled(
    request: CniRequest,
    work: (report: RequestReport) => Promise<Uint8Array>,
  ): Promise<HandledRequest> {
    const containerId = containerOf(request);
    busy.begin(containerId);
    try {
      return await answered(request, work);
    } finally {
      busy.end(containerId);
    }
  }

  /** Makes an error object of whatever goes wrong. */
  async function answered(
    request: CniRequest,
    work: (report: RequestReport) => Promise<Uint8Array>,
  ): Promise<HandledRequest> {
    const report = newReport();
    try {
      return { exitCode: 0, stdout: await work(report), report, error: undefined };
    } catch (caught) {
      const { podNamespace: namespace, podName: name, podUid: uid } = report;
      const error = podError(caught, { namespace, name, uid });
      const stdout = Buffer.from(errorJson(error, versionAskedFor(request)));
      return { exitCode: 1, stdout, report, error };
    } finally {
      const { podNamespace: namespace, podName: name } = report;
      if (name !== "" && changesPods(request)) missing.ended({ namespace, name });
    }
  }

  return {
    get configFiles() {
      return files.size;
    },
    async readFailedDels(cniDir) {
      await failedDelsOf(cniDir);
    },
    get failedDels() {
      const sum = { failing: 0, recorded: 0, "given-up": 0 };
      for (const opened of failedDels.values()) {
        if (opened instanceof Promise) continue;
        const { failing, recorded, "given-up": givenUp } = opened.counts;
        sum.failing += failing;
        sum.recorded += recorded;
        sum["given-up"] += givenUp;
      }
      return sum;
    },
    restoreStatuses(cluster) {
      const keys = keysOfDaemon(options.overrides);
      restorer.begin(cluster, keys);
      missing.begin(cluster, keys);
    },
    lookForMissingNetworks: () => missing.again(),
    get missingNetworks() {
      return missing.pods;
    },
    handle: (request, executor, log, pause = plainPause, arrived = performance.now()) =>
      handled(request, (report) => carryOut(request, { executor, log, pause }, report, arrived)),
    handleDelegate: (request, executor, log, pause = plainPause) =>
      handled(request, (report) => carryOutDelegate(request, { executor, log, pause }, report)),
  };
}
