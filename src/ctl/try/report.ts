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

/** The middle one of some numbers, or the mean of the two in the middle. @param numbers at least one */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
