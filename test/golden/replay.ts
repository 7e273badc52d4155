/** Replays a case in this process: our handler, the kernels and real files, with the recorded delegates behind the executor. */

import type { CniRequest } from "../../src/cni/request.ts";
import type { Kernels } from "../../src/kernels/index.ts";
import { silentLogger } from "../../src/log/logger.ts";
import { createMultus, type Multus } from "../../src/multus/handler.ts";
import { NadFiles } from "../../src/multus/nads.ts";
import type { PodEvent, StatusSink } from "../../src/multus/status-sink.ts";
import type { GoldenCase, Json, JsonObject, Step } from "./cases.ts";
import { comparableCall, comparableEvents, comparableFiles, type Expectation } from "./expectation.ts";
import { ReplayExecutor, type RouteOrder } from "./replay-executor.ts";
import { jsonOrText, type ScratchHost } from "./scratch-host.ts";

/** Keeps what it is sent. */
class RecordingSink implements StatusSink {
  readonly events: (readonly [string, string, string])[] = [];
  status: Json | undefined;

  event(_pod: unknown, { type, reason, message }: PodEvent): void {
    this.events.push([type, reason, message]);
  }

  async networkStatus(_pod: unknown, status: Uint8Array): Promise<void> {
    this.status = jsonOrText(Buffer.from(status).toString("utf8"));
  }

  /** The pod is deleted: what the API kept of it goes with it. */
  forget(): void {
    this.events.length = 0;
    this.status = undefined;
  }
}

/** What ours did. */
export interface Replayed extends Expectation {
  readonly routes: readonly RouteOrder[];
  /** The error object, where it failed. */
  readonly error: JsonObject | undefined;
}

/** Our plugin on a scratch host. */
export class Replay {
  readonly #golden: GoldenCase;
  readonly #host: ScratchHost;
  readonly #sink = new RecordingSink();
  readonly #multus: Multus;

  constructor(golden: GoldenCase, host: ScratchHost, kernels: Kernels) {
    this.#golden = golden;
    this.#host = host;
    const nads = new NadFiles(host.nadDir, silentLogger);
    this.#multus = createMultus({ kernels, log: silentLogger, nads, sink: this.#sink });
  }

  /** Runs one step. @param podIsKnown the runtime sends the pod's annotations */
  async run(step: Step, podIsKnown = this.#golden.pod.absent !== true): Promise<Replayed> {
    this.#host.prepare(step);
    if (step.given.deletePod === true) {
      this.#sink.forget();
    }
    const known = podIsKnown && step.given.deletePod !== true;
    const executor = new ReplayExecutor(step, this.#golden.plugins);
    const request = requestOf(step, this.#host, this.#host.netconf(this.#golden, step, known));
    const { exitCode, stdout } = await this.#multus.handle(request, executor, silentLogger);
    const answer = jsonOrText(Buffer.from(stdout).toString("utf8"));
    const path = (text: string) => this.#host.recorded(text);
    return {
      succeeds: exitCode === 0,
      stdout: exitCode === 0 ? answer : undefined,
      error: exitCode === 0 ? undefined : (answer as JsonObject),
      calls: executor.calls.map((call) => comparableCall(call, path)),
      networkStatus: this.#sink.status,
      events: comparableEvents(this.#sink.events),
      files: comparableFiles(this.#host.readState()),
      routes: executor.routes,
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
