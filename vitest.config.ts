import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** One project a suite, so that each can be run alone: `node tools/run.mjs test --project unit`. */
const suite = (name: string, include: string[], test: Record<string, unknown> = {}) => ({
  // Limits are for what hangs: on a machine that does much else a test of milliseconds can take seconds.
  test: { name, include, environment: "node", testTimeout: 60_000, hookTimeout: 60_000, ...test },
});

/** Files that count timers, descriptors, memory or time of their process, of which another file's rest would be a part: each has a process of its own. */
const counting = [
  "test/unit/cost/**/*.test.ts",
  "test/unit/daemon/**/*.test.ts",
  ...["agent/frames", "base/large-work", "cni/followed-results", "ctl/install/program", "multus/cluster"].map(
    (name) => `test/unit/${name}.test.ts`,
  ),
];

/** Files that measure times or memory, or need the whole machine: they run alone. */
const measured = {
  heavy: ["bench-gate", "foreign-results", "full-node", "multusctl-bench"].map(
    (name) => `test/heavy/${name}.test.ts`,
  ),
  cluster: ["hostile-authors", "many-objects", "upgrade-under-load"].map(
    (name) => `test/cluster/${name}.test.ts`,
  ),
};

const heavy = {
  testTimeout: 600_000,
  hookTimeout: 600_000,
  globalSetup: ["test/shim/support/binaries.ts"],
};

const cluster = {
  testTimeout: 600_000,
  hookTimeout: 600_000,
  globalSetup: ["test/support/cluster/places-of-run.ts"],
};

export default defineConfig({
  test: {
    // Three files at once on a machine of two cores as well: most tests wait for processes. Suites that say fileParallelism false run alone.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    projects: [
      suite("unit-counting", counting),
      // Their files keep nothing between tests, so that one process can run many: the modules are loaded once.
      suite("unit", ["test/unit/**/*.test.ts"], { exclude: counting, isolate: false }),
      suite("generated", ["test/generated/**/*.test.ts"], { isolate: false }),
      suite("fuzz", ["test/fuzz/**/*.test.ts"], { isolate: false }),
      suite("shim", ["test/shim/**/*.test.ts"], { globalSetup: ["test/shim/support/binaries.ts"] }),
      suite("golden", ["test/golden/**/*.test.ts"]),
      suite("e2e", ["test/e2e/**/*.test.ts"], { testTimeout: 120_000, hookTimeout: 120_000 }),
      suite("heavy", ["test/heavy/**/*.test.ts"], {
        ...heavy,
        exclude: measured.heavy,
        maxWorkers: 2,
        sequence: { groupOrder: 1 },
      }),
      suite("heavy-measured", measured.heavy, {
        ...heavy,
        fileParallelism: false,
        sequence: { groupOrder: 2 },
      }),
      // Their files wait most of the time: for a kubelet's rounds, and for what starts and ends.
      suite("cluster", ["test/cluster/**/*.test.ts"], {
        ...cluster,
        exclude: measured.cluster,
        maxWorkers: 3,
        sequence: { groupOrder: 3 },
      }),
      suite("cluster-measured", measured.cluster, {
        ...cluster,
        fileParallelism: false,
        sequence: { groupOrder: 4 },
      }),
    ],
  },
});
