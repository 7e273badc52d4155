/** The last requests that failed, for who looks at the daemon: a log may be far away, or say nothing at its level. */

import type { CniRequest } from "../cni/request.ts";
import { bounded, ownText } from "../log/quoted.ts";
import type { HandledRequest } from "../multus/handler.ts";
import type { RecentFailure } from "../socket/status.ts";

const most = 20;
/** Characters of a message: plugins can say a lot. */
const longestMessage = 1_000;

/** A text that may be kept: it is short, and keeps no annotation or answer alive that it is a part of. */
function kept(text: string, longest?: number): string {
  return ownText(bounded(text, longest));
}

export class RecentFailures {
  readonly #failures: RecentFailure[] = [];

  /** The newest first. */
  get list(): readonly RecentFailure[] {
    return this.#failures.toReversed();
  }

  /** Remembers a request, if it has failed. */
  note(request: CniRequest, { error, report }: HandledRequest): void {
    if (error === undefined) return;
    if (this.#failures.length >= most) this.#failures.shift();
    this.#failures.push({
      at: new Date().toISOString(),
      command: kept(request.command),
      pod: report.podName === "" ? "" : `${kept(report.podNamespace)}/${kept(report.podName)}`,
      containerId: kept(request.containerId),
      code: error.code,
      message: kept(error.message, longestMessage),
    });
  }
}
