/**
 * The cost of foreign files in the results directory. Not in seconds: the same is done with some files and with eight times as many, in turns, and the two are
 * compared; and the event loop's longest turn is compared with the whole.
 */

import { linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { readAttachments } from "../../../src/ctl/node/attachments.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { cpuTimeOf } from "../../support/cpu-time.ts";
import { Rig } from "./rig.ts";

const few = 600;
const many = 8 * few;
const rounds = 60;

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const netconf = {
  cniVersion: "1.1.0",
  delegates: [{ cniVersion: "1.1.0", name: "cluster", type: "bridge" }],
};

/** A rig whose results directory has so many files that say nothing, as a plugin or a power cut may leave them. */
function rigWith(files: number): Rig {
  const rig = new Rig(kernels);
  const results = join(rig.cniDir, "results");
  mkdirSync(results, { recursive: true });
  const path = (index: number) => join(results, `leaked-net-${index.toString(16).padStart(64, "0")}-net1`);
  writeFileSync(path(0), '{"kind":"cniCacheV1","config":"eyJuYW1lIjoi');
  for (let index = 1; index < files; index++) linkSync(path(0), path(index));
  return rig;
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((left, right) => left - right)[numbers.length >> 1] ?? Number.NaN;

describe("foreign files in the results directory", () => {
  test("do not make a DEL slower", async () => {
    using small = rigWith(few);
    using large = rigWith(many);
    for (const rig of [small, large]) await rig.run("DEL", { netconf });
    const ofSmall: number[] = [];
    const ofLarge: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const turns = [() => del(small, ofSmall), () => del(large, ofLarge)] as const;
      for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
    }
    // Listing them would cost eight times as much.
    expect(median(ofLarge) / median(ofSmall)).toBeLessThan(2);

    /** Of a container that was never added: what a file system takes to make files, which differs by directory, is not measured. */
    async function del(rig: Rig, costs: number[]): Promise<void> {
      const request = { containerId: `c${costs.length}` };
      const cost = await cpuTimeOf(async () => {
        expect((await rig.run("DEL", { netconf, request })).exitCode).toBe(0);
      });
      costs.push(cost);
    }
  });

  test("are gone through by GC while the event loop does other work", async () => {
    using rig = rigWith(many);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const start = performance.now();
    delay.enable();
    let turns = 0;
    let isOver = false;
    const request = { containerId: "", netns: "", ifName: "", args: "" };
    const collecting = rig
      .run("GC", { netconf: { ...netconf, "cni.dev/valid-attachments": [] }, request })
      .finally(() => {
        isOver = true;
      });
    while (!isOver) {
      await nextTurn();
      turns += 1;
    }
    delay.disable();
    expect((await collecting).exitCode).toBe(0);
    // In one go it would be one turn, as long as the whole.
    expect(turns).toBeGreaterThan(20);
    expect(delay.max / 1e6).toBeLessThan((performance.now() - start) / 2);
  });

  test("cost multusctl ls and doctor in proportion, not more", async () => {
    const config = Buffer.from('{"name":"n","type":"bridge","cniVersion":"1.0.0"}').toString("base64");
    const costOf = async (files: number) => {
      using rig = rigWith(files);
      for (let index = 0; index < files / 4; index++) {
        const key = { containerId: `c${index}`, ifName: "eth0", networkName: "n" };
        rig.writeFile(`cni/results/n-c${index}-eth0`, { kind: "cniCacheV1", ...key, config });
      }
      return await lowestCost(rig.cniDir, files / 4);
    };
    const small = await costOf(few / 3);
    // Listing all of them for each container would cost 64 times as much.
    expect((await costOf(many / 3)) / small).toBeLessThan(2.5 * (many / few));
  });

  async function lowestCost(cniDir: string, expected: number): Promise<number> {
    let lowest = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 2; round++) {
      const cost = await cpuTimeOf(async () => {
        expect((await readAttachments(cniDir, kernels)).attachments).toHaveLength(expected);
      });
      lowest = Math.min(lowest, cost);
    }
    return lowest;
  }
});
