/** Replays a case in this process: our handler, the kernels and real files, with the recorded delegates behind the executor. */

import { join } from "node:path";
import { findCniArg, parseCniArgs } from "../../src/cni/args.ts";
import type { CniRequest } from "../../src/cni/request.ts";
import { DeviceInfoDirectory } from "../../src/devices/device-info.ts";
import { NodeDevices } from "../../src/devices/node-devices.ts";
import type { Kernels } from "../../src/kernels/index.ts";
import { silentLogger } from "../../src/log/logger.ts";
import { Multus } from "../../src/multus/multus.ts";
import { NadFiles } from "../../src/multus/plan/nad-files.ts";
import { PretendedCluster } from "../support/pretended-cluster.ts";
import type { RouteOrder } from "../support/pretended-plugins.ts";
import type { GoldenCase, Json, JsonObject, Step } from "./cases.ts";
import { comparableCall, comparableEvents, comparableFiles, type Expectation } from "./expectation.ts";
import { ReplayExecutor } from "./replay-executor.ts";
import { jsonOrText, type ScratchHost } from "./scratch-host.ts";
import type { Surroundings } from "./surroundings.ts";

/** Our plugin's outcome of a step. */
export interface Replayed extends Omit<Expectation, "routes"> {
  readonly routeOrders: readonly RouteOrder[];
  /** The error object, where it failed. */
  readonly error: JsonObject | undefined;
}

/** Our plugin on a scratch host. */
export class Replay {
  readonly cluster = new PretendedCluster();
  readonly #golden: GoldenCase;
  readonly #host: ScratchHost;
  readonly #surroundings: Surroundings;
  readonly #multus: Multus;

  constructor(golden: GoldenCase, host: ScratchHost, kernels: Kernels, where: Surroundings = "cluster") {
    this.#golden = golden;
    this.#host = host;
    this.#surroundings = where;
    if (where !== "files and runtime") {
      for (const { namespace, name, config, annotations } of golden.nads ?? []) {
        this.cluster.addNad(`${namespace}/${name}`, config ?? undefined, annotations);
      }
    }
    this.#multus = new Multus({
      kernels,
      log: silentLogger,
      // The recorded hosts had no kubelet.
      devices: new NodeDevices(
        {
          socket: join(host.root, "kubelet.sock"),
          checkpoint: join(host.root, "kubelet_internal_checkpoint"),
        },
        silentLogger,
      ),
      deviceInfo: new DeviceInfoDirectory(join(host.root, "devinfo")),
      ...(where === "files and runtime"
        ? { nads: new NadFiles(host.nadDir, silentLogger) }
        : { clusters: { of: async (kubeconfig) => (kubeconfig === "" ? undefined : this.cluster) } }),
    });
  }

  /** Runs one step. @param podIsKnown the cluster has the pod, and the runtime sends its annotations if it does */
  async run(step: Step, podIsKnown = this.#golden.pod.absent !== true): Promise<Replayed> {
    this.#host.prepare(step);
    const { deletePod } = step.given;
    if (deletePod === true) {
      // The pod's events and network-status in the API go with it.
      this.cluster.events.length = 0;
      this.cluster.status = undefined;
    }
    const known = podIsKnown && deletePod !== true;
    const { namespace, name, annotations, uid: anotherUid } = this.#golden.pod;
    this.cluster.watched.clear();
    if (known) {
      const uid = findCniArg(parseCniArgs(step.given.env.CNI_ARGS ?? ""), "K8S_POD_UID");
      this.cluster.addPod(`${namespace}/${name}`, annotations, anotherUid ?? uid);
    }
    const executor = new ReplayExecutor(step, this.#golden.plugins);
    const sends = known && this.#surroundings !== "cluster";
    const request = requestOf(step, this.#host, this.#host.netconf(this.#golden, step, sends));
    const { exitCode, stdout } = await this.#multus.handle(
      { ...request, canRecord: true },
      executor,
      silentLogger,
    );
    const answer = jsonOrText(Buffer.from(stdout).toString("utf8"));
    const path = (text: string) => this.#host.recorded(text);
    return {
      succeeds: exitCode === 0,
      stdout: exitCode === 0 ? answer : undefined,
      error: exitCode === 0 ? undefined : (answer as JsonObject),
      calls: executor.answered.map((call) => comparableCall(call, path)),
      networkStatus: this.cluster.status as Json | undefined,
      events: comparableEvents(this.cluster.events),
      files: comparableFiles(this.#host.readState(), path),
      routeOrders: executor.routes,
    };
  }
}

function requestOf(step: Step, host: ScratchHost, netconf: JsonObject): CniRequest {
  const { env } = step.given;
  return {
    command: env.CNI_COMMAND ?? "",
    containerId: env.CNI_CONTAINERID ?? "",
    netns: env.CNI_NETNS ?? "",
    ifName: env.CNI_IFNAME ?? "",
    args: env.CNI_ARGS ?? "",
    path: host.path(env.CNI_PATH ?? ""),
    config: Buffer.from(JSON.stringify(netconf)),
  };
}
