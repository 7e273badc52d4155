/** The conditions under which `npm run bench -- --gate` fails. That it sees what is slowed down on the way of a measurement is in test/heavy/bench-gate.test.ts. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type BoundName, boundOf, bounds } from "../../../bench/bounds.ts";
import { type Judged, missedOf, settled, verdictOf, verdictText } from "../../../bench/gate.ts";
import { parsePeer } from "../../../bench/subjects.ts";

/** 30 rounds whose ratio is about `ratio`: below and above it by `noise` in turn. */
function rounds(ratio: number, noise: number): Judged["measured"] {
  const of = Array.from({ length: 30 }, (_, round) => ratio + noise * Math.cos(round * 2.4));
  return { of, base: of.map(() => 1) };
}

const judgedAt = (ratio: number, noise: number): Judged => ({
  bound: "objects",
  what: "ADD",
  measured: rounds(ratio, noise),
});

const most = boundOf("objects").most;
const names = Object.keys(bounds) as BoundName[];

describe("the bounds", () => {
  test.each(names)("%s has a reason, and an aim only where it is to become lower", (name) => {
    const { why, aim = 0, most: allowed } = boundOf(name);
    expect(why.length).toBeGreaterThan(40);
    expect(aim).toBeLessThan(allowed);
  });

  test("none is without a measurement", () => {
    const directory = join(import.meta.dirname, "..", "..", "..", "bench");
    const sources = readdirSync(directory)
      .filter((file) => file.endsWith(".ts") && file !== "bounds.ts")
      .map((file) => readFileSync(join(directory, file), "utf8"))
      .join("\n");
    expect(names.filter((name) => !sources.includes(`"${name}"`))).toEqual([]);
  });

  test("what is exactly at its bound keeps it, and just over it does not", () => {
    for (const bound of names) {
      const at = boundOf(bound).most;
      expect(verdictOf({ bound, what: "", measured: at }).state).toBe("kept");
      expect(verdictOf({ bound, what: "", measured: at * 1.001 }).state).toBe("missed");
    }
  });
});

describe("a measurement", () => {
  test("over its bound with its whole interval is missed", () => {
    expect(verdictOf(judgedAt(most * 1.2, 0.05)).state).toBe("missed");
  });

  test("over its bound whose interval reaches below it is unclear: it may be noise", () => {
    expect(verdictOf(judgedAt(most * 1.05, 0.6)).state).toBe("unclear");
  });

  test("below its bound is kept, however wide its interval is", () => {
    expect(verdictOf(judgedAt(most * 0.9, 0.6)).state).toBe("kept");
  });

  test("of too few rounds is never missed", () => {
    const few = { of: [9, 9, 9], base: [1, 1, 1] };
    expect(verdictOf({ bound: "objects", what: "", measured: few }).state).toBe("unclear");
  });

  test("says itself with its interval, its bound and its unit", () => {
    expect(verdictText(verdictOf({ bound: "processesOfOne", what: "ADD", measured: 3 }))).toBe(
      "processesOfOne: ADD: 3 processes, at most 2: missed",
    );
    expect(verdictText(verdictOf(judgedAt(2, 0)))).toBe(
      `objects: ADD: 2.000 (95 %: 2.000 … 2.000), at most ${most}: missed`,
    );
  });
});

describe("a second measurement", () => {
  const judge = (first: Judged, second: readonly Judged[]) => settled([verdictOf(first)], second);

  test("that keeps the bound takes the first back", () => {
    expect(judge(judgedAt(most * 2, 0.01), [judgedAt(most * 0.95, 0.01)])).toMatchObject([{ state: "kept" }]);
  });

  test("that is over it too, with more rounds to tell, makes it missed", () => {
    expect(judge(judgedAt(most * 1.2, 0.05), [judgedAt(most * 1.2, 0.05)])).toMatchObject([
      { state: "missed" },
    ]);
  });

  test("of noise leaves it unclear, which is no failure", () => {
    expect(judge(judgedAt(most * 1.05, 0.6), [judgedAt(most * 1.05, 0.6)])).toMatchObject([
      { state: "unclear" },
    ]);
  });

  test("that does not measure it any more makes it missed", () => {
    expect(judge(judgedAt(most * 1.2, 0.05), [{ ...judgedAt(1, 0), what: "DEL" }])).toMatchObject([
      { state: "missed" },
    ]);
  });

  test("of a count stands for itself", () => {
    const count = (measured: number): Judged => ({ bound: "requests", what: "ADD and DEL", measured });
    expect(judge(count(6), [count(6)])).toMatchObject([{ state: "missed" }]);
    expect(judge(count(6), [count(5)])).toMatchObject([{ state: "kept" }]);
  });

  test("is made only where something is over its bound", async () => {
    const again = () => Promise.reject(new Error("measured again"));
    expect(await missedOf([judgedAt(1, 0.1)], again, () => {})).toEqual([]);
    await expect(missedOf([judgedAt(2, 0.1)], again, () => {})).rejects.toThrow("measured again");
  });

  test("tells of both, and gives what is missed alone", async () => {
    const said: string[] = [];
    const noise: Judged = { ...judgedAt(most * 1.05, 0.6), what: "DEL" };
    const all = [judgedAt(2, 0.1), noise, { ...judgedAt(1, 0), what: "CHECK" }];
    const missed = await missedOf(
      all,
      async () => all,
      (text) => said.push(text),
    );
    expect(missed.map(({ what }) => what)).toEqual(["ADD"]);
    expect(said.map((text) => /missed|unclear|measured once more/.exec(text)?.[0])).toEqual([
      ...["missed", "unclear", "measured once more"],
      ...["missed", "unclear"],
    ]);
  });
});

test("a peer is a name and a binary; what is not is refused with the form that is wanted", () => {
  expect(parsePeer("other=/opt/cni/bin/other")).toEqual({
    name: "other",
    binary: "/opt/cni/bin/other",
    netconf: {},
  });
  expect(() => parsePeer("/opt/cni/bin/other")).toThrow("wanted name=binary[,netconf.json]");
});
