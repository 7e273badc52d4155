/** The last requests, for the status page: those that failed and why, those that attached or detached networks and how long it took. A log may be far away, or say nothing at its level. */

import type { CniRequest } from "../cni/request.ts";
import { bounded } from "../log/quoted.ts";
import type { HandledRequest, NetworkReport } from "../multus/request/report.ts";
import type { PluginTiming, RecentFailure, RequestTiming } from "../socket/status.ts";
import type { DelegateRun } from "../telemetry/delegate-run.ts";

/** Of those that failed; of the others it is the fewest that are kept, if there were so many. */
const fewest = 20;
/** Of those with times: a node that fills up has more at once, and `multusctl bench` reads them afterwards. */
const mostTimings = 128;
/** Characters of all those with times: a request with four networks has some 700. */
const longestTimings = 128 * 1024;
/** Characters of a message: plugins can say a lot. */
const longestMessage = 1_000;
/** Of one request. */
const mostNetworks = 64;
export const mostPlugins = 128;

/** Entries kept as JSON: that is short, and keeps no annotation or answer alive that a value is a part of. */
class Recent<Kept extends { readonly at: string }> {
  readonly #texts: string[] = [];
  readonly #most: number;
  #characters = 0;

  /** @param most entries */
  constructor(most: number) {
    this.#most = most;
  }

  add(entry: Omit<Kept, "at">): void {
    const text = JSON.stringify({ at: new Date().toISOString(), ...entry });
    this.#texts.push(text);
    this.#characters += text.length;
    while (this.#isTooMuch()) this.#characters -= this.#texts.shift()?.length ?? 0;
  }

  #isTooMuch(): boolean {
    const { length } = this.#texts;
    return length > this.#most || (length > fewest && this.#characters > longestTimings);
  }

  /** The newest first. */
  list(): readonly Kept[] {
    return this.#texts.toReversed().map((text) => JSON.parse(text) as Kept);
  }
}

/** How a request went, seen from outside. */
export interface RequestCourse {
  /** Milliseconds from its arrival until it had a slot, and until it was answered. */
  readonly queue: number;
  readonly total: number;
  readonly runs: readonly DelegateRun[];
}

export class RecentRequests {
  readonly #failures = new Recent<RecentFailure>(fewest);
  readonly #timings = new Recent<RequestTiming>(mostTimings);

  /** Requests that failed, the newest first. */
  get failures(): readonly RecentFailure[] {
    return this.#failures.list();
  }

  /** Requests that had networks and succeeded, the newest first. */
  get timings(): readonly RequestTiming[] {
    return this.#timings.list();
  }

  /** Remembers a request that has been worked on. */
  note(request: CniRequest, { error, report }: HandledRequest, { queue, total, runs }: RequestCourse): void {
    const { podNamespace, podName, networks, phases } = report;
    const about = {
      command: bounded(request.command),
      pod: podName === "" ? "" : `${bounded(podNamespace)}/${bounded(podName)}`,
      containerId: bounded(request.containerId),
    };
    if (error !== undefined) {
      this.#failures.add({ ...about, code: error.code, message: bounded(error.message, longestMessage) });
    } else if (networks.length > 0) {
      const times = networks.slice(0, mostNetworks).map(timeOf);
      this.#timings.add({
        ...about,
        milliseconds: hundredths(total),
        networks: times,
        queueMilliseconds: hundredths(queue),
        phases: Object.fromEntries(Array.from(phases, ([phase, time]) => [phase, hundredths(time)])),
        plugins: runs.slice(0, mostPlugins).flatMap(timeOfRun),
      });
    }
  }
}

function timeOf({ name, ifName, milliseconds, isNative }: NetworkReport): RequestTiming["networks"][number] {
  const time = { network: bounded(name), ifName: bounded(ifName), milliseconds: hundredths(milliseconds) };
  return isNative ? { ...time, native: true } : time;
}

function timeOfRun({ plugin, command, ifName, processMilliseconds }: DelegateRun): PluginTiming[] {
  if (processMilliseconds === undefined) return [];
  const about = { plugin: bounded(plugin), command: bounded(command), ifName: bounded(ifName) };
  return [{ ...about, milliseconds: hundredths(processMilliseconds) }];
}

/** As the log has times. */
function hundredths(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
