/** The steps in which a request goes through its attachments (plan/schedule.ts), with libcni's parameters of each, which are made once. */

import type { RuntimeConf } from "../../cni/types.ts";
import { whyExecuted } from "../../native/native-networks.ts";
import { isNativeConfiguration, recognizeBeforehand } from "../../native/recognition.ts";
import type { Netconf } from "../input/netconf.ts";
import { mostOf, type Step, schedule } from "../plan/schedule.ts";
import type { Attachment } from "./attachment.ts";
import { Slots } from "./slots.ts";

/** The keys of the netconf that say how attachments are worked on together. */
export type StepSettings = Pick<Netconf, "attachConcurrency" | "nativeNetworks">;

/** One attachment after the other, by its plugins. */
export const inOrder: StepSettings = { attachConcurrency: 1, nativeNetworks: "off" };

interface StepOptions<One> {
  readonly command: "ADD" | "DEL";
  /** @throws {CniError} the parameters of an attachment cannot be made */
  readonly runtimeOf: (attachment: One) => RuntimeConf;
}

export class Steps<One extends Attachment> {
  readonly #settings: StepSettings;
  readonly #options: StepOptions<One>;
  readonly #runtimes = new Map<One, RuntimeConf>();
  /** Those that are left, the next one first. */
  #left: Step<One>[];

  /** @param attachments in the order of the plan */
  static async of<One extends Attachment>(
    attachments: readonly One[],
    settings: StepSettings,
    options: StepOptions<One>,
  ): Promise<Steps<One>> {
    if (settings.nativeNetworks !== "off")
      await recognizeBeforehand(attachments.map(({ network }) => network));
    return new Steps(attachments, settings, options);
  }

  private constructor(attachments: readonly One[], settings: StepSettings, options: StepOptions<One>) {
    this.#settings = settings;
    this.#options = options;
    const { nativeNetworks } = settings;
    this.#left = this.#schedule(attachments, (attachment) => {
      // Before its parameters, for which a DEL reads the whole cache entry.
      const mayBeNative =
        nativeNetworks !== "off" && !attachment.isGuessed && isNativeConfiguration(attachment.network);
      const runtime = mayBeNative ? this.#known(attachment) : undefined;
      return runtime !== undefined && whyExecuted(attachment.network, runtime) === undefined;
    });
  }

  /** The next step; of a DEL the one before the last, with its attachments from the last to the first. undefined: all are done. */
  next(): Step<One> | undefined {
    return this.#left.shift();
  }

  /** The step that `next` gives. */
  peek(): Step<One> | undefined {
    return this.#left[0];
  }

  /** The plugins of attachments that an order was for have to be run: they come next, in order or at once. @param attachments in the order in which the step has them */
  declined(attachments: readonly One[]): void {
    const inPlan = this.#options.command === "DEL" ? attachments.toReversed() : attachments;
    this.#left.unshift(...this.#schedule(inPlan, () => false));
  }

  /** Slots for the attachments of a step: all of it may ask for one at once. */
  slots(): Slots {
    return new Slots(mostOf(this.#settings.attachConcurrency, this.#options.command));
  }

  /** @throws {CniError} as `runtimeOf` of the options */
  runtimeOf(attachment: One): RuntimeConf {
    const known = this.#runtimes.get(attachment);
    if (known !== undefined) return known;
    const runtime = this.#options.runtimeOf(attachment);
    this.#runtimes.set(attachment, runtime);
    return runtime;
  }

  /** The error, where there is one, is that of the attachment when its turn comes. */
  #known(attachment: One): RuntimeConf | undefined {
    try {
      return this.runtimeOf(attachment);
    } catch {
      return undefined;
    }
  }

  #schedule(attachments: readonly One[], isNative: (attachment: One) => boolean): Step<One>[] {
    const { command } = this.#options;
    const steps = schedule(attachments, {
      attachConcurrency: this.#settings.attachConcurrency,
      command,
      isNative,
      runtimeOf: (attachment) => this.#known(attachment),
    });
    if (command === "ADD") return [...steps];
    return steps.toReversed().map(({ attachments: of, natives }) => {
      return { attachments: of.toReversed(), natives: natives.toReversed() };
    });
  }
}
