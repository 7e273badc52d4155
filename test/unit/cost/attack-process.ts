/** Runs all attacks in one process, and prints what they take of its memory: `{grown, kept}`, by the attack's name and after all of them, in bytes. Run by attack.test.ts. */

import { readFileSync, writeFileSync } from "node:fs";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { Rig, selecting } from "../multus/rig.ts";
import { attacks } from "./attacks.ts";

const kernels = loadKernels();

/** A line of what the kernel says of this process's memory, in bytes. */
function memory(name: "VmRSS" | "VmHWM"): number {
  const [, kibibytes] =
    new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}

/** Forgets the most memory that the process had so far (proc(5), clear_refs). */
function forgetPeak(): void {
  writeFileSync("/proc/self/clear_refs", "5");
}

/** Bytes in use, buffers included. */
function live(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

using rig = new Rig(kernels);
rig.addNad("default/a", { cniVersion: "1.0.0", type: "a" });
for (let round = 0; round < 10; round++) {
  await rig.run("ADD", { annotations: selecting("a") });
  await rig.run("DEL");
}
rig.plugins.calls.length = 0;
const liveBefore = live();

const grown: Record<string, number> = {};
for (const { name, prepare } of attacks) {
  const run = prepare(rig);
  live();
  forgetPeak();
  const before = memory("VmRSS");
  await run();
  grown[name] = memory("VmHWM") - before;
  rig.plugins.behaviour = () => undefined;
  await rig.run("DEL");
  rig.plugins.calls.length = 0;
}

// Definitions that take twenty times their length once they are parsed, each used once.
const plugins: Json[] = Array(1_000).fill({ type: "a", capabilities: { mac: true } });
rig.plugins.behaviour = () => ({ exitCode: 1 });
for (let index = 0; index < 200; index++) {
  rig.addNad("default/b", { cniVersion: "1.0.0", name: `b${index}`, plugins });
  await rig.run("ADD", { annotations: selecting("b") });
  rig.plugins.calls.length = 0;
}
rig.removeNad("default/a");
rig.removeNad("default/b");

process.stdout.write(JSON.stringify({ grown, kept: live() - liveBefore }));
