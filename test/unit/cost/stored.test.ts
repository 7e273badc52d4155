/** Files of plans and results cost in proportion to their length, however they came there, and only so much of them is read. */

import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readFileStart } from "../../../src/base/regular-file.ts";
import { ResultCache } from "../../../src/cni/cache.ts";
import { readAttachments } from "../../../src/ctl/node/attachments.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { longestPlanRead, mostEntriesRead } from "../../../src/multus/input/bounds.ts";
import { planPath, readPlan } from "../../../src/multus/state/plan-file.ts";
import { growth, linear } from "../../support/growth.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { containerId, Rig } from "../multus/rig.ts";
import { filled } from "./filled.ts";

const kernels = loadKernels();
const key = { networkName: "a", containerId, ifName: "net1" };
const config = Buffer.from('{"cniVersion":"1.0.0","name":"a","type":"b"}');
const entry = JSON.stringify({ Name: "default/a", Bytes: config.toString("base64") });
const mebibyte = 1024 * 1024;

let scratch: ScratchDirectory;
beforeEach(() => {
  scratch = new ScratchDirectory("stored");
  mkdirSync(join(scratch.path, "results"));
});
afterEach(() => scratch[Symbol.dispose]());

test("of a file at most so many bytes are read, and how many it has", () => {
  for (const length of [0, 1, 4_095, 4_096, 4_097, 100_000]) {
    const path = scratch.write("file", "x".repeat(length));
    expect(readFileStart(path, length)).toMatchObject({ size: length, bytes: { length } });
    expect(readFileStart(path, length + 1)).toMatchObject({ size: length, bytes: { length } });
    if (length > 0) {
      expect(readFileStart(path, length - 1)).toMatchObject({
        size: length,
        bytes: { length: length - 1 },
      });
    }
  }
  expect(() => readFileStart(scratch.path, mebibyte)).toThrow("no regular file");
});

describe("a plan", () => {
  test("of a hundred gigabytes is as if it were torn: what is at its start is used", () => {
    const path = planPath(scratch.path, containerId);
    writeFileSync(path, `[${entry},${entry},"`);
    truncateSync(path, 100 * 1024 * mebibyte);
    const plan = readPlan(scratch.path, containerId);
    expect(plan?.entries).toHaveLength(2);
    expect(plan?.problem).toContain(`longer than ${longestPlanRead} bytes`);
  });

  test("of more networks than a pod can have ends in time, in DEL and in what multusctl lists", async () => {
    using rig = new Rig(kernels);
    mkdirSync(join(rig.cniDir, "results"), { recursive: true });
    const work = (size: number) => {
      const text = `[${Array(size).fill(entry).join()}]`;
      return () => {
        writeFileSync(planPath(scratch.path, containerId), text);
        return readPlan(scratch.path, containerId);
      };
    };
    expect(growth({ sizes: [256, 2048], work })).toBeLessThan(linear);
    const tooMany = `[${Array(2 * mostEntriesRead)
      .fill(entry)
      .join()}]`;
    writeFileSync(planPath(scratch.path, containerId), tooMany);
    const { attachments, problems } = await readAttachments(scratch.path, kernels);
    expect(attachments).toHaveLength(mostEntriesRead);
    expect(problems).toHaveLength(1);
    writeFileSync(planPath(rig.cniDir, containerId), tooMany);
    rig.plugins.links.clear();
    expect((await rig.run("DEL")).error).toBeUndefined();
    // The last first; the place of each is its interface.
    expect(rig.plugins.trace.filter((line) => line.startsWith("DEL b "))).toHaveLength(mostEntriesRead);
  });
});

describe("a result", () => {
  const head = `{"kind":"cniCacheV1","config":"${config.toString("base64")}","result":`;

  test.each<readonly [string, (length: number) => string]>([
    ["whole", (length) => `${filled(`${head}{"ips":[`, () => "{}", "]}", length)}}`],
    ["torn", (length) => filled(`${head}{"ips":[`, () => "{}", "", length)],
    ["with many keys", (length) => filled(`${head}{},`, (index) => `"k${index}":1`, "}", length)],
    ["with many arguments", (length) => filled(`${head}{},"cniArgs":[`, () => '["a","b"]', "]}", length)],
  ])("%s is read in proportion to its length", (_, textOf) => {
    const cache = new ResultCache(scratch.path, silentLogger);
    const work = (size: number) => {
      const text = textOf(size);
      return () => {
        scratch.write(`results/a-${containerId}-net1`, text);
        return cache.read(key);
      };
    };
    const sizes = [mebibyte / 8, mebibyte];
    expect(growth({ sizes, work })).toBeLessThan(linear);
  });

  test("of a hundred gigabytes is not read", () => {
    const path = scratch.write(`results/a-${containerId}-net1`, head);
    truncateSync(path, 100 * 1024 * mebibyte);
    const lines: string[] = [];
    const log = { ...silentLogger, error: (message: string) => lines.push(message) };
    expect(new ResultCache(scratch.path, log).read(key)).toBeUndefined();
    expect(lines).toEqual(["result cache: cannot read"]);
  });
});
