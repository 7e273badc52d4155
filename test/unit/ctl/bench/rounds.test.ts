/** Rounds take turns, count only as a whole, and end when they have to. */

import { describe, expect, test } from "vitest";
import type { Subject } from "../../../../src/ctl/bench/measurement.ts";
import { emptySeries, measureRounds, type RoundsOptions } from "../../../../src/ctl/bench/rounds.ts";
import { Interrupted } from "../../../../src/ctl/command/interruption.ts";
import { batch, pod } from "./report-of.ts";

/** Subjects that write down their turns; the number of the turn is the time of each pod. */
function recording(names: readonly string[], onTurn: (turn: number) => void = () => {}) {
  const turns: string[] = [];
  const subjects = names.map((name): Subject => {
    return {
      name,
      kind: name === "a" ? "multus" : "peer",
      async run(pods) {
        turns.push(`${name}${pods}`);
        onTurn(turns.length);
        return batch(...Array.from({ length: pods }, () => pod(turns.length)));
      },
    };
  });
  return { turns, subjects };
}

const options = (subjects: readonly Subject[], further: Partial<RoundsOptions> = {}): RoundsOptions => ({
  subjects,
  levels: [1, 2],
  rounds: 3,
  warmUps: 1,
  deadline: Number.POSITIVE_INFINITY,
  signal: new AbortController().signal,
  ...further,
});

describe("rounds", () => {
  test("have every subject with every number of pods once, and begin with another subject each time", async () => {
    const { turns, subjects } = recording(["a", "b"]);
    const series = emptySeries(options(subjects));
    const done: number[] = [];
    const outcome = await measureRounds(options(subjects), series, (state) => done.push(state.done));
    expect(outcome).toEqual({ rounds: 3, isOutOfTime: false });
    expect(turns).toEqual([
      ...["b1", "a1", "b2", "a2"],
      ...["a1", "b1", "a2", "b2"],
      ...["b1", "a1", "b2", "a2"],
      ...["a1", "b1", "a2", "b2"],
    ]);
    expect(done[0]).toBe(0);
    expect(done.at(-1)).toBe(15 / 16);
    expect(series.map(({ pods, batches }) => [pods, batches.length])).toEqual([
      [1, 3],
      [1, 3],
      [2, 3],
      [2, 3],
    ]);
    // The warm-up is not in them.
    expect(series[0]?.batches[0]?.pods[0]?.add).toBe(5);
  });

  test("leave out the one in which a signal comes", async () => {
    const interruption = new AbortController();
    const { subjects } = recording(["a", "b"], (turn) => {
      if (turn === 4 + 4 + 3) interruption.abort(new Interrupted("SIGINT"));
    });
    const all = options(subjects, { signal: interruption.signal });
    const series = emptySeries(all);
    await expect(measureRounds(all, series, () => {})).rejects.toThrow("interrupted by SIGINT");
    expect(series.map(({ batches }) => batches.length)).toEqual([1, 1, 1, 1]);
  });

  test("do not begin after the deadline", async () => {
    const { turns, subjects } = recording(["a"]);
    const all = options(subjects, { deadline: performance.now() - 1 });
    expect(await measureRounds(all, emptySeries(all), () => {})).toEqual({ rounds: 0, isOutOfTime: true });
    expect(turns).toEqual([]);
  });
});
