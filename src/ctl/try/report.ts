/** The report of a try, in the form of `--json`. */

/** One interface in the pod's namespace. */
export interface InterfaceReport {
  readonly ifName: string;
  /** CIDRs. */
  readonly addresses: readonly string[];
  readonly mac: string;
  /** `namespace/nad`, or the configuration's name; "" if no result has the interface. */
  readonly network: string;
  /** Median milliseconds of the network in ADD; undefined if the daemon does not report it. */
  readonly milliseconds: number | undefined;
  /** How the network was attached: by an order, or by its plugins; undefined if the daemon does not report it. */
  readonly way: "native" | "executed" | undefined;
  /** With native networks allowed: why its plugins were run; "" where they were not, and where its configuration is not the reason. */
  readonly whyExecuted: string;
}

/** One command of the plugin, over all repetitions. */
export interface CommandReport {
  readonly command: "ADD" | "CHECK" | "DEL";
  /** Median milliseconds from the start of the plugin's process to its end. */
  readonly milliseconds: number;
  readonly runs: number;
}

export interface TrialReport {
  /** Did everything succeed, with nothing left behind? */
  readonly ok: boolean;
  /** Was it interrupted before its end? */
  readonly interrupted: boolean;
  readonly interfaces: readonly InterfaceReport[];
  /** Commands that succeeded. */
  readonly commands: readonly CommandReport[];
  /** The error; "" for none. */
  readonly error: string;
  /** Advice for the error; "" for none. */
  readonly advice: string;
  /** Leftovers that should have been removed. */
  readonly left: readonly string[];
}
