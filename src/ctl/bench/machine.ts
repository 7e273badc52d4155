/** The facts of a machine that its times depend on. */

import { availableParallelism, cpus, release, totalmem } from "node:os";

export interface Machine {
  /** Linux's release. */
  readonly kernel: string;
  /** Model of the first processor; "" where the kernel does not say it. */
  readonly processor: string;
  /** Processors that this process may use. */
  readonly processors: number;
  readonly memoryMegabytes: number;
  readonly architecture: string;
  /** Version of Node. */
  readonly node: string;
}

export function thisMachine(): Machine {
  return {
    kernel: release(),
    processor: cpus()[0]?.model.trim() ?? "",
    processors: availableParallelism(),
    memoryMegabytes: Math.round(totalmem() / 1e6),
    architecture: process.arch,
    node: process.version,
  };
}

/** For a table: what, and its value. */
export function machineRows(machine: Machine): readonly (readonly [string, string])[] {
  const { kernel, architecture, processors, processor, memoryMegabytes, node } = machine;
  return [
    ["kernel", `Linux ${kernel}, ${architecture}`],
    ["processor", `${processors} × ${processor === "" ? "not known" : processor}`],
    ["memory", `${(memoryMegabytes / 1000).toFixed(1)} GB`],
    ["Node.js", node],
  ];
}
