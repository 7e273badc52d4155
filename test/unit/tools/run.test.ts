/** The task runner's own answers: help, what it does not know, and CI's closing line. */

import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommand } from "../../support/command.ts";

const runner = join(import.meta.dirname, "..", "..", "..", "tools", "run.mjs");
const task = (...args: string[]) => runCommand([process.execPath, runner, ...args]);

test("--help lists every npm script's task", async () => {
  const { exitCode, stdout } = await task("--help");
  expect(exitCode).toBe(0);
  for (const name of [
    "setup",
    "build",
    "build:shims",
    "notices",
    "demo",
    "test",
    "test:heavy",
    "test:cluster",
    "cluster",
    "bench",
    "lint",
    "format",
    "typecheck",
  ]) {
    expect(stdout.toString()).toMatch(new RegExp(`^  ${name} `, "m"));
  }
});

test("cluster --help needs nothing of what a cluster needs", async () => {
  const { exitCode, stdout } = await runCommand([process.execPath, runner, "cluster", "--help"], {
    env: { PATH: "/nonexistent" },
  });
  expect(stdout.toString()).toContain("--containerd 1.6|2.4");
  expect(exitCode).toBe(0);
});

test("without a task: help and exit code 2", async () => {
  expect((await task()).exitCode).toBe(2);
});

test("an unknown task is named", async () => {
  const { exitCode, stderr } = await task("toString");
  expect(exitCode).toBe(1);
  expect(stderr).toContain("no task toString");
});

test.each([
  [["lint=0", "demo=0"], "2 passed, 0 failed\n", 0],
  [["lint=0", "demo=1", "bench=124"], "1 passed, 2 failed\n", 1],
  [[], "0 passed, 0 failed\n", 1],
])("CI's closing line after %j", async (steps, line, exitCode) => {
  const outcome = await task("ci:counts", ...steps);
  expect(outcome.stdout.toString()).toBe(line);
  expect(outcome.exitCode).toBe(exitCode);
});
