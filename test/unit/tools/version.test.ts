/** The version: package.json has it, and what repeats it is written by one task. */

import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import packageJson from "../../../package.json" with { type: "json" };
import { changelogSection } from "../../../tools/build/changelog.mjs";
import { runCommand } from "../../support/command.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const project = join(import.meta.dirname, "..", "..", "..");
const named = /multus-wasm:(\d[0-9A-Za-z.-]*[0-9A-Za-z])/g;

/** Places that name an image or the chart's version, read without the task's own expressions. */
function repeated(directory: string): [string, string][] {
  const read = (file: string) => readFileSync(join(directory, file), "utf8");
  const files = ["deploy", "docs"].flatMap((part) =>
    readdirSync(join(directory, part), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(md|yaml)$/.test(file))
      .map((file) => join(part, file)),
  );
  const ofImages = files.flatMap((file) =>
    Array.from(read(file).matchAll(named), ([, version = ""]): [string, string] => [file, version]),
  );
  const chart = read("deploy/helm/multus-wasm/Chart.yaml");
  const lock = JSON.parse(read("package-lock.json"));
  return [
    ...ofImages,
    ["package.json", JSON.parse(read("package.json")).version],
    ["package-lock.json", lock.version],
    ["package-lock.json", lock.packages[""].version],
    ["Chart.yaml", /^version: (.*)$/m.exec(chart)?.[1] ?? ""],
    ["Chart.yaml", /^appVersion: "(.*)"$/m.exec(chart)?.[1] ?? ""],
    ["Dockerfile", /image\.version="(.*)"/.exec(read("Dockerfile"))?.[1] ?? ""],
  ];
}

/** Copies of what the task reads and writes. */
function copyOfProject(): ScratchDirectory {
  const scratch = new ScratchDirectory("version");
  for (const path of [
    "package.json",
    "package-lock.json",
    "Dockerfile",
    "README.md",
    "deploy",
    "docs",
    "tools",
  ]) {
    cpSync(join(project, path), join(scratch.path, path), { recursive: true });
  }
  return scratch;
}

const setVersion = (directory: string, ...args: string[]) =>
  runCommand([process.execPath, join(directory, "tools", "run.mjs"), "version", ...args]);

test("everything that repeats it has package.json's", () => {
  const all = repeated(project);
  expect(all.length).toBeGreaterThan(9);
  expect(all.filter(([, version]) => version !== packageJson.version)).toEqual([]);
});

test.each(["1.2.3", "2.0.0-rc.1"])(
  "the task writes %s everywhere, and back again what was there",
  async (next) => {
    using scratch = copyOfProject();
    const before = repeated(scratch.path);
    const { exitCode, stdout, stderr } = await setVersion(scratch.path, next);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.toString()).toContain("deploy/helm/multus-wasm/Chart.yaml\n");
    expect(repeated(scratch.path).filter(([, version]) => version !== next)).toEqual([]);
    // Nothing else of the lock: packages have versions of their own.
    const { packages } = JSON.parse(readFileSync(join(scratch.path, "package-lock.json"), "utf8"));
    expect(packages["node_modules/yaml"].version).toBe(packageJson.dependencies.yaml);

    await setVersion(scratch.path, packageJson.version);
    expect(repeated(scratch.path)).toEqual(before);
    for (const file of ["package-lock.json", "docs/quick-start.md", "deploy/README.md"]) {
      expect(readFileSync(join(scratch.path, file), "utf8")).toBe(readFileSync(join(project, file), "utf8"));
    }
  },
);

test("what is no version is refused, and nothing is written", async () => {
  using scratch = copyOfProject();
  for (const next of ["1.2", "v1.2.3", "1.2.3+build", "01.2.3", ""]) {
    const { exitCode, stderr } = await setVersion(scratch.path, next);
    expect(stderr).toBe(`! version ${next}: not a semantic version, as 1.2.3 or 1.2.3-rc.1\n`);
    expect(exitCode).toBe(1);
  }
  expect(repeated(scratch.path)).toEqual(repeated(project));
});

const changelog =
  "# Changelog\n\nIntroduction.\n\n## [Unreleased]\n\n- soon\n\n## [1.10.0] - 2026-01-02\n\n- ten\n\n### Fixed\n\n- it\n\n## 1.1.0\n\n- one\n\n## v1.0.0 (2025)\n\n## 0.9.0\n";

test.each([
  ["1.10.0", "- ten\n\n### Fixed\n\n- it"],
  ["1.1.0", "- one"],
  ["1.1", undefined],
  // Without a word.
  ["1.0.0", undefined],
  ["2.0.0", undefined],
  ["Unreleased", "- soon"],
])("the changelog's section of %s", (version, section) => {
  expect(changelogSection(changelog, version)).toBe(section);
});

test("CHANGELOG.md has a section of this version, or of what comes with it", () => {
  const text = readFileSync(join(project, "CHANGELOG.md"), "utf8");
  const section = changelogSection(text, packageJson.version) ?? changelogSection(text, "Unreleased");
  expect(section).toMatch(/\w/);
});
