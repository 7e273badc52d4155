/** An Executor that hands its orders on, for one that changes or watches some of them. */

import type { Executor, ExpectedLink, LinkState, MadeLink, PluginOutcome, PluginRun } from "./executor.ts";

export class ForwardingExecutor implements Executor {
  protected readonly next: Executor;

  /** @param next carries the orders out */
  constructor(next: Executor) {
    this.next = next;
  }

  runPlugin(run: PluginRun): Promise<PluginOutcome> {
    return this.next.runPlugin(run);
  }

  linkExists(netns: string, ifName: string): Promise<boolean> {
    return this.next.linkExists(netns, ifName);
  }

  linkStates(netns: string, links: readonly ExpectedLink[]): Promise<readonly LinkState[]> {
    return this.next.linkStates(netns, links);
  }

  setDefaultRoutes(...order: Parameters<Executor["setDefaultRoutes"]>): Promise<void> {
    return this.next.setDefaultRoutes(...order);
  }

  attachLinks(...order: Parameters<Executor["attachLinks"]>): Promise<readonly MadeLink[]> {
    return this.next.attachLinks(...order);
  }

  detachLinks(...order: Parameters<Executor["detachLinks"]>): Promise<void> {
    return this.next.detachLinks(...order);
  }
}
