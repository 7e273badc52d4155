/** The last requests that failed, for who looks at the daemon: a log may be far away, or say nothing at its level. */

import type { CniRequest } from "../cni/request.ts";
import type { RecentFailure } from "../multus/daemon-status.ts";
import type { RequestHandler } from "./shim-session.ts";

const kept = 20;
/** Characters of a message: plugins can say a lot. */
const longestMessage = 1_000;

export class RecentFailures {
  readonly #failures: RecentFailure[] = [];

  /** The newest first. */
  get list(): readonly RecentFailure[] {
    return this.#failures.toReversed();
  }

  /** The same handler, whose failures are remembered. */
  of<Request extends CniRequest>(handle: RequestHandler<Request>): RequestHandler<Request> {
    return async (request, ...rest) => {
      const handled = await handle(request, ...rest);
      const { error, report } = handled;
      if (error === undefined) return handled;
      if (this.#failures.length >= kept) this.#failures.shift();
      this.#failures.push({
        at: new Date().toISOString(),
        command: request.command,
        pod: report.podName === "" ? "" : `${report.podNamespace}/${report.podName}`,
        containerId: request.containerId,
        code: error.code,
        message: error.message.slice(0, longestMessage),
      });
      return handled;
    };
  }
}
