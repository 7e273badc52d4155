/** Rounds of all subjects with all numbers of pods, in changing order: what slows the machine down for a while slows all of them. */

import { unlessAborted } from "../../base/abort.ts";
import type { Series, Subject } from "./measurement.ts";

export interface RoundsOptions {
  readonly subjects: readonly Subject[];
  /** Numbers of pods that are started at once. */
  readonly levels: readonly number[];
  /** Measured rounds. */
  readonly rounds: number;
  /** Rounds before them. */
  readonly warmUps: number;
  /** On the clock of `performance.now()`: no round begins after it. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

/** Told when a batch begins. */
export type Progress = (state: {
  /** From 1; those before the measured ones count from `1 - warmUps`. */
  readonly round: number;
  readonly subject: string;
  readonly pods: number;
  /** Share of all batches that is done, 0 to 1. */
  readonly done: number;
}) => void;

export interface Measured {
  readonly series: readonly Series[];
  /** Rounds that were measured as a whole: the others are left out. */
  readonly rounds: number;
  /** Did the time end first? */
  readonly isOutOfTime: boolean;
}

/**
 * Measures. Only whole rounds count, so that all series have the same ones.
 * @param series is filled meanwhile: it has the whole rounds also where this throws
 * @param ended called after each round: nothing runs until it has ended
 * @throws {Interrupted} at a signal; {UserError} of a subject
 */
export async function measureRounds(
  options: RoundsOptions,
  series: readonly Series[],
  progress: Progress,
  ended: () => Promise<void> = async () => {},
): Promise<Omit<Measured, "series">> {
  const { subjects, levels, rounds, warmUps, deadline, signal } = options;
  const batchesOfRound = subjects.length * levels.length;
  let begun = 0;
  for (let round = 1 - warmUps; round <= rounds; round++) {
    if (performance.now() > deadline) return { rounds: Math.max(0, round - 1), isOutOfTime: true };
    const measured = new Map<Series, Series["batches"][number]>();
    for (const pods of levels) {
      for (let turn = 0; turn < subjects.length; turn++) {
        const subject = subjects[(turn + round + warmUps) % subjects.length];
        if (subject === undefined) continue;
        progress({
          ...{ round, subject: subject.name, pods },
          done: begun / (batchesOfRound * (rounds + warmUps)),
        });
        begun += 1;
        const batch = await unlessAborted(subject.run(pods), signal);
        const own = series.find((each) => each.subject === subject && each.pods === pods);
        if (own !== undefined) measured.set(own, batch);
      }
    }
    if (round >= 1) for (const [own, batch] of measured) own.batches.push(batch);
    await unlessAborted(ended(), signal);
  }
  return { rounds, isOutOfTime: false };
}

/** A series for each subject and number of pods, without batches yet. */
export function emptySeries({ subjects, levels }: Pick<RoundsOptions, "subjects" | "levels">): Series[] {
  return levels.flatMap((pods) => subjects.map((subject) => ({ subject, pods, batches: [] })));
}
