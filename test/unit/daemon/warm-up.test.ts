/** The daemon's requests to itself: they run the code of real ones, end for these, and leave nothing. */

import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { AgentPool } from "../../../src/agent/agent-pool.ts";
import { WarmUp } from "../../../src/daemon/warm-up.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { type LogFields, silentLogger } from "../../../src/log/logger.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const openDescriptors = () => readdirSync("/proc/self/fd");

/** The directories and files that this process watches, as the kernel has them. */
const watches = () =>
  openDescriptors()
    .map((descriptor) => join("/proc/self/fdinfo", descriptor))
    .flatMap((path) => (existsSync(path) ? readFileSync(path, "utf8").split("\n") : []))
    .filter((line) => line.startsWith("inotify "));

interface Line {
  readonly message: string;
  readonly fields: LogFields;
}

/** One in a directory. @param onResult called for each result of a made-up plugin that is checked */
function warmUpIn(socketDir: string, onResult: () => void = () => {}) {
  const lines: Line[] = [];
  const log = {
    ...silentLogger,
    error: (message: string) => expect.unreachable(message),
    debug: (message: string, fields: LogFields = {}) => void lines.push({ message, fields }),
  };
  const kernels = loadKernels();
  const told: Kernels = {
    ...kernels,
    convertResult(input) {
      onResult();
      return kernels.convertResult(input);
    },
  };
  const agents = new AgentPool({
    idleMs: 1,
    start: () => Promise.reject(new Error("an agent was started")),
  });
  return {
    warmUp: new WarmUp({ socketDir, kernels: told, logKeys: { logLevel: "debug" }, agents, log }),
    lines,
  };
}

/** Pods that were attached and detached, as the log has it. */
function podsIn(lines: readonly Line[]): number {
  expect(lines.map(({ message }) => message)).toEqual(["multusd is warm"]);
  return Number(lines[0]?.fields.pods);
}

test("runs ADDs and DELs with four networks, and leaves neither socket nor file", async () => {
  using directory = new ScratchDirectory("warm");
  let results = 0;
  const { warmUp, lines } = warmUpIn(directory.path, () => {
    results += 1;
  });
  await warmUp.run();
  const pods = podsIn(lines);
  expect(pods).toBeGreaterThan(0);
  // Of each pod: the plugins' in its ADD and the answer's form, and those of the cache in its DEL.
  expect(results).toBeGreaterThanOrEqual(pods * 9);
  expect(readdirSync(directory.path)).toEqual([]);
});

test("closes all that it has opened: connections, its directory, the watch of its results", async () => {
  using directory = new ScratchDirectory("warm");
  await warmUpIn(directory.path).warmUp.run();
  // By now the process has its descriptor for watches, which stays.
  const descriptors = openDescriptors().length;
  await warmUpIn(directory.path).warmUp.run();
  await vi.waitFor(() => expect(openDescriptors()).toHaveLength(descriptors), 60_000);
  await vi.waitFor(() => expect(watches()).toEqual([]), 60_000);
});

test.each([
  ["ADD", 1],
  ["DEL", 1],
])("a real %s ends it in the middle of its own request", async (command, mostPods) => {
  using directory = new ScratchDirectory("warm");
  let results = 0;
  const { warmUp, lines } = warmUpIn(directory.path, () => {
    results += 1;
    warmUp.requested(command);
  });
  await warmUp.run();
  expect(podsIn(lines)).toBeLessThanOrEqual(mostPods);
  expect(results).toBeLessThan(9);
  expect(readdirSync(directory.path)).toEqual([]);
});

test("a STATUS does not end it: runtimes ask every few seconds", async () => {
  using directory = new ScratchDirectory("warm");
  let results = 0;
  const { warmUp } = warmUpIn(directory.path, () => {
    results += 1;
    if (results === 1) warmUp.requested("STATUS");
  });
  await warmUp.run();
  expect(results).toBeGreaterThanOrEqual(9);
});

test("a request that came before it began leaves nothing to do", async () => {
  using directory = new ScratchDirectory("warm");
  const { warmUp, lines } = warmUpIn(directory.path, () => expect.unreachable());
  warmUp.requested("ADD");
  await warmUp.run();
  expect(lines).toEqual([]);
});

test("goes without where the daemon's directory cannot be written", async () => {
  using directory = new ScratchDirectory("warm");
  const { warmUp, lines } = warmUpIn(join(directory.path, "missing"));
  await warmUp.run();
  expect(lines.map(({ message }) => message)).toEqual(["multusd could not be warmed up"]);
});

test("removes what a daemon left that was killed meanwhile, not what another one is using", async () => {
  using directory = new ScratchDirectory("warm");
  const old = join(directory.path, "multus.sock.warm-killed");
  mkdirSync(join(old, "results"), { recursive: true });
  utimesSync(old, 1, 1);
  mkdirSync(join(directory.path, "multus.sock.warm-in-use"));
  mkdirSync(join(directory.path, "other"));
  await warmUpIn(directory.path).warmUp.run();
  expect(readdirSync(directory.path).sort()).toEqual(["multus.sock.warm-in-use", "other"]);
});
