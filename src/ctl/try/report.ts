/** What a try found, as `--json` prints it. */

/** One interface of the pod, as it was found in the pod's namespace. */
export interface InterfaceReport {
  readonly ifName: string;
  /** CIDRs. */
  readonly addresses: readonly string[];
  readonly mac: string;
  /** `namespace/nad`, or the configuration's name; "" where no result says whose it is. */
  readonly network: string;
  /** Median milliseconds that the network took in ADD; undefined where the daemon does not say it. */
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
  /** Everything succeeded, and nothing is left. */
  readonly ok: boolean;
  /** Somebody stopped it before its end. */
  readonly interrupted: boolean;
  readonly interfaces: readonly InterfaceReport[];
  /** Commands that succeeded. */
  readonly commands: readonly CommandReport[];
  /** What went wrong; "" if nothing did. */
  readonly error: string;
  /** What to do about it; "" if there is nothing to say. */
  readonly advice: string;
  /** What was found that should have been gone. */
  readonly left: readonly string[];
}

/** The middle one of some numbers, or the mean of the two in the middle. @param numbers at least one */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
