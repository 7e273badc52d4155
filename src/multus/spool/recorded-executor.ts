/** An executor for one recorded DEL: its plugins get the recorded network namespace only while that is still the same one, and all of them together a limited time. */

import { EarlierOrders } from "../../agent/earlier-orders.ts";
import {
  type Executor,
  ExecutorError,
  type NetnsIdentity,
  type PluginOutcome,
  type PluginRun,
} from "../../agent/executor.ts";
import { ForwardingExecutor } from "../../agent/forwarding-executor.ts";

/** Milliseconds that a recorded DEL may take: others wait behind it. */
const recordLimitMs = 120_000;

export class RecordedExecutor extends ForwardingExecutor {
  readonly #identity: NetnsIdentity | undefined;
  readonly #until = performance.now() + recordLimitMs;
  readonly #earlier = new EarlierOrders();

  /** The time begins now. @param identity of the recorded namespace; undefined: CNI_NETNS is empty */
  constructor(next: Executor, identity: NetnsIdentity | undefined) {
    super(next);
    this.#identity = identity;
  }

  /** A run that is after another one is ordered when that one has succeeded: only then it is known how much time is left for it. */
  override runPlugin({ token, after, ...run }: PluginRun): Promise<PluginOutcome> {
    return this.#earlier.rememberRun(
      token,
      this.#earlier.inTurn({ after }, () => this.#run(run)),
    );
  }

  async #run(run: PluginRun): Promise<PluginOutcome> {
    const leftMs = Math.ceil(this.#until - performance.now());
    if (leftMs <= 0) {
      throw new ExecutorError("timeout", `a recorded DEL may take ${recordLimitMs / 1000} s at the most`);
    }
    const timeoutMs = run.timeoutMs === 0 ? leftMs : Math.min(run.timeoutMs, leftMs);
    const { CNI_COMMAND: command, CNI_NETNS: netns = "" } = run.env;
    const hasNetns = command === "DEL" && netns !== "";
    return this.next.runPlugin({ ...run, timeoutMs, ...(hasNetns ? { leftNetns: this.#identity } : {}) });
  }

  /** Only a plugin is given a recorded namespace with the check whether it is still that one. */
  override async detachLinks(): Promise<never> {
    throw new ExecutorError("unsuited", "links of a recorded DEL are removed by plugins");
  }
}
