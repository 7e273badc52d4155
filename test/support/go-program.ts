/** Programs that tests build with Go, once, and keep in the project's cache. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { runOrThrow } from "./command.ts";

const cache = join(import.meta.dirname, "..", "..", ".cache");

/**
 * A program of somebody else's.
 * @param release of its module, `v1.2.3`
 * @returns its path @throws {Error} with go's message
 */
export function installGoProgram(goPackage: string, release: string): Promise<string> {
  const name = basename(goPackage);
  return built(`${name}-${release}`, name, (directory) =>
    runOrThrow(["go", "install", `${goPackage}@${release}`], goOptions({ GOBIN: directory })),
  );
}

/**
 * A program of this project's tests.
 * @param source directory with its go.mod
 * @returns its path @throws {Error} with go's message
 */
export function buildGoProgram(source: string): Promise<string> {
  const name = basename(source);
  const digest = createHash("sha256");
  for (const file of ["main.go", "go.mod", "go.sum"]) digest.update(readFileSync(join(source, file)));
  return built(`${name}-${digest.digest("hex").slice(0, 16)}`, name, (directory) =>
    runOrThrow(["go", "build", "-C", source, "-o", join(directory, name), "."], goOptions()),
  );
}

function goOptions(environment: Readonly<Record<string, string>> = {}) {
  return {
    env: { ...process.env, GOFLAGS: "", GOWORK: "off", CGO_ENABLED: "0", ...environment },
    timeoutMs: 300_000,
  };
}

/** Builds into a directory that gets its name when the program is whole. */
async function built(
  directoryName: string,
  name: string,
  build: (directory: string) => Promise<unknown>,
): Promise<string> {
  const directory = join(cache, directoryName);
  const program = join(directory, name);
  if (existsSync(program)) return program;
  const building = `${directory}.${process.pid}`;
  mkdirSync(building, { recursive: true });
  await build(building);
  mkdirSync(directory, { recursive: true });
  renameSync(join(building, name), program);
  return program;
}
