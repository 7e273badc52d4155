/** From measurements to a report: shares, waits, differences. */

import { describe, expect, test } from "vitest";
import { timingsOf } from "../../../../src/ctl/bench/daemon-times.ts";
import { levelReports, samplesOf } from "../../../../src/ctl/bench/report.ts";
import { formatReport } from "../../../../src/ctl/bench/tables.ts";
import { meanWaits, ownShare, waitsOf } from "../../../../src/ctl/bench/waits.ts";
import { batch, pod, reportOf, subject, timing, usualSeries } from "./report-of.ts";

describe("a pod's time", () => {
  test("is taken apart into parts that add up to it", () => {
    const waits = waitsOf(12, timing("c"));
    expect(waits.map(({ part, kind, milliseconds }) => [part, kind, milliseconds])).toEqual([
      ["outside", "outside", 2],
      ["queue", "ours", 1],
      ["netconf", "ours", 0.5],
      ["plan", "ours", 0.5],
      ["plan-file", "ours", 0.25],
      ["status", "ours", 0.25],
      ["plugins", "plugins", 6],
      ["around-plugins", "ours", 1.25],
      ["other", "ours", 0.25],
    ]);
    expect(waits.reduce((sum, { milliseconds }) => sum + milliseconds, 0)).toBeCloseTo(12, 9);
  });

  test("is ours but for the plugins: with the plugin alone all of it, with a runtime the daemon's", () => {
    expect(ownShare(12, timing("c"), true)).toBe(6);
    expect(ownShare(300, timing("c"), false)).toBe(4);
  });

  test("as a mean over pods", () => {
    const waits = meanWaits([
      { milliseconds: 12, timing: timing("a") },
      { milliseconds: 16, timing: timing("b") },
    ]);
    expect(waits.find(({ part }) => part === "outside")?.milliseconds).toBe(4);
    expect(waits.find(({ part }) => part === "plugins")?.milliseconds).toBe(6);
    expect(meanWaits([])).toEqual([]);
  });
});

describe("levels", () => {
  const levels = levelReports(usualSeries(), "plugin");

  test("have every subject's times, of pods and of all", () => {
    expect(levels.map(({ pods, subjects }) => [pods, subjects.map((each) => each.subject)])).toEqual([
      [1, ["multus-wasm", "other"]],
      [4, ["multus-wasm", "other"]],
    ]);
    expect(levels[1]?.subjects[0]?.add.pod).toMatchObject({ count: 32 });
    expect(levels[1]?.subjects[0]?.add.all).toMatchObject({ count: 8, median: 50 });
  });

  test("compare with ours by round, by the medians of the pods", () => {
    for (const { subjects } of levels) {
      expect(subjects[0]?.oursLessThis).toBeUndefined();
      expect(subjects[1]?.oursLessThis).toEqual({ median: -8, interval: [-8, -8] });
    }
  });

  test("have a network's plugins apart from what is ours", () => {
    const { shares } = levels[0]?.subjects[0] ?? {};
    expect(shares?.pods).toBe(8);
    expect(shares?.networks).toEqual([
      expect.objectContaining({ network: "cluster", ifName: "eth0", plugins: ["sriov"] }),
      expect.objectContaining({ network: "default/vf", ifName: "net1", plugins: ["sriov"] }),
    ]);
    expect(shares?.networks[1]?.pluginTime.median).toBe(3);
    expect(shares?.networks[1]?.ownTime.median).toBe(0.5);
  });

  test("leave pods out whose times the daemon no longer has", () => {
    const pods = [pod(12, timing("a")), pod(99)];
    const [level] = levelReports(
      [{ subject: subject("multus-wasm", "multus"), pods: 2, batches: [batch(...pods)] }],
      "plugin",
    );
    const { add, shares } = level?.subjects[0] ?? {};
    expect(add?.pod.count).toBe(2);
    expect(shares?.pods).toBe(1);
    expect(shares?.ours.median).toBe(6);
    expect(shares?.stopWaits.find(({ part }) => part === "outside")?.milliseconds).toBe(2);
  });

  test("say nothing of a DEL that somebody else did", () => {
    const stopped = { ...pod(1), del: undefined };
    const series = [
      { subject: subject("multus-wasm", "multus"), pods: 2, batches: [batch(stopped, pod(2))] },
    ];
    expect(levelReports(series, "runtime")[0]?.subjects[0]?.del).toBeUndefined();
    expect(samplesOf(series)[0]?.rounds).toEqual([{ add: [1, 2], del: [1] }]);
  });

  test("leave out what was not measured", () => {
    expect(levelReports([{ subject: subject("a", "multus"), pods: 1, batches: [] }], "plugin")).toEqual([]);
  });
});

describe("a daemon's timings", () => {
  test("are found by container, the newest of several", () => {
    const older = { ...timing("a"), milliseconds: 99 };
    const del = { ...timing("a"), command: "DEL" };
    const found = timingsOf("ADD", { timings: [timing("a"), timing("b"), del, older] });
    expect([...found.keys()].sort()).toEqual(["a", "b"]);
    expect(found.get("a")?.milliseconds).toBe(10);
  });

  test("count only as a whole: daemons of other releases say less, or something else", () => {
    const { phases: _phases, ...without } = timing("a");
    const wrong = [
      without,
      { ...timing("b"), milliseconds: "1" },
      { ...timing("c"), phases: { plan: null } },
      { ...timing("d"), networks: [{ network: 1 }] },
      { ...timing("e"), plugins: {} },
      null,
      "x",
    ];
    expect(timingsOf("ADD", { timings: wrong as never }).size).toBe(0);
    expect(timingsOf("ADD", { timings: "x" as never }).size).toBe(0);
    expect(timingsOf("ADD", {}).size).toBe(0);
    expect(timingsOf("ADD", undefined).size).toBe(0);
  });
});

describe("tables", () => {
  test("have each number with its heading", () => {
    const text = formatReport(reportOf(usualSeries()));
    expect(text).toMatch(
      /^Through the plugin alone, on scratch pods; 2 networks a pod; 8 rounds after 3 to warm up/,
    );
    expect(text).toMatch(/^ +1 +other +20\.9 .* -8\.00 \(-8\.00 … -8\.00\)$/m);
    expect(text).toMatch(/^ +4 +default\/vf +net1 +sriov +3\.00 +3\.00 +0\.50 +0\.50$/m);
    expect(text).toMatch(/^wait for a slot +1\.00 +1\.00$/m);
  });

  test("say how it ended", () => {
    const text = formatReport(
      reportOf(usualSeries(), { state: "interrupted", reason: "interrupted by SIGINT" }),
    );
    expect(text).toContain("Interrupted: 8 of 8 rounds are measured. interrupted by SIGINT.");
  });

  test("say that the machine was too loaded", () => {
    const load = { others: 0.5, looks: 3 };
    expect(formatReport(reportOf(usualSeries(), { load }))).toMatch(
      /^! The machine was too loaded .* 50 %\. /m,
    );
    expect(formatReport(reportOf(usualSeries()))).not.toContain("loaded");
  });

  test("do not let a name act on the terminal", () => {
    const text = formatReport(reportOf(usualSeries(["cluster", "default/\u001b[2Jvf\u0007"])));
    expect(text).toContain("default/\ufffd[2Jvf\ufffd");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: there is to be none
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});
