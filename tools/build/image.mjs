/**
 * Puts together the root directory of the container image, `node tools/build/image.mjs DIRECTORY`: Node with the libraries that it loads, what was built, and
 * nothing else: no shell, no package manager. The Dockerfile's last stage is this directory; the tests make their image of it, too.
 */

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { projectDirectory } from "../setup/project.mjs";
import { commonLicenses, describePackage, packageOfFile } from "./debian-packages.mjs";
import { billName, noticesName } from "./notices.mjs";
import { billOfMaterials, debianComponent, nodeComponent } from "./sbom.mjs";

/** Where the image has Node, and what its launchers name. */
const node = "/usr/local/bin/node";
/** Programs that find their other parts beside themselves are in one directory. */
const programs = "/opt/multus";

/** Files of build/ in the image, with their modes. */
const built = [
  { name: "multus", mode: 0o755 },
  { name: "multus.wasm", mode: 0o644 },
  { name: "multusctl.mjs", mode: 0o644 },
  { name: "multusd.mjs", mode: 0o644 },
];

/**
 * The commands that manifests name: a line for the kernel, which needs no shell, and one for Node.
 * @param {string} program a bundle
 */
const launcher = (program) => `#!${node}\nimport("${programs}/${program}");\n`;

/** By path: bundles. First our own names; then those that Go multus's images have, so that its manifests go on working with another image. */
const launchers = {
  "/usr/local/bin/multusctl": "multusctl.mjs",
  "/usr/local/bin/multusd": "multusd.mjs",
  "/cert-approver": "multusctl.mjs",
  "/install_multus": "multusctl.mjs",
  "/kubeconfig_generator": "multusctl.mjs",
  "/thin_entrypoint": "multusctl.mjs",
  "/usr/src/multus-cni/bin/install_multus": "multusctl.mjs",
  "/usr/src/multus-cni/bin/thin_entrypoint": "multusctl.mjs",
  "/usr/src/multus-cni/bin/kubeconfig_generator": "multusctl.mjs",
  "/usr/src/multus-cni/bin/cert-approver": "multusctl.mjs",
  "/usr/src/multus-cni/bin/multus-daemon": "multusd.mjs",
  // Of releases before 4.0: its script, and what is beside its first multus-daemon.
  "/entrypoint.sh": "multusctl.mjs",
  "/usr/src/multus-cni/bin/generate-kubeconfig": "multusctl.mjs",
  // Before 4.2 an init container copies the plugin with it; found in PATH.
  "/usr/local/bin/cp": "multusctl.mjs",
};

/**
 * The libraries that a program loads, and the loader, as the loader itself lists them (what ldd does, without its shell).
 * @param {string} program
 * @returns {string[]} paths as the program will look for them
 */
function librariesOf(program) {
  const listed = execFileSync(program, { env: { LD_TRACE_LOADED_OBJECTS: "1" }, encoding: "utf8" });
  return listed.split("\n").flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

const buildDirectory = join(projectDirectory, "build");
const documentation = "/usr/share/doc";

/**
 * @param {string} directory of the image; what is there already stays
 * @param {string} [executable] the daemon as a single file: what is put onto nodes that start it on demand
 * @returns {readonly string[]} the files in it, as paths in the image, sorted
 * @throws {Error} where something was not built
 */
export function writeImageRoot(directory, executable = join(buildDirectory, "multusd")) {
  const files = [];
  const add = (path, write, mode) => {
    const target = join(directory, path);
    mkdirSync(dirname(target), { recursive: true });
    write(target);
    chmodSync(target, mode);
    files.push(path);
  };
  const copy = (path, source, mode) => add(path, (target) => copyFileSync(source, target), mode);
  const text = (path, content, mode) => add(path, (target) => writeFileSync(target, content), mode);

  copy(node, process.execPath, 0o755);
  const libraries = librariesOf(process.execPath);
  for (const library of libraries) copy(library, realpathSync(library), 0o755);
  for (const { name, mode } of built) copy(join(programs, name), join(buildDirectory, name), mode);
  copy(join(programs, "multusd"), executable, 0o755);
  for (const [path, program] of Object.entries(launchers)) text(path, launcher(program), 0o755);
  // Without it names are looked up in DNS before /etc/hosts.
  text("/etc/nsswitch.conf", "hosts: files dns\n", 0o644);
  copy("/LICENSE", join(projectDirectory, "LICENSE"), 0o644);
  const packages = [...new Set(libraries.map((library) => packageOfFile(realpathSync(library))))].map(
    describePackage,
  );
  for (const { name, copyright } of packages) text(join(documentation, name, "copyright"), copyright, 0o644);
  for (const name of commonLicenses(packages.map(({ copyright }) => copyright))) {
    const path = join("/usr/share/common-licenses", name);
    copy(path, realpathSync(path), 0o644);
  }
  const own = join(documentation, "multus-wasm");
  copy(join(own, noticesName), join(buildDirectory, noticesName), 0o644);
  text(join(own, billName), billOfImage(packages), 0o644);
  return files.sort();
}

/** That of the build, with what the image has beside it. @param {ReturnType<typeof describePackage>[]} packages of the libraries */
function billOfImage(packages) {
  const lock = JSON.parse(readFileSync(join(projectDirectory, "package-lock.json"), "utf8"));
  const { components } = JSON.parse(readFileSync(join(buildDirectory, billName), "utf8"));
  const bundled = new Map(
    components.flatMap(({ "bom-ref": key, properties }) => {
      const part = properties.find(({ name }) => name === "multus-wasm:part");
      return part === undefined ? [] : [[key, part.value]];
    }),
  );
  const further = [
    nodeComponent(process.versions.node),
    ...packages.map((each) => debianComponent(each, "shared libraries of Node")),
    debianComponent(describePackage("libc6-dev"), "linked statically into the plugin"),
  ];
  return `${JSON.stringify(billOfMaterials(lock, bundled, further), null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [directory] = process.argv.slice(2);
  if (directory === undefined) {
    process.stderr.write("node tools/build/image.mjs DIRECTORY\n");
    process.exit(2);
  }
  process.stdout.write(`${writeImageRoot(directory).join("\n")}\n`);
}
