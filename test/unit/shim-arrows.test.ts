/** The folders of shim/ use each other in one direction only (docs/architecture.md): an include against the arrows fails here. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const shim = join(import.meta.dirname, "..", "..", "shim");

/** Each may use those below it, which are the ones before it here. The files of shim/ itself are above all. */
const floors = ["base", "net", "wire", "exec", "on_demand", "spool"];

const floorOf = (file: string): number => {
  const [folder = "", inside] = file.split("/");
  return inside === undefined ? floors.length : floors.indexOf(folder);
};

const files = readdirSync(shim, { recursive: true, encoding: "utf8" }).filter((name) => /\.[ch]$/.test(name));

/** The project's own files that one of them includes, as they are written: by their path below shim/. */
const includesOf = (file: string): string[] =>
  Array.from(
    readFileSync(join(shim, file), "utf8").matchAll(/^#include "([^"]+)"/gm),
    ([, path = ""]) => path,
  );

test("shim/ has these folders", () => {
  const folders = readdirSync(shim, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  expect(folders.sort()).toEqual(floors.toSorted());
});

test("every include is a file of shim/, by its path", () => {
  const missing = files.flatMap((file) => includesOf(file).filter((path) => !files.includes(path)));
  expect(missing).toEqual([]);
});

test("no file includes one of a folder above its own", () => {
  const against = files.flatMap((file) =>
    includesOf(file)
      .filter((path) => floorOf(path) > floorOf(file))
      .map((path) => `${file} includes ${path}`),
  );
  expect(against).toEqual([]);
});

test("includes between folders are seen", () => {
  const folders = files
    .filter((file) => file.startsWith("spool/"))
    .flatMap(includesOf)
    .map((path) => path.split("/")[0]);
  expect(new Set(folders)).toEqual(new Set(["base", "net", "wire", "exec", "on_demand", "spool"]));
});
