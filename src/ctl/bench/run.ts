/** Runs a benchmark from its plan to its report, and removes all that it made, however it ends. */

import manifest from "../../../package.json" with { type: "json" };
import { errorText } from "../../log/error-text.ts";
import { Interrupted } from "../command/interruption.ts";
import { UserError } from "../command/user-error.ts";
import { thisMachine } from "./machine.ts";
import { LoadWatch } from "./machine-load.ts";
import type { BenchPlan } from "./plan.ts";
import { type BenchReport, type BenchState, levelReports, reportForm, samplesOf } from "./report.ts";
import { emptySeries, type Measured, measureRounds, type Progress } from "./rounds.ts";
import { RuntimeSite } from "./runtime-site.ts";
import { ScratchSite } from "./scratch-site.ts";
import type { BenchSite } from "./site.ts";

/** Told of the steps. */
export interface BenchObserver {
  readonly progress: Progress;
  /** The pods that are up are being stopped, and everything is removed. */
  cleaning(): void;
}

/**
 * Runs a benchmark.
 * @param signal interrupts it: it cleans up, and reports the rounds that are complete
 * @throws {UserError | CniError | InputError} where nothing could be measured; everything is removed then
 * @throws {Interrupted} likewise
 */
export async function runBench(
  plan: BenchPlan,
  observer: BenchObserver,
  signal: AbortSignal,
): Promise<BenchReport> {
  const at = new Date();
  const start = performance.now();
  const site = await openSite(plan, signal);
  const { subjects } = site;
  const { levels, rounds, warmUps } = plan;
  const series = emptySeries({ subjects, levels });
  const deadline = start + plan.limitMinutes * 60_000;
  const watch = new LoadWatch();
  const outcome = await measureRounds(
    { subjects, levels, rounds, warmUps, deadline, signal },
    series,
    observer.progress,
    () => watch.look(),
  ).catch((error: unknown) => ({ error }));
  const versions = { multusctl: manifest.version, ...(await site.versions().catch(() => ({}))) };
  observer.cleaning();
  const left = await site.cleanUp();
  const measured = series[0]?.batches.length ?? 0;
  if ("error" in outcome && measured === 0 && left.length === 0) throw outcome.error;
  return {
    form: reportForm,
    at: at.toISOString(),
    seconds: Math.round((performance.now() - start) / 100) / 10,
    ...endOf(outcome, plan),
    machine: thisMachine(),
    load: watch.load,
    setting: {
      through: plan.site.through,
      runtime: site.runtime,
      versions,
      selection: site.selection,
      networks: site.networks,
      levels,
      warmUps,
      roundsAsked: rounds,
    },
    rounds: measured,
    levels: levelReports(series, plan.site.through),
    left,
    samples: samplesOf(series),
  };
}

function openSite(plan: BenchPlan, signal: AbortSignal): Promise<BenchSite> {
  const { site } = plan;
  return site.through === "runtime" ? RuntimeSite.open(plan, site) : ScratchSite.open(plan, site, signal);
}

function endOf(
  outcome: Omit<Measured, "series"> | { readonly error: unknown },
  { limitMinutes }: BenchPlan,
): { readonly state: BenchState; readonly reason: string } {
  if ("error" in outcome) {
    const { error } = outcome;
    const advice = error instanceof UserError && error.advice !== "" ? ` (${error.advice})` : "";
    return {
      state: error instanceof Interrupted ? "interrupted" : "failed",
      reason: `${errorText(error)}${advice}`,
    };
  }
  return outcome.isOutOfTime
    ? { state: "out-of-time", reason: `${limitMinutes} min are over (--time-limit)` }
    : { state: "complete", reason: "" };
}
