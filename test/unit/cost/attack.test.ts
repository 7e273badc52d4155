/** The attacks on the handler of a daemon: each is answered with an error, for no more than what is allowed costs, in bounded memory, and leaves nothing behind. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadKernels } from "../../../src/kernels/load.ts";
import { runOrThrow } from "../../support/command.ts";
import { cpuTimeOf } from "../../support/cpu-time.ts";
import { answerOf, containerId, Rig, selecting } from "../multus/rig.ts";
import { attacks } from "./attacks.ts";

const kernels = loadKernels();

/** Least CPU time of several turns of each, in microseconds; they take turns, as the machine's speed changes. */
async function leastTimes(works: readonly (() => Promise<unknown>)[], turns: number): Promise<number[]> {
  const least = works.map(() => Infinity);
  for (let turn = 0; turn < turns; turn++) {
    for (const [index, work] of works.entries()) {
      least[index] = Math.min(least[index] ?? Infinity, await cpuTimeOf(work));
    }
  }
  return least;
}

describe.each(attacks)("$name", ({ prepare, runsPlugins, code, message }) => {
  test("is refused with an error that says why, before plugins run where they are not the cause, and a DEL leaves nothing", async () => {
    using rig = new Rig(kernels);
    const handled = await prepare(rig)();
    expect(answerOf(handled)).toMatchObject({ code, msg: expect.stringContaining(message) });
    expect(handled.stdout.length).toBeLessThan(4_096);
    expect(rig.plugins.calls.length > 0).toBe(runsPlugins);
    rig.plugins.behaviour = () => undefined;
    expect((await rig.run("DEL")).error).toBeUndefined();
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    const results = join(rig.cniDir, "results");
    expect(existsSync(results) ? readdirSync(results) : []).toEqual([]);
  });
});

test("an annotation of 240 KB that selects too much costs what one of 240 KB that is taken costs", async () => {
  using rig = new Rig(kernels);
  rig.addNad("default/a", { cniVersion: "1.0.0", type: "a" });
  const add = (annotation: string) => () => rig.run("ADD", { annotations: selecting(annotation) });
  const taken = "a".padEnd(240_000);
  const [usual = 0, names = 0, objects = 0] = await leastTimes(
    [add(taken), add(Array(120_000).fill("a").join()), add(`[${Array(80_000).fill("{}").join()}]`)],
    8,
  );
  expect(names).toBeLessThan(3 * usual);
  expect(objects).toBeLessThan(6 * usual);
});

test("none of them takes more memory than a daemon has", async () => {
  // A process of its own: what the engine may have at most is set when it starts.
  const script = join(import.meta.dirname, "attack-process.ts");
  const output = await runOrThrow([process.execPath, "--max-old-space-size=96", "--expose-gc", script]);
  const { grown, kept } = JSON.parse(output);
  expect(Object.keys(grown)).toEqual(attacks.map(({ name }) => name));
  const most = 64 * 1024 * 1024;
  expect(Object.entries<number>(grown).filter(([, bytes]) => bytes > most)).toEqual([]);
  expect(kept).toBeLessThan(32 * 1024 * 1024);
});
