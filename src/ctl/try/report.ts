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

/** A plugin that ran, by its `type` or its `ipam.type`. */
export interface PluginReport {
  readonly type: string;
  /** The file that was found first in the directories of plugins; "" if it is there no more. */
  readonly path: string;
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
  /** Those that ran for the networks; of networks that were attached natively none. Empty if the user's daemon has its cache elsewhere. */
  readonly plugins: readonly PluginReport[];
  /** Commands that succeeded. */
  readonly commands: readonly CommandReport[];
  /** The error; "" for none. */
  readonly error: string;
  /** Advice for the error; "" for none. */
  readonly advice: string;
  /** Leftovers that should have been removed. */
  readonly left: readonly string[];
}
