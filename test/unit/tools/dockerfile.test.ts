/** The Dockerfile as text: it is right as far as a linter sees, copies what is there, and leaves nothing in the image but what tools/build/image.mjs puts there. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { validate } from "dockerfile-utils";
import { expect, test } from "vitest";
import packageJson from "../../../package.json" with { type: "json" };
import { imageLabels, imageConfig as ownConfig } from "../../../tools/build/image.mjs";
import { dockerfile, imageConfig, stages } from "../../support/dockerfile.ts";

const project = join(import.meta.dirname, "..", "..", "..");
const lines = (file: string) => readFileSync(join(project, file), "utf8").split("\n");

/** Paths that the image copies from the checkout. */
function copied(): string[] {
  return stages()
    .flat()
    .filter(({ keyword, text }) => keyword === "COPY" && !text.startsWith("--from"))
    .flatMap((instruction) => instruction.arguments.slice(0, -1));
}

test("a linter finds nothing", () => {
  expect(validate(readFileSync(dockerfile, "utf8"))).toEqual([]);
  // It does look.
  expect(validate("FROM scratch\nCOPPY a b\n")).not.toEqual([]);
});

test("everything that it copies is there, and is all that .dockerignore lets through", () => {
  expect(copied().filter((path) => !existsSync(join(project, path)))).toEqual([]);
  const rules = lines(".dockerignore").filter((line) => line !== "" && !line.startsWith("#"));
  expect(rules[0]).toBe("*");
  expect(rules.slice(1).sort()).toEqual(
    copied()
      .map((path) => `!${path}`)
      .sort(),
  );
});

test("it builds on the Node that everything is tested with", () => {
  const [version] = lines("Dockerfile").flatMap((line) => /^ARG NODE_VERSION=(.*)$/.exec(line)?.[1] ?? []);
  expect(new Set([version, ...Object.values(packageJson.optionalDependencies)]).size).toBe(1);
  expect(stages()[0]?.[0]?.arguments[0]).toBe(`node:\${NODE_VERSION}-slim@\${NODE_DIGEST}`);
});

test("the base image is pinned by its digest, as a tag can move", () => {
  const bases = stages().map(([from]) => from?.arguments[0] ?? "");
  const defaults = new Map(
    lines("Dockerfile").flatMap((line) => {
      const [, name, value] = /^ARG ([A-Z_]+)=(.*)$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
  const named = bases.map((base) => base.replace(/\$\{([A-Z_]+)\}/g, (_, name) => defaults.get(name) ?? ""));
  expect(named.filter((base) => base !== "scratch" && !/@sha256:[0-9a-f]{64}$/.test(base))).toEqual([]);
  // Where that digest is from: another version of Node has another one.
  const source = `repos/node/remote/${defaults.get("NODE_VERSION")}-slim.md`;
  expect(readFileSync(dockerfile, "utf8")).toContain(source);
});

test("the last stage is what the build has put together, and nothing runs in it", () => {
  const last = stages().at(-1) ?? [];
  expect(last[0]?.arguments).toEqual(["scratch"]);
  expect(last.filter(({ keyword }) => keyword === "COPY").map(({ text }) => text)).toEqual([
    "--from=build /image/ /",
  ]);
  expect(last.map(({ keyword }) => keyword)).not.toContain("RUN");
  expect(imageConfig()).toEqual({
    Entrypoint: ["/usr/local/bin/multusd"],
    Env: ["PATH=/usr/local/bin", "MALLOC_ARENA_MAX=1", "MALLOC_TRIM_THRESHOLD_=131072"],
    User: "0:0",
  });
});

test("npm run image gives its image the same configuration and labels", () => {
  expect(imageConfig()).toEqual(ownConfig);
  const [labels] = (stages().at(-1) ?? []).filter(({ keyword }) => keyword === "LABEL");
  const pairs = Array.from(labels?.text.matchAll(/(\S+?)="(.*?)"/g) ?? [], ([, name, value]) => [
    name,
    value,
  ]);
  expect(Object.fromEntries(pairs)).toEqual(imageLabels(packageJson.version));
});
