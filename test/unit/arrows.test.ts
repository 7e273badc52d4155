/** The rooms of src/ use each other in one direction only (docs/architecture.md): a new import against the arrows fails here. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { expect, test } from "vitest";

const source = join(import.meta.dirname, "..", "..", "src");

/** Both programs may use these. */
const belowPrograms = [
  "daemon-config",
  "kube",
  "devices",
  "runtime-config",
  "multus",
  "native",
  "socket",
  "cni",
  "base",
  "agent",
  "kernels",
  "command-line",
  "log",
];

/** Rooms that each room may use; all may use themselves, packages, package.json and validators made by the build. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  // One file out of both.
  executable: ["daemon", "ctl"],
  daemon: [...belowPrograms, "telemetry"],
  ctl: belowPrograms,
  // The daemon's own configuration: the daemon reads it, multusctl checks it.
  "daemon-config": ["kube", "runtime-config", "telemetry", "multus", "cni", "base", "kernels", "log"],
  "runtime-config": ["multus", "cni", "base", "kernels", "log"],
  // Implements what multus asks for: multus does not know it.
  kube: ["multus", "base", "log"],
  // The same for the node's devices; what a cluster knows of them comes by an interface of multus too.
  devices: ["multus", "cni", "base", "log"],
  // Watches multus from outside: multus does not know it.
  telemetry: ["multus", "cni", "base", "agent", "log"],
  multus: ["native", "cni", "base", "agent", "kernels", "log"],
  // Another way to do what a chain of cni does.
  native: ["cni", "base", "agent", "kernels", "log"],
  // The daemon's socket, as the daemon and its commands see it.
  socket: ["base"],
  cni: ["base", "agent", "kernels", "log"],
  // The ground floor: it knows nothing of CNI, Multus or Kubernetes.
  base: ["log"],
  agent: ["log"],
  kernels: ["base"],
  // How programs are called.
  "command-line": [],
  log: [],
};

/** The floors of src/multus: each may use those below it. The commands at the top are in no directory of their own. */
const floors = ["input", "plan", "cluster", "request", "state", "spool", "background"];

const roomOf = (file: string) => relative(source, file).split(sep)[0] ?? "";

/** Which floor of src/multus a file is on; the commands are above all. */
const floorOf = (file: string) => {
  const [, floor = "", inside] = relative(source, file).split(sep);
  return inside === undefined ? floors.length : floors.indexOf(floor);
};

const filesIn = (...path: string[]) =>
  readdirSync(join(source, ...path), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(source, ...path, name));

/** Files that a file imports, also by `import()` and for their types alone. */
function importsOf(file: string): string[] {
  const imports = readFileSync(file, "utf8").matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g);
  return Array.from(imports, ([, path = ""]) => join(dirname(file), path)).filter((imported) =>
    imported.startsWith(source + sep),
  );
}

const foreignImports = (file: string) =>
  importsOf(file).filter((imported) => roomOf(imported) !== roomOf(file));

const said = (file: string, imported: string) =>
  `${relative(source, file)} imports ${relative(source, imported)}`;

test("every room has its arrows", () => {
  expect(readdirSync(source).sort()).toEqual(Object.keys(arrows).sort());
});

test.each(Object.entries(arrows))("%s uses only the rooms below it", (room, allowed) => {
  const against = filesIn(room).flatMap((file) =>
    foreignImports(file)
      .filter((imported) => !allowed.includes(roomOf(imported)))
      .map((imported) => said(file, imported)),
  );
  expect(against).toEqual([]);
});

test("imports between rooms are seen", () => {
  const imported = foreignImports(join(source, "daemon", "main.ts")).map(roomOf);
  expect(new Set(imported)).toEqual(
    new Set(["base", "command-line", "daemon-config", "kernels", "kube", "log", "multus", "runtime-config"]),
  );
});

test("multus has these floors", () => {
  const directories = readdirSync(join(source, "multus"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  expect(directories.sort()).toEqual(floors.toSorted());
});

test("no file of multus uses a floor above its own", () => {
  const against = filesIn("multus").flatMap((file) =>
    importsOf(file)
      .filter((imported) => roomOf(imported) === "multus" && floorOf(imported) > floorOf(file))
      .map((imported) => said(file, imported)),
  );
  expect(against).toEqual([]);
});

/** Folders of src/ctl that all commands share, each with those that it may use beside itself. Every other folder is a command. */
const sharedByCommands: Readonly<Record<string, readonly string[]>> = {
  cluster: ["configuration", "text", "command"],
  daemons: ["cluster", "command"],
  node: ["command"],
  scratch: ["configuration", "node", "command"],
  configuration: ["node", "text"],
  text: [],
  command: [],
};

/** Imports of one folder of src/ctl from another one that it may not use. @param allowed names of folders */
function sidewaysImports(folder: string, allowed: readonly string[]): string[] {
  const folderOf = (file: string) => relative(join(source, "ctl"), file).split(sep)[0] ?? "";
  return filesIn("ctl", folder).flatMap((file) =>
    importsOf(file)
      .filter((imported) => roomOf(imported) === "ctl" && ![folder, ...allowed].includes(folderOf(imported)))
      .map((imported) => said(file, imported)),
  );
}

const foldersOfCtl = readdirSync(join(source, "ctl"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

test.each(foldersOfCtl)("ctl/%s uses of ctl only itself and what is shared", (folder) => {
  const allowed = sharedByCommands[folder] ?? Object.keys(sharedByCommands);
  expect(sidewaysImports(folder, allowed)).toEqual([]);
});

test("imports between folders of ctl are seen", () => {
  expect(sidewaysImports("doctor", [])).toContain("ctl/doctor/certificate.ts imports ctl/text/quantities.ts");
});

/** Circles of imports, those for types among them: each as the files that it goes by. */
function circles(files: readonly string[]): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push([...path.slice(at), file].map((each) => relative(source, each)).join(" → "));
      return;
    }
    if (done.has(file)) return;
    for (const imported of importsOf(file)) if (imported.endsWith(".ts")) visit(imported, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}

test("no file imports itself by way of others", () => {
  expect(circles(filesIn())).toEqual([]);
});
