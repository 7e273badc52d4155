/** Whether the CNI configuration file is removed at shutdown (cleanupConfigOnExit). Without the file a runtime gives new pods the cluster network alone. */

/** `auto`: where the DaemonSet is gone or being deleted. */
export type CleanupOnExit = boolean | "auto";

export interface Removal {
  readonly isWanted: boolean;
  /** For the log. */
  readonly because: string;
}

/** Is the DaemonSet gone or being deleted? Never throws. @param withinMs milliseconds until there has to be an answer */
export type AskForDaemonSet = (withinMs: number) => Promise<Removal>;

export class ConfigRemoval {
  readonly #ask: AskForDaemonSet | undefined;
  #answer: Removal;

  /** @param ask undefined: the process is of no DaemonSet that it knows */
  constructor(setting: CleanupOnExit, ask: AskForDaemonSet | undefined) {
    this.#ask = setting === "auto" ? ask : undefined;
    const unasked =
      ask === undefined
        ? "no DaemonSet is known that owns this pod (MULTUS_NAMESPACE, MULTUS_DAEMONSET, MULTUS_POD)"
        : "the API has not said whether the DaemonSet is deleted";
    this.#answer =
      setting === "auto"
        ? { isWanted: false, because: unasked }
        : { isWanted: setting, because: `cleanupConfigOnExit is ${setting}` };
  }

  /** As far as it is known. Until the API has been asked, the file stays: pods wait for the next daemon. */
  get answer(): Removal {
    return this.#answer;
  }

  /** Asks, where it depends on the DaemonSet. Never throws. @param withinMs milliseconds until there has to be an answer */
  async settle(withinMs: number): Promise<void> {
    if (this.#ask !== undefined) this.#answer = await this.#ask(withinMs);
  }
}
