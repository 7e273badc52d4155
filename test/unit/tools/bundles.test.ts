/** What is in which bundle: every daemon has the text of its own in memory. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const build = join(import.meta.dirname, "..", "..", "..", "build");

/** Files of a bundle, by its source map. */
function sourcesOf(bundle: string): readonly string[] {
  const { sources } = JSON.parse(readFileSync(join(build, `${bundle}.map`), "utf8"));
  return sources;
}

const ofGrpc = (bundle: string) => sourcesOf(bundle).filter((path) => path.includes("/@grpc/grpc-js/"));

it("the gRPC client is in a bundle of its own, which the daemon loads when a network wants a device", () => {
  expect(ofGrpc("multusd.mjs")).toEqual([]);
  expect(ofGrpc("grpc.mjs").length).toBeGreaterThan(10);
  expect(readFileSync(join(build, "multusd.mjs"), "utf8").match(/import\("\.\/grpc\.mjs"\)/g)).toHaveLength(
    1,
  );
  // An import at its beginning would be loaded with it.
  expect(readFileSync(join(build, "multusd.mjs"), "utf8")).not.toMatch(/^import [^;]*grpc\.mjs/m);
});
