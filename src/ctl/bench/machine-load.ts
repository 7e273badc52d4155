/** The share of the machine that other programs take while a benchmark runs: looked at between rounds, when the benchmark itself does nothing. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** As a report has it. */
export interface MachineLoad {
  /** Share of the processors' time that others took, the hypervisor's among them: 0 to 1, mean of all looks. */
  readonly others: number;
  /** How often it was looked. 0: the kernel does not tell it. */
  readonly looks: number;
}

/** Processors' time since the machine started, in the kernel's ticks. */
export interface ProcessorTimes {
  readonly busy: number;
  readonly all: number;
}

/**
 * From a quarter on, the slower quarter of all runs can be those beside which another program ran: the third quartile, and with it spread, p90 and p99, are
 * then of the other programs. A median stands until half of the runs are disturbed.
 */
export const mostOthers = 0.25;

/** The daemon and the kernel first finish what belongs to the round. */
const settleMs = 20;
/** The kernel counts in steps of 10 ms. */
const lookMs = 100;
/** Rounds may take some milliseconds: looking at each would make the benchmark several times as long. */
const lookEveryMs = 2_000;

/**
 * Reads the first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq steal guest guest_nice`; the last two are in the first two.
 * @returns undefined where it has another form
 */
export function processorTimes(stat: string): ProcessorTimes | undefined {
  const [, line] = /^cpu +([\d ]+)\n/.exec(stat) ?? [];
  const ticks = line?.split(" ").slice(0, 8).map(Number) ?? [];
  const [idle, waiting] = [ticks[3], ticks[4]];
  if (idle === undefined || waiting === undefined) return undefined;
  const all = ticks.reduce((sum, each) => sum + each, 0);
  return { all, busy: all - idle - waiting };
}

function timesNow(): ProcessorTimes | undefined {
  try {
    return processorTimes(readFileSync("/proc/stat", "utf8"));
  } catch {
    return undefined; // a sandbox without it
  }
}

/** Looks at the machine now and then during one benchmark. */
export class LoadWatch {
  #busy = 0;
  #all = 0;
  #looks = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  readonly #times: () => ProcessorTimes | undefined;
  readonly #pause: (milliseconds: number) => Promise<unknown>;

  /** @param times the processors' @param pause waits */
  constructor(times = timesNow, pause: (milliseconds: number) => Promise<unknown> = sleep) {
    this.#times = times;
    this.#pause = pause;
  }

  /** To be called between rounds. Looks at most every two seconds, and takes about a tenth of one then. */
  async look(): Promise<void> {
    if (performance.now() - this.#lookedAt < lookEveryMs) return;
    await this.#pause(settleMs);
    const before = this.#times();
    await this.#pause(lookMs);
    const after = this.#times();
    this.#lookedAt = performance.now();
    if (before === undefined || after === undefined) return;
    this.#busy += after.busy - before.busy;
    this.#all += after.all - before.all;
    this.#looks += 1;
  }

  /** So far. */
  get load(): MachineLoad {
    return { others: this.#all > 0 ? this.#busy / this.#all : 0, looks: this.#looks };
  }
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Could the numbers be those of other programs? */
export function isOverloaded({ others, looks }: MachineLoad): boolean {
  return looks > 0 && others >= mostOthers;
}

/**
 * The word for the reader of the numbers.
 * @param loads of what was measured; `during` names it where there is more than one
 * @returns "" where the numbers can be believed, or it is not known
 */
export function loadWarning(...loads: readonly (MachineLoad & { readonly during?: string })[]): string {
  const shares = loads
    .filter(isOverloaded)
    .map(({ others, during = "" }) => `${percent(others)}${during === "" ? "" : ` during ${during}`}`);
  if (shares.length === 0) return "";
  return (
    `The machine was too loaded to believe these numbers: of its processors' time other programs took ${shares.join(", ")}. ` +
    `From ${percent(mostOthers)} on, spread, p90 and p99 can be those of other programs; ratios and differences of the same rounds stand longer. ` +
    "Measure again when they have ended."
  );
}
