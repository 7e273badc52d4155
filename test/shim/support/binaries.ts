/** The shim's binaries that these tests drive: the one that is installed, and one with sanitizers. Built once before the suite, as the project's global setup. */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { buildShim } from "../../../tools/build/shim.mjs";
import { isRoot } from "./links.ts";

const root = join(import.meta.dirname, "../../..");

/** The plugin as it is installed, and the same sources under address and undefined-behaviour sanitizers. */
export const shims: readonly { readonly name: string; readonly binary: string }[] = [
  { name: "release", binary: join(root, "build/multus") },
  { name: "sanitized", binary: join(root, "build/multus-sanitized") },
];

/** Runs the shim's decoders over generated and given bytes: see test/shim/fuzz/driver.c. */
export const fuzzBinary = join(root, "build/fuzz-shim");

const sources = ["shim", "test/shim/fuzz", "tools/build/shim.mjs"];

function newestChange(path: string): number {
  const absolute = join(root, path);
  const { mtimeMs } = statSync(absolute);
  if (!statSync(absolute).isDirectory()) return mtimeMs;
  const entries = readdirSync(absolute, { recursive: true, encoding: "utf8" });
  return Math.max(mtimeMs, ...entries.map((entry) => statSync(join(absolute, entry)).mtimeMs));
}

function isStale(binary: string): boolean {
  return !existsSync(binary) || statSync(binary).mtimeMs < Math.max(...sources.map(newestChange));
}

/** Builds what is out of date. @throws {Error} with the compiler's words; under CI also where tests would have to be skipped */
export default async function buildBinaries(): Promise<void> {
  if (!isRoot) {
    const message = "tests of links and default routes need root: they make network namespaces";
    if (!["", "0", "false"].includes(process.env.CI ?? "")) throw new Error(message);
    process.stderr.write(`> skipped: ${message}\n`);
  }
  execFileSync(process.execPath, [join(root, "tools/build.mjs"), "--quiet", "shim"], { stdio: "inherit" });
  const builds: Promise<string>[] = [];
  if (shims.some(({ name, binary }) => name === "sanitized" && isStale(binary))) {
    builds.push(buildShim({ sanitize: true }));
  }
  if (isStale(fuzzBinary)) builds.push(buildShim({ fuzz: true }));
  await Promise.all(builds);
}
