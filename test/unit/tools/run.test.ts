/** The task runner's own answers: help, what it does not know, and CI's closing line. */

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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
    "chart",
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

test.each([
  ["setup", "setup"],
  ["build", "[--force]"],
  ["build:executable", "[--arch amd64|arm64]"],
  ["build:shims", "[--force]"],
  ["notices", "[--force]"],
  ["chart", "chart"],
  ["test", "[-t PATTERN]"],
  ["test:heavy", "[-t PATTERN]"],
  ["test:cluster", "[-t PATTERN]"],
  ["cluster", "--containerd 1.6|2.4"],
  ["fuzz", "--minutes N"],
  ["sweep", "sweep"],
  ["ci:begin", "ci:begin"],
  ["ci:counts", "STEP=EXITCODE"],
])("%s --help does nothing of the task, and needs nothing of what it needs", async (name, part) => {
  const { exitCode, stdout, stderr } = await runCommand([process.execPath, runner, name, "--help"], {
    env: { PATH: "/nonexistent" },
  });
  expect(stdout.toString()).toContain(part);
  expect(stderr).toBe("");
  expect(exitCode).toBe(0);
});

test.each(["setup", "sweep", "ci:begin"])("%s refuses arguments", async (name) => {
  const { exitCode, stderr } = await task(name, "--dry-run");
  expect(stderr).toBe(`! ${name} takes no arguments: --dry-run\n`);
  expect(exitCode).toBe(1);
});

test.each([
  ["build", "build.mjs"],
  ["build:executable", "build/executable.mjs"],
])("%s: an unknown option is named in one line", async (name, program) => {
  const path = join(import.meta.dirname, "..", "..", "..", "tools", program);
  const { exitCode, stderr } = await runCommand([process.execPath, path, "--nonsense"]);
  expect(stderr).toBe(
    `! Unknown option '--nonsense'; \`node tools/run.mjs ${name} --help\` lists what there is\n`,
  );
  expect(exitCode).toBe(2);
});

test("npm that is not there is named", async () => {
  const directory = mkdtempSync(join(tmpdir(), "multus-wasm-without-packages-"));
  try {
    const root = join(import.meta.dirname, "..", "..", "..");
    cpSync(join(root, "tools"), join(directory, "tools"), { recursive: true });
    const { exitCode, stderr } = await runCommand(
      [process.execPath, join(directory, "tools", "run.mjs"), "lint"],
      { env: { PATH: "/nonexistent" } },
    );
    expect(stderr).toContain("! npm can't be started, which comes with Node: npm: spawn npm ENOENT");
    expect(exitCode).toBe(1);
  } finally {
    rmSync(directory, { recursive: true });
  }
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
