/** The task runner's own answers: help, what it does not know, and CI's closing line. */

import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { runCommand } from "../../support/command.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const runner = join(root, "tools", "run.mjs");
const task = (...args: string[]) => runCommand([process.execPath, runner, ...args]);

const namesIn = (help: string): string[] =>
  Array.from(help.matchAll(/^ {2}(\S+) {2,}\S/gm), ([, name = ""]) => name);

/** The tools alone, in an empty directory: nothing is installed, nothing is built. */
function toolsAlone() {
  const directory = mkdtempSync(join(tmpdir(), "multus-wasm-tools-alone-"));
  cpSync(join(root, "tools"), join(directory, "tools"), { recursive: true });
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

test("--help lists every npm script's task", async () => {
  const { exitCode, stdout } = await task("--help");
  expect(exitCode).toBe(0);
  expect(namesIn(stdout.toString())).toEqual(expect.arrayContaining(Object.keys(manifest.scripts)));
});

test.each(["--help", "-h"])("every task answers %s, does nothing and needs nothing", async (option) => {
  using alone = toolsAlone();
  const names = namesIn((await task("--help")).stdout.toString());
  expect(names.length).toBeGreaterThan(15);
  const outcomes = await Promise.all(
    names.map((name) =>
      runCommand([process.execPath, join(alone.directory, "tools", "run.mjs"), name, option], {
        env: { PATH: "/nonexistent" },
      }),
    ),
  );
  for (const [index, { exitCode, stdout, stderr }] of outcomes.entries()) {
    const [usage = "", ...about] = stdout.toString().trimEnd().split("\n");
    expect(usage).toMatch(new RegExp(`^node tools/run\\.mjs ${names[index]}(?: |$)`));
    expect(about.at(-1)).toMatch(/^ {2}\S/);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  }
  expect(readdirSync(alone.directory)).toEqual(["tools"]);
});

test.each([
  ["build", "[--force]"],
  ["build:executable", "[--arch amd64|arm64]"],
  ["image", "[--update-libraries]"],
  ["release", "--version X"],
  ["version", "X"],
  ["test", "[-t PATTERN]"],
  ["cluster", "--containerd 1.6|2.4"],
  ["fuzz", "--minutes N"],
  ["bench", "--only PART"],
  ["ci:counts", "STEP=EXITCODE"],
])("%s --help names %s", async (name, part) => {
  expect((await task(name, "--help")).stdout.toString()).toContain(part);
});

test.each([
  [["bench", "--only", "atach"], "--only atach: there is no such part, but kernels,"],
  [["cluster", "--containerd", "3"], "--containerd 3: 1.6 or 2.4"],
])("%j: what is wrong is said in one line", async (args, message) => {
  const { exitCode, stderr } = await task(...args);
  expect(stderr).toMatch(/^! .*\n$/);
  expect(stderr).toContain(message);
  expect(exitCode).toBe(1);
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
  using alone = toolsAlone();
  const { exitCode, stderr } = await runCommand(
    [process.execPath, join(alone.directory, "tools", "run.mjs"), "lint"],
    { env: { PATH: "/nonexistent" } },
  );
  expect(stderr).toContain("! npm can't be started, which comes with Node: npm: spawn npm ENOENT");
  expect(exitCode).toBe(1);
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
