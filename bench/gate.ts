/** The judgement of `npm run bench -- --gate`: which bounds are missed beyond doubt. */

import { type BoundName, boundOf } from "./bounds.ts";
import { pooled, type Ratio, ratioOf, type Sample } from "./ratio.ts";

/** Something measured that has a bound. */
export interface Judged {
  readonly bound: BoundName;
  /** The measured command or part: "ADD", "DEL in a cluster". With its bound the same in every measurement, and no other's. */
  readonly what: string;
  /** In what its bound is in. A number is exact: a count, or the most memory that there was. */
  readonly measured: Sample | number;
}

/** kept: the bound holds; unclear: it is over the bound, but may be so by chance; missed: it is over the bound with its whole interval. */
export type State = "kept" | "unclear" | "missed";

export interface Verdict extends Judged, Ratio {
  readonly state: State;
}

export function verdictOf(judged: Judged): Verdict {
  const { bound, measured } = judged;
  const { most } = boundOf(bound);
  const { value, interval } =
    typeof measured === "number"
      ? { value: measured, interval: [measured, measured] as const }
      : ratioOf(measured);
  const state = value <= most ? "kept" : interval[0] <= most ? "unclear" : "missed";
  return { ...judged, value, interval, state };
}

/** A number as the unit of its bound has it. */
export function inItsUnit(bound: BoundName, value: number): string {
  if (!Number.isFinite(value)) return "unknown";
  const unit = boundOf(bound).in;
  if (unit === "share") return value.toFixed(3);
  if (unit === "units") return value.toFixed(2);
  return value.toFixed(0);
}

/** For a line of the gate's output. */
export function verdictText({ bound, what, measured, value, interval, state }: Verdict): string {
  const { most, in: unit } = boundOf(bound);
  const ends = interval.map((end) => inItsUnit(bound, end)).join(" … ");
  const exactly = typeof measured === "number" ? "" : ` (95 %: ${ends})`;
  return `${bound}: ${what}: ${inItsUnit(bound, value)}${unit === "share" ? "" : ` ${unit}`}${exactly}, at most ${most}: ${state}`;
}

/**
 * Judges by two measurements: another load on the machine may have done the first. A bound is missed when the second is over it too and the rounds of both,
 * taken together, leave no doubt. More rounds make a narrower interval: a small regression is found, and one slow minute is none.
 * @param first what was over its bound the first time
 * @param second everything that was measured once more
 * @returns of each in `first` the verdict over both
 */
export function settled(first: readonly Verdict[], second: readonly Judged[]): Verdict[] {
  return first.map((before) => {
    const again = second.find(({ bound, what }) => bound === before.bound && what === before.what);
    // Not to be measured any more is no way to keep a bound.
    if (again === undefined) return { ...before, state: "missed" };
    const after = verdictOf(again);
    if (after.state === "kept") return after;
    if (typeof before.measured === "number" || typeof again.measured === "number") return after;
    return verdictOf({ ...again, measured: pooled(before.measured, again.measured) });
  });
}

/**
 * @param judged of one measurement
 * @param again measures the same once more; is asked only where something is over its bound
 * @param say told of each verdict that is not simply kept, and of what is done
 * @returns what is missed
 */
export async function missedOf(
  judged: readonly Judged[],
  again: () => Promise<readonly Judged[]>,
  say: (text: string) => void,
): Promise<Verdict[]> {
  const over = judged.map(verdictOf).filter(({ state }) => state !== "kept");
  if (over.length === 0) return [];
  for (const verdict of over) say(verdictText(verdict));
  say("measured once more, as another load on the machine may have done it");
  const verdicts = settled(over, await again());
  for (const verdict of verdicts) say(verdictText(verdict));
  return verdicts.filter(({ state }) => state === "missed");
}
