/** The real flannel plugin: last part of containernetworking/plugins v0.9.1, built once and kept in the project's cache. */

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { runOrThrow } from "./command.ts";

const release = "v0.9.1";
const cache = join(import.meta.dirname, "..", "..", ".cache", `cni-plugins-${release}`);

/** @returns path of the built plugin @throws {Error} with go's message */
export async function buildFlannel(): Promise<string> {
  const plugin = join(cache, "flannel");
  if (existsSync(plugin)) return plugin;
  const building = `${cache}.${process.pid}`;
  mkdirSync(building, { recursive: true });
  await runOrThrow(
    ["go", "install", `github.com/containernetworking/plugins/plugins/meta/flannel@${release}`],
    {
      env: { ...process.env, GOBIN: building, GOFLAGS: "" },
      timeoutMs: 300_000,
    },
  );
  mkdirSync(cache, { recursive: true });
  renameSync(join(building, "flannel"), plugin);
  return plugin;
}
