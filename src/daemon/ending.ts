/** How a daemon ends: once, in order, and in the time that a pod is given for it. */

import type { KubeClusters } from "../kube/clusters.ts";
import { errorText } from "../log/error-text.ts";
import type { DaemonLogger } from "../log/loggers.ts";
import type { RuntimeConfigKeeper } from "../runtime-config/keeper.ts";
import type { ConfigRemoval } from "../runtime-config/removal.ts";
import type { DaemonServer } from "./server.ts";
import type { Telemetry } from "./telemetry.ts";

/** Kubernetes gives a pod 30 s between SIGTERM and SIGKILL: so long for all of a stop, whatever hangs. */
const stopWithinMs = 26_000;
/** Of that for requests that are under way. */
const requestsWithinMs = 20_000;
/** And for what comes behind them, side by side: what they reported, and the agents' last plugins. */
const restWithinMs = 5_000;

/** The parts that end. */
export interface EndingParts {
  /** Settles when the server listens, or cannot. */
  readonly listening: Promise<unknown>;
  readonly server: Pick<DaemonServer, "stop" | "retire">;
  readonly agents: { close(): Promise<void> };
  readonly clusters: Pick<KubeClusters, "close">;
  readonly telemetry: Pick<Telemetry, "close">;
  /** undefined: the daemon keeps no file for the runtime. */
  readonly runtimeConfig: Pick<RuntimeConfigKeeper, "freeze" | "leave"> | undefined;
  /** Whether that file goes. */
  readonly removal: Pick<ConfigRemoval, "answer" | "settle">;
  readonly log: DaemonLogger;
  /** Resolves when every line is in its file. */
  closeLogs(): Promise<void>;
  /** Ends the process. */
  exit(code: number): void;
}

export class Ending {
  readonly #parts: EndingParts;
  #hasBegun = false;
  #hasLeft = false;
  /** Resolves with how many requests were not finished; undefined: the daemon has not been told to stop. */
  #stopping: Promise<number> | undefined;

  constructor(parts: EndingParts) {
    this.#parts = parts;
  }

  /** Ends an idle daemon. The next call starts another one, so the runtime's file stays. @param seconds how long it was idle */
  retire(seconds: number | undefined): void {
    const { server, log } = this.#parts;
    if (this.#hasBegun) return;
    log.verbose("multusd shuts down", { idle: seconds });
    this.#begin(server.retire());
  }

  /** Ends the daemon on a signal, also one that is ending because it was idle; a second signal ends it at once. */
  stop(signal: NodeJS.Signals): void {
    const { listening, server, log } = this.#parts;
    if (this.#stopping !== undefined) {
      this.#endNow();
      return;
    }
    log.verbose("multusd shuts down", { signal });
    this.#stopping = listening.then(() => server.stop(requestsWithinMs));
    setTimeout(() => this.#endNow(`it takes more than ${stopWithinMs / 1000} s`), stopWithinMs);
    if (!this.#hasBegun) this.#begin(this.#stopping);
  }

  #begin(requests: Promise<unknown>): void {
    this.#hasBegun = true;
    this.#end(requests).catch((error: unknown) => this.#endNow(errorText(error)));
  }

  /** @param requests resolves when they have ended */
  async #end(requests: Promise<unknown>): Promise<void> {
    const { agents, clusters, telemetry, runtimeConfig, removal, log, closeLogs, exit } = this.#parts;
    runtimeConfig?.freeze();
    await requests;
    // An idle daemon that ends may have been told to stop meanwhile.
    const unfinished = (await this.#stopping) ?? 0;
    // Not before: a DaemonSet may be deleted while the last requests are served.
    const asked =
      runtimeConfig === undefined || this.#stopping === undefined ? undefined : removal.settle(restWithinMs);
    const [undelivered] = await Promise.all([
      clusters.close(restWithinMs, asked),
      telemetry.close(restWithinMs),
      // One that takes longer ends when its stream does.
      Promise.race([agents.close(), new Promise((resolve) => setTimeout(resolve, restWithinMs))]),
      asked,
    ]);
    this.#leave();
    log.verbose("multusd has shut down", { unfinished, undelivered: undelivered || undefined });
    await closeLogs();
    // The signal may have come this late.
    this.#leave();
    exit(0);
  }

  /** @param error why it is not waited for; undefined: a second signal came */
  #endNow(error?: string): void {
    this.#leave();
    if (error !== undefined) this.#parts.log.panic("multusd could not shut down gracefully", { error });
    this.#parts.exit(1);
  }

  /** Last: with the file gone a runtime takes the next one, and gives its pods the cluster network alone. An answer that is not there by now is not waited for. */
  #leave(): void {
    if (this.#stopping === undefined || this.#hasLeft) return;
    this.#hasLeft = true;
    this.#parts.runtimeConfig?.leave(this.#parts.removal.answer);
  }
}
