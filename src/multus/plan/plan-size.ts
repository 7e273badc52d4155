/** How large a plan becomes, counted while it is made: what does not fit is refused before the next network is looked at. */

import { longestPlan, mostPlugins } from "../input/bounds.ts";
import type { Delegate } from "./delegate.ts";
import { entryLength, planTooLarge } from "./plan-encoding.ts";

export class PlanSize {
  #bytes = 0;
  #plugins = 0;

  /** Counts one more network. @returns it @throws {CniError} 7 naming it, where the plan becomes too large with it */
  add<Planned extends Delegate>(delegate: Planned): Planned {
    this.#plugins += delegate.network.plugins.length;
    if (this.#plugins > mostPlugins) {
      throw planTooLarge(delegate.name, `${this.#plugins} plugins`, mostPlugins);
    }
    this.#bytes += entryLength(delegate);
    if (this.#bytes > longestPlan) throw planTooLarge(delegate.name, `${this.#bytes} bytes`, longestPlan);
    return delegate;
  }
}
