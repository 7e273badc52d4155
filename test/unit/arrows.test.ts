/** The rooms of src/ use each other in one direction only (docs/architecture.md): a new import against the arrows fails here. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { expect, test } from "vitest";

const source = join(import.meta.dirname, "..", "..", "src");

/** What each room may use beside itself and what is no room: packages, package.json, validators made by the build. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  // One file out of both.
  executable: ["daemon", "ctl"],
  daemon: ["kube", "runtime-config", "telemetry", "multus", "cni", "agent", "kernels", "command-line", "log"],
  ctl: ["kube", "runtime-config", "multus", "cni", "agent", "kernels", "command-line", "log"],
  "runtime-config": ["multus", "cni", "kernels", "log"],
  // Implements what multus asks for: multus does not know it.
  kube: ["multus", "cni", "log"],
  // Watches multus from outside: multus does not know it.
  telemetry: ["multus", "cni", "agent", "log"],
  multus: ["cni", "agent", "kernels", "log"],
  cni: ["agent", "kernels", "log"],
  agent: ["log"],
  kernels: [],
  // How programs are called.
  "command-line": [],
  log: [],
};

const roomOf = (file: string) => relative(source, file).split(sep)[0] ?? "";

/** Files of other rooms that a file imports, also by `import()` and for their types alone. */
function foreignImports(file: string): string[] {
  const imports = readFileSync(file, "utf8").matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g);
  return Array.from(imports, ([, path = ""]) => join(dirname(file), path)).filter(
    (imported) => imported.startsWith(source + sep) && roomOf(imported) !== roomOf(file),
  );
}

test("every room has its arrows", () => {
  expect(readdirSync(source).sort()).toEqual(Object.keys(arrows).sort());
});

test.each(Object.entries(arrows))("%s uses only the rooms below it", (room, allowed) => {
  const files = readdirSync(join(source, room), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(source, room, name));
  const against = files.flatMap((file) =>
    foreignImports(file)
      .filter((imported) => !allowed.includes(roomOf(imported)))
      .map((imported) => `${relative(source, file)} imports ${relative(source, imported)}`),
  );
  expect(against).toEqual([]);
});

test("imports between rooms are seen", () => {
  const imported = foreignImports(join(source, "daemon", "main.ts")).map(roomOf);
  expect(new Set(imported)).toEqual(
    new Set(["cni", "command-line", "kernels", "kube", "log", "multus", "runtime-config"]),
  );
});
