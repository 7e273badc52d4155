/** Recorded DELs of a request's container: an ADD or a DEL has them done first (docs/wire.md, "The replay"). */

import { executorErrorCode } from "../cni/plugin-failure.ts";
import type { CniRequest } from "../cni/request.ts";
import { errorText } from "../log/error-text.ts";
import type { Call } from "./request/call.ts";
import { type HandledRequest, inPhase } from "./request/report.ts";
import type { RequestSurroundings } from "./services.ts";
import type { CarryOut } from "./spool/attempt.ts";
import type { OwnRecords } from "./spool/own-records.ts";
import { hasRecords } from "./spool/spool.ts";

/** Works on a request inside of another one of its container. Never throws. */
type HandleWithin = (request: CniRequest, surroundings: RequestSurroundings) => Promise<HandledRequest>;

export class RecordedDels {
  readonly #handle: HandleWithin;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(handle: HandleWithin, now: () => number) {
    this.#handle = handle;
    this.#now = now;
  }

  /** Before an ADD: an old DEL would take away what the ADD makes. @throws {CniError} 11 where one of the records cannot be done */
  async beforeAdd(call: Call, surroundings: RequestSurroundings): Promise<void> {
    const records = await this.#recordsOf(call);
    if (records === undefined || (await this.#replay(call, surroundings, records))) return;
    const { addBeforeRecorded } = await import("./spool/own-records.ts");
    throw addBeforeRecorded(call.netconf.shimCniDir);
  }

  /**
   * Before a DEL. A record that cannot be done is no obstacle.
   * @returns the records; one that says just the same as the DEL is done with it, and to be forgotten then. undefined: there are none
   */
  async beforeDel(call: Call, surroundings: RequestSurroundings): Promise<OwnRecords | undefined> {
    const records = await this.#recordsOf(call);
    if (records !== undefined) await this.#replay(call, surroundings, records);
    return records;
  }

  #replay({ report }: Call, surroundings: RequestSurroundings, records: OwnRecords): Promise<boolean> {
    return inPhase(report, "recorded", () => records.replay(this.#within(surroundings)));
  }

  /** Records of the request's container; undefined: there are none, or the request is the replay of one. */
  async #recordsOf({ request, netconf, chain }: Call): Promise<OwnRecords | undefined> {
    const { containerId, triesLeft } = request;
    const { log } = chain;
    const { shimCniDir: cniDir } = netconf;
    if (triesLeft !== undefined) return undefined;
    try {
      if (!hasRecords(cniDir, containerId)) return undefined;
      const { OwnRecords: Records } = await import("./spool/own-records.ts");
      return new Records({ cniDir, request, log, now: this.#now });
    } catch (error) {
      log.error("recorded DELs cannot be read", { cniDir, error: errorText(error) });
      return undefined;
    }
  }

  /** Carries recorded DELs out inside of another request of their container. */
  #within(surroundings: RequestSurroundings): CarryOut {
    const { executor, log, pause } = surroundings;
    return async ({ request, begin, executorOver }) => {
      if (!begin()) return "not begun";
      const { error } = await this.#handle(request, { ...surroundings, executor: executorOver(executor) });
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
}
