/**
 * DELs that have failed: how often those of each container, and for which a shim has a record (docs/wire.md, "DELs that fail"). On disk, one small file for each such
 * container: a daemon that is killed forgets none. A DEL that succeeds costs a look into a map.
 */

import { join } from "node:path";
import { removeFile, writeFileAtomically } from "../base/atomic-file.ts";
import { directoryEntries, Slices } from "../base/directory.ts";
import { isCount, objectIn } from "../base/json.ts";
import { readFileStart } from "../base/regular-file.ts";
import { Room } from "../base/room.ts";
import { isContainerId } from "../cni/names.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { ownText } from "../log/quoted.ts";
import { mostFailedDels, mostFailedDelsKept, mostFailedDelsKeptBytes } from "./input/bounds.ts";
import { failedDelsDirectory } from "./input/cni-dir.ts";
import type { PodReference } from "./input/pod.ts";
import { isToldEnough } from "./spool/retry-rule.ts";
import { type RecordedState, recordedContainers } from "./spool/spool.ts";

/** Milliseconds after which a container is forgotten whose DEL has failed, and that nobody asks for any more. */
const forgottenAfterMs = 24 * 60 * 60_000;
/** Characters of the longest name of a Kubernetes object. */
const longestName = 253;
/** Bytes of a file. */
const longestFile = 4096;

/** A shim has a record of each. `failing`: the runtime was told, and may try again; `recorded`: it was told success; `given-up`: the record was tried for a day. */
type FailedDelState = "failing" | RecordedState;

/** A container whose DEL has failed. */
interface FailedDel {
  /** Namespace and name of its pod, "" where CNI_ARGS do not say. */
  readonly namespace: string;
  readonly name: string;
  /** Tries that failed, of the runtime and in the background. */
  readonly count: number;
  /** Those of the runtime. */
  readonly asked: number;
  /** When the first one failed, in milliseconds since 1970. */
  readonly since: number;
  readonly state: FailedDelState;
  /** Of its record, plan and results; 0 before it is recorded. */
  readonly bytes: number;
}

/** How many containers are in each state. */
export type FailedDelCounts = Readonly<Record<FailedDelState, number>>;

export interface FailedDelsOptions {
  readonly cniDir: string;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Of one cniDir. */
export class FailedDels {
  readonly #options: FailedDelsOptions;
  readonly #directory: string;
  /** By container id; the one whose last DEL failed longest ago first. */
  readonly #failed = new Map<string, FailedDel>();
  /** Room for records, plans and results of failed DELs. Namespaces share it: one alone gets half. */
  readonly #room = new Room({ requests: mostFailedDelsKept, bytes: mostFailedDelsKeptBytes });
  /** Containers that the room is taken for. */
  readonly #kept = new Set<string>();

  private constructor(options: FailedDelsOptions) {
    this.#options = options;
    this.#directory = join(options.cniDir, failedDelsDirectory);
  }

  /** Reads what the daemons before have noted. Never throws: what cannot be read is as if nothing had failed. */
  static async open(options: FailedDelsOptions): Promise<FailedDels> {
    const failedDels = new FailedDels(options);
    try {
      await failedDels.#read();
    } catch (error) {
      options.log.error("failed DELs cannot be read", { error: errorText(error) });
    }
    return failedDels;
  }

  get counts(): FailedDelCounts {
    const counts = { failing: 0, recorded: 0, "given-up": 0 };
    for (const { state } of this.#failed.values()) counts[state]++;
    return counts;
  }

  get(containerId: string): FailedDel | undefined {
    return this.#failed.get(containerId);
  }

  /** The container's DEL has failed once more. @param isReplay it is a recorded one @returns what is known of it now */
  note(containerId: string, { namespace, name }: PodReference, isReplay: boolean): FailedDel {
    const known = this.#failed.get(containerId);
    const pod = { namespace: kept(namespace), name: kept(name) };
    const before = known ?? {
      ...pod,
      count: 0,
      asked: 0,
      since: this.#options.now(),
      state: "failing" as const,
      bytes: 0,
    };
    // A record of a daemon that was away: the runtime was told success.
    const state = isReplay && known === undefined ? ("recorded" as const) : before.state;
    const failed = { ...before, count: before.count + 1, asked: before.asked + (isReplay ? 0 : 1), state };
    this.#put(containerId, failed);
    return failed;
  }

  /** Has the runtime been told often enough? */
  isEnough({ asked, since }: FailedDel): boolean {
    return isToldEnough(asked, since, this.#options.now());
  }

  /**
   * Takes room for the record, plan and results of a container.
   * @param bytes of all of them
   * @param drop removes plan and results of a container that was given up, where there is no room otherwise: one of the same namespace first
   * @returns false: there is no room, as the namespace has its share
   */
  async keep(
    containerId: string,
    bytes: number,
    drop: (containerId: string) => Promise<void>,
  ): Promise<boolean> {
    const failed = this.#failed.get(containerId);
    if (failed === undefined) return false;
    const isKept = this.#kept.has(containerId);
    const taken = isKept ? failed.bytes : Math.min(bytes, mostFailedDelsKeptBytes / 2);
    while (!isKept && !this.#room.take(failed.namespace, taken)) {
      const dropped = this.#oldestGivenUp(failed.namespace, containerId);
      if (dropped === undefined) return false;
      await drop(dropped);
      this.forget(dropped);
    }
    this.#kept.add(containerId);
    if (!isKept) this.#put(containerId, { ...failed, bytes: taken });
    return true;
  }

  /** The shim records the container's DEL, and the runtime is told success from now on. */
  markRecorded(containerId: string): void {
    const failed = this.#failed.get(containerId);
    if (failed !== undefined && failed.state !== "recorded")
      this.#put(containerId, { ...failed, state: "recorded" });
  }

  /** Its record was tried for the last time. @returns is there room for its plan and results? */
  giveUp(containerId: string): boolean {
    const failed = this.#failed.get(containerId);
    if (failed !== undefined) this.#put(containerId, { ...failed, state: "given-up" });
    return this.#kept.has(containerId);
  }

  /** Its DEL has succeeded. @returns what was known of it; undefined: it had not failed */
  forget(containerId: string): FailedDel | undefined {
    const failed = this.#failed.get(containerId);
    if (failed === undefined) return undefined;
    this.#failed.delete(containerId);
    if (this.#kept.delete(containerId)) this.#room.give(failed.namespace, failed.bytes);
    this.#remove(containerId);
    return failed;
  }

  #oldestGivenUp(namespace: string, butNot: string): string | undefined {
    let oldest: string | undefined;
    for (const [containerId, failed] of this.#failed) {
      if (failed.state !== "given-up" || containerId === butNot) continue;
      if (failed.namespace === namespace) return containerId;
      oldest ??= containerId;
    }
    return oldest;
  }

  #put(containerId: string, failed: FailedDel): void {
    this.#failed.delete(containerId);
    this.#failed.set(containerId, failed);
    try {
      writeFileAtomically(this.#path(containerId), encode(failed), this.#path(`.${containerId}`));
    } catch (error) {
      // It counts as long as this daemon lives.
      this.#options.log.error("a failed DEL cannot be noted on disk", {
        container: containerId,
        error: errorText(error),
      });
    }
    if (this.#failed.size <= mostFailedDels) return;
    for (const [oldest, { state }] of this.#failed) {
      if (state !== "failing" || this.#kept.has(oldest)) continue;
      this.forget(oldest);
      return;
    }
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  #remove(containerId: string): void {
    try {
      removeFile(this.#path(containerId));
    } catch (error) {
      this.#options.log.error("the note of a failed DEL cannot be removed", {
        container: containerId,
        error: errorText(error),
      });
    }
  }

  async #read(): Promise<void> {
    const found: (readonly [string, FailedDel])[] = [];
    for await (const { name } of directoryEntries(this.#directory)) {
      const failed = isContainerId(name) ? this.#readFile(name) : undefined;
      // Files that a killed daemon has left half written, too.
      if (failed === undefined || found.length >= mostFailedDels) this.#remove(name);
      else found.push([name, failed]);
    }
    if (found.length === 0) return;
    const recorded = await recordedContainers(this.#options.cniDir);
    const slices = new Slices();
    for (const [containerId, failed] of found.sort(([, left], [, right]) => left.since - right.since)) {
      const state = stateNow(failed, recorded.get(containerId), this.#options.now());
      const bytes = recorded.has(containerId) ? failed.bytes : 0;
      if (state === undefined) this.#remove(containerId);
      else this.#failed.set(containerId, { ...failed, state, bytes });
      if (state !== undefined && bytes > 0 && this.#room.take(failed.namespace, bytes)) {
        this.#kept.add(containerId);
      }
      await slices.pause();
    }
  }

  #readFile(containerId: string): FailedDel | undefined {
    try {
      return decodeFailedDel(readFileStart(this.#path(containerId), longestFile).bytes);
    } catch {
      return undefined;
    }
  }
}

/** The state that a note stands for now. @param recorded state in the spool @returns undefined: the note is stale */
function stateNow(
  { state, since }: FailedDel,
  recorded: RecordedState | undefined,
  now: number,
): FailedDelState | undefined {
  if (recorded !== undefined) return recorded === "recorded" && state === "failing" ? state : recorded;
  // Its record is done or was removed by hand; or the shim was killed before it was there.
  return state === "given-up" || now - since > forgottenAfterMs ? undefined : "failing";
}

function encode(failed: FailedDel): Uint8Array {
  return Buffer.from(JSON.stringify(failed));
}

/** Reads a note. @param bytes JSON text @returns undefined for what is none, torn ones among it */
export function decodeFailedDel(bytes: Uint8Array): FailedDel | undefined {
  const {
    namespace,
    name,
    count,
    asked,
    since,
    state,
    bytes: ofAll,
  } = objectIn(String(Buffer.from(bytes))) ?? {};
  if (!isKept(namespace) || !isKept(name)) return undefined;
  if (!isCount(count) || !isCount(asked) || !isCount(since) || !isCount(ofAll)) return undefined;
  if (state !== "failing" && state !== "recorded" && state !== "given-up") return undefined;
  return { namespace, name, count, asked, since, state, bytes: ofAll };
}

/** CNI_ARGS may say anything. */
function kept(name: string): string {
  return ownText(name.slice(0, longestName));
}

function isKept(name: unknown): name is string {
  return typeof name === "string" && name.length <= longestName;
}
