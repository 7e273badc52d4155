/** The face of src/multus: one CNI request in, one reply out. Everything that goes wrong becomes a CNI error object. */

import type { Executor } from "../agent/executor.ts";
import { statusNetworkList } from "../cni/chain.ts";
import { environmentError, errorJson } from "../cni/errors.ts";
import { isContainerIdTooLong } from "../cni/names.ts";
import { type CniRequest, containerOf, versionAskedFor } from "../cni/request.ts";
import type { Logger } from "../log/logger.ts";
import { attach } from "./attach.ts";
import type { MissingPod } from "./background/missing-search.ts";
import { check } from "./check.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { del } from "./del.ts";
import type { FailedDelCounts } from "./failed-dels.ts";
import { FailedDelsOfNode } from "./failed-dels-of-node.ts";
import { collectGarbage } from "./gc.ts";
import { checkPlugged, type DelegateRequest, plug, pluggedNetwork, unplug } from "./hot-plug.ts";
import { checkCommandVersion, checkEnvironment } from "./input/environment.ts";
import { keysOfDaemon, netconfOfDaemon, parseNetconf } from "./input/netconf.ts";
import { hasName } from "./input/pod.ts";
import { podError } from "./input/pod-error.ts";
import { NeverStarted } from "./never-started.ts";
import { RecordedDels } from "./recorded.ts";
import type { Call } from "./request/call.ts";
import { networkWithVersion } from "./request/network-version.ts";
import { type Pause, plainPause } from "./request/pause.ts";
import { type HandledRequest, newReport, type RequestReport } from "./request/report.ts";
import { changesPods, type MultusOptions, type RequestSurroundings, Services } from "./services.ts";
import { status } from "./status-command.ts";

const nothing = new Uint8Array();

/** A DEL of a container whose ADD was refused for the length of its id: there is nothing to undo, and a DEL that fails would come again for ever. */
function isForNothing({ command, containerId }: CniRequest, log: Logger): boolean {
  if (command !== "DEL" || !isContainerIdTooLong(containerId)) return false;
  log.error("DEL of a container id that is too long: nothing was attached to it", {
    characters: containerId.length,
  });
  return true;
}

/** Works on the requests of a daemon's whole life. */
export class Multus {
  readonly #options: MultusOptions;
  readonly #services: Services;
  readonly #neverStarted = new NeverStarted();
  readonly #failedDels: FailedDelsOfNode;
  readonly #recorded: RecordedDels;

  constructor(options: MultusOptions) {
    const { log, wallClock = Date.now } = options;
    this.#options = options;
    this.#services = new Services(options);
    this.#failedDels = new FailedDelsOfNode({ log, now: wallClock });
    this.#recorded = new RecordedDels((request, surroundings) => {
      const work = (report: RequestReport) =>
        this.#carryOut(request, surroundings, report, performance.now());
      return this.#handled(request, work, true);
    }, wallClock);
  }

  /**
   * Works on one request. Never throws. Requests for one container are expected one after the other.
   * @param executor runs plugins for this request
   * @param log of this request
   * @param pause waits for the API and for files; without it other requests are not given way to
   * @param arrived when it came, in milliseconds of `performance.now()`: it may have waited for its turn. Default: just now
   */
  readonly handle = (
    request: CniRequest,
    executor: Executor,
    log: Logger,
    pause: Pause = plainPause,
    arrived: number = performance.now(),
  ): Promise<HandledRequest> =>
    this.#handled(request, (report) => this.#carryOut(request, { executor, log, pause }, report, arrived));

  /** The same for one attachment of a pod that runs, with a network that the request brings. */
  readonly handleDelegate = (
    request: DelegateRequest,
    executor: Executor,
    log: Logger,
    pause: Pause = plainPause,
  ): Promise<HandledRequest> =>
    this.#handled(request, (report) => this.#carryOutDelegate(request, { executor, log, pause }, report));

  /**
   * Makes the network-statuses again that a daemon which was killed had not delivered, in the background. Done without being asked as well: for
   * each cluster and cniDir when the first request names them.
   */
  restoreStatuses(cluster: Cluster): void {
    this.#services.beginBackground(cluster, keysOfDaemon(this.#options.overrides));
  }

  /**
   * Looks for pods of the node that run without the networks that they select, in the background. Done without being asked as well: with `restoreStatuses`, and for each cluster and cniDir when
   * the first request names them. Asked for when the runtime's file was written.
   */
  lookForMissingNetworks(): void {
    this.#services.missing.again();
  }

  /** Those pods, as far as they were found and still run so. */
  get missingNetworks(): readonly MissingPod[] {
    return this.#services.missing.pods;
  }

  /** Configuration files that are kept parsed. */
  get configFiles(): number {
    return this.#services.files.size;
  }

  /** Reads which DELs have failed before this daemon started. Done without being asked when the first DEL names the cniDir. Never throws. */
  async readFailedDels(cniDir: string): Promise<void> {
    await this.#failedDels.of(cniDir);
  }

  /** Containers whose DEL has failed, as far as that is read. */
  get failedDels(): FailedDelCounts {
    return this.#failedDels.counts;
  }

  /**
   * Works on one request, and makes an error object of whatever goes wrong. Its container counts as busy meanwhile.
   * @param isWithin it is worked on inside of another request of its container
   */
  async #handled(
    request: CniRequest,
    work: (report: RequestReport) => Promise<Uint8Array>,
    isWithin = false,
  ): Promise<HandledRequest> {
    const { busy, missing } = this.#services;
    const containerId = containerOf(request);
    if (!isWithin) busy.begin(containerId);
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
      if (!isWithin) busy.end(containerId);
    }
  }

  async #carryOut(
    request: CniRequest,
    surroundings: RequestSurroundings,
    report: RequestReport,
    arrived: number,
  ): Promise<Uint8Array> {
    if (isForNothing(request, surroundings.log)) return nothing;
    const command = checkEnvironment(request);
    const netconfOf = () => parseNetconf(request.config, this.#options.overrides);
    const call = await this.#services.read(request, netconfOf, surroundings, report);
    const { catalog } = this.#services;
    checkCommandVersion(command, call.netconf.cniVersion);
    switch (command) {
      case "ADD":
        await this.#recorded.beforeAdd(call, surroundings);
        this.#neverStarted.add(request.containerId);
        return await attach(this.#services, call, () => this.#neverStarted.started(request.containerId));
      case "DEL":
        await this.#del(call, surroundings);
        return nothing;
      case "CHECK":
        await check(catalog, call);
        return nothing;
      case "GC":
        await this.#gc(call, arrived);
        return nothing;
      case "STATUS":
        await status(catalog, call);
        return nothing;
    }
  }

  async #carryOutDelegate(
    request: DelegateRequest,
    surroundings: RequestSurroundings,
    report: RequestReport,
  ): Promise<Uint8Array> {
    if (isForNothing(request, surroundings.log)) return nothing;
    const command = checkEnvironment(request, { withoutPath: true });
    const plugged = pluggedNetwork(request, this.#services.kernels);
    const netconfOf = () => netconfOfDaemon(this.#options.overrides);
    const call = await this.#services.read(request, netconfOf, surroundings, report);
    switch (command) {
      case "ADD":
        return plug(call, plugged, () => this.#neverStarted.started(request.containerId));
      case "DEL":
        await unplug(call, plugged);
        return nothing;
      case "CHECK":
        await checkPlugged(call, plugged);
        return nothing;
      case "STATUS":
        await statusNetworkList(call.chain, await networkWithVersion(call, undefined, plugged.network));
        return nothing;
      case "GC":
        throw environmentError("CNI_COMMAND is GC, which is not about one attachment");
    }
  }

  async #del(call: Call, surroundings: RequestSurroundings): Promise<void> {
    const { cluster, sandbox, netconf } = call;
    const records = await this.#recorded.beforeDel(call, surroundings);
    if (hasName(sandbox.pod)) cluster?.sink.withdraw(sandbox.pod);
    const failedDels = await this.#failedDels.of(netconf.cniDir);
    await del(this.#services.catalog, call, this.#neverStarted.has(sandbox.containerId), failedDels);
    await records?.forget();
  }

  /** The runtime's list is from before the request came: it does not have what was added while that waited. */
  async #gc(call: Call, arrived: number): Promise<void> {
    const touched = this.#services.busy.touched(arrived);
    try {
      await collectGarbage(this.#services.catalog, call, touched);
    } finally {
      this.#services.busy.release(touched);
    }
  }
}
