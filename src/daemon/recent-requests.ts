/** The last requests, for the status page: those that failed and why, those that attached or detached networks and how long it took. A log may be far away, or say nothing at its level. */

import type { CniRequest } from "../cni/request.ts";
import { bounded } from "../log/quoted.ts";
import type { HandledRequest, NetworkReport } from "../multus/request/report.ts";
import type { RecentFailure, RequestTiming } from "../socket/status.ts";

/** Of each kind. */
const most = 20;
/** Characters of a message: plugins can say a lot. */
const longestMessage = 1_000;
/** Of one request. */
const mostNetworks = 64;

/** Entries kept as JSON: that is short, and keeps no annotation or answer alive that a value is a part of. */
class Recent<Kept extends { readonly at: string }> {
  readonly #texts: string[] = [];

  add(entry: Omit<Kept, "at">): void {
    if (this.#texts.length >= most) this.#texts.shift();
    this.#texts.push(JSON.stringify({ at: new Date().toISOString(), ...entry }));
  }

  /** The newest first. */
  list(): readonly Kept[] {
    return this.#texts.toReversed().map((text) => JSON.parse(text) as Kept);
  }
}

export class RecentRequests {
  readonly #failures = new Recent<RecentFailure>();
  readonly #timings = new Recent<RequestTiming>();

  /** Requests that failed, the newest first. */
  get failures(): readonly RecentFailure[] {
    return this.#failures.list();
  }

  /** Requests that had networks and succeeded, the newest first. */
  get timings(): readonly RequestTiming[] {
    return this.#timings.list();
  }

  /** Remembers a request that has been worked on. @param total milliseconds from its arrival */
  note(request: CniRequest, { error, report }: HandledRequest, total: number): void {
    const { podNamespace, podName, networks } = report;
    const about = {
      command: bounded(request.command),
      pod: podName === "" ? "" : `${bounded(podNamespace)}/${bounded(podName)}`,
      containerId: bounded(request.containerId),
    };
    if (error !== undefined) {
      this.#failures.add({ ...about, code: error.code, message: bounded(error.message, longestMessage) });
    } else if (networks.length > 0) {
      const times = networks.slice(0, mostNetworks).map(timeOf);
      this.#timings.add({ ...about, milliseconds: hundredths(total), networks: times });
    }
  }
}

function timeOf({ name, ifName, milliseconds }: NetworkReport): RequestTiming["networks"][number] {
  return { network: bounded(name), ifName: bounded(ifName), milliseconds: hundredths(milliseconds) };
}

/** As the log has times. */
function hundredths(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
