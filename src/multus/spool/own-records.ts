/** Records of a container that a request is about: they are done before its ADD or DEL, due or not, as an old DEL would take away what a new ADD makes. */

import { CniError, CniErrorCode } from "../../cni/errors.ts";
import type { CniRequest } from "../../cni/request.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import { type AttemptContext, type CarryOut, tryRecord } from "./attempt.ts";
import { SpoolDirectory, type SpoolEntry } from "./directory.ts";
import { isRecordOf } from "./record.ts";
import { spoolNameKind } from "./spool.ts";

/** Somebody else may do or rename records meanwhile. */
const mostRounds = 3;

interface OwnRecordsOptions {
  /** The netconf's `cniDir`. */
  readonly cniDir: string;
  readonly request: CniRequest;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export class OwnRecords {
  readonly #context: AttemptContext;
  readonly #request: CniRequest;

  /** @throws {Error} of node:fs where the directory is not there; or saying that it is none */
  constructor({ cniDir, request, log, now }: OwnRecordsOptions) {
    this.#context = { directory: new SpoolDirectory(cniDir, log), log, now };
    this.#request = request;
  }

  /**
   * Does the container's records, but those that say just what the request does.
   * @returns false: one could not be done. It and those behind it are left. Never throws
   */
  async replay(carryOut: CarryOut): Promise<boolean> {
    try {
      for (let round = 1; round <= mostRounds; round++) {
        const end = await this.#round(carryOut);
        if (end !== "gone") return end === "done";
      }
    } catch (error) {
      this.#context.log.error("recorded DELs of the container cannot be read", { error: errorText(error) });
    }
    return false;
  }

  /** Removes records of a DEL that has succeeded. Never throws: the replay of one that stays does no harm. */
  async forget(): Promise<void> {
    try {
      for (const entry of await this.#entries()) {
        if (this.#isOfRequest(entry)) await this.#context.directory.forget(entry);
      }
    } catch (error) {
      this.#context.log.error("recorded DELs of the container cannot be read", { error: errorText(error) });
    }
  }

  /** @throws {Error} of node:fs */
  async #round(carryOut: CarryOut): Promise<"done" | "left" | "gone"> {
    const { directory, log } = this.#context;
    for (const entry of await this.#entries()) {
      if (this.#isOfRequest(entry)) continue;
      const error = directory.obstacleTo(entry.name);
      if (error !== undefined) {
        log.error("a recorded DEL is not carried out, as it could not be removed afterwards", {
          file: entry.name,
          error,
        });
        return "left";
      }
      const end = await tryRecord(this.#context, entry, carryOut);
      if (end !== "done") return end === "gone" ? "gone" : "left";
    }
    return "done";
  }

  /** In order. @throws {Error} of node:fs */
  async #entries(): Promise<SpoolEntry[]> {
    const { directory } = this.#context;
    const entries: SpoolEntry[] = [];
    for (const name of await directory.names()) {
      const file = spoolNameKind(name);
      if (file.kind !== "record" || file.containerId !== this.#request.containerId) continue;
      const status = directory.status(name);
      if (status !== undefined) {
        entries.push({ name, containerId: file.containerId, tries: file.tries, modifiedMs: status.mtimeMs });
      }
    }
    return entries;
  }

  #isOfRequest(entry: SpoolEntry): boolean {
    if (this.#request.command !== "DEL") return false;
    try {
      const read = this.#context.directory.read(entry);
      return typeof read === "object" && "record" in read && isRecordOf(read.record, this.#request);
    } catch {
      // Its replay says what is wrong.
      return false;
    }
  }
}

/** The error of an ADD whose container has a record that could not be done. @param cniDir the netconf's */
export function addBeforeRecorded(cniDir: string): CniError {
  return new CniError(
    CniErrorCode.tryAgainLater,
    "a DEL of this container, recorded while multusd was away, has not succeeded yet",
    `It would take away what this ADD makes. It is in .spool of ${cniDir}; the daemon's log says why it fails, or why it is not carried out.`,
  );
}
