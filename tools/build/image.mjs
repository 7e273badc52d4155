/**
 * Puts together the root directory of the container image, `node tools/build/image.mjs [--arch amd64|arm64] DIRECTORY`: Node with the libraries that it loads, what was
 * built, and nothing else: no shell, no package manager. `npm run image` makes the image of it, and the Dockerfile's last stage is this directory.
 */

import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseTaskArguments } from "../setup/arguments.mjs";
import { compilers } from "../setup/compilers.mjs";
import { projectDirectory } from "../setup/project.mjs";
import { debianLibraries } from "./debian-libraries.mjs";
import { commonLicenses, describePackage } from "./debian-packages.mjs";
import { nodeBinary, ownArch } from "./executable.mjs";
import { billName, noticesName } from "./notices.mjs";
import { billOfMaterials, debianComponent, nodeComponent } from "./sbom.mjs";

/** Where the image has Node, and what its launchers name. */
const node = "/usr/local/bin/node";
/** Programs that find their other parts beside themselves are in one directory. */
const programs = "/opt/multus";

/**
 * The image's configuration beside its files, as the Dockerfile has it. The two variables are for the daemon's resident memory, and for glibc (mallopt(3)): there are the
 * reasons. The daemon is root without capabilities, as its socket, plans and configurations belong to root: the manifests see to the second half.
 */
export const imageConfig = {
  User: "0:0",
  Env: ["PATH=/usr/local/bin", "MALLOC_ARENA_MAX=1", "MALLOC_TRIM_THRESHOLD_=131072"],
  Entrypoint: ["/usr/local/bin/multusd"],
};

/** @param {string} version @returns {Readonly<Record<string, string>>} labels of every image of that version */
export const imageLabels = (version) => ({
  "org.opencontainers.image.title": "multus-wasm",
  "org.opencontainers.image.description": "Gives Kubernetes pods more than one network",
  "org.opencontainers.image.licenses": "Apache-2.0",
  "org.opencontainers.image.version": version,
});

/** Files of build/ in the image that are the same for every architecture, with their modes. */
const built = [
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

const buildDirectory = join(projectDirectory, "build");
const documentation = "/usr/share/doc";

/** @param {"amd64" | "arm64"} architecture @returns {string} of what the build makes for this machine and for others */
const suffixOf = (architecture) => (architecture === ownArch ? "" : `-${architecture}`);

/**
 * @typedef {object} ImageRoot
 * @property {readonly string[]} platform files that stay the same from release to release, as paths in the image: Node, its libraries and their licences, sorted
 * @property {readonly string[]} product the others, sorted
 */

/**
 * @param {string} directory of the image; what is there already stays
 * @param {{ architecture?: "amd64" | "arm64", mayDiffer?: boolean }} [options] architecture: this machine's if not given; mayDiffer: see debianLibraries()
 * @returns {Promise<ImageRoot>} the files in it
 * @throws {Error} where something was not built, or Debian's packages cannot be had
 */
export async function writeImageRoot(directory, { architecture = ownArch, mayDiffer } = {}) {
  const layers = { platform: [], product: [] };
  const adder = (files) => {
    const add = (path, write, mode) => {
      const target = join(directory, path);
      mkdirSync(dirname(target), { recursive: true });
      write(target);
      chmodSync(target, mode);
      files.push(path);
    };
    return {
      copy: (path, source, mode) => add(path, (target) => copyFileSync(source, target), mode),
      text: (path, content, mode) => add(path, (target) => writeFileSync(target, content), mode),
    };
  };
  const scratch = mkdtempSync(join(tmpdir(), "multus-wasm-debian-"));
  try {
    const platform = adder(layers.platform);
    const nodeDirectory = join(buildDirectory, "executable", architecture);
    mkdirSync(nodeDirectory, { recursive: true });
    const binary = await nodeBinary(architecture, nodeDirectory);
    const { libraries, packages, licenses } = await debianLibraries(architecture, binary, scratch, {
      mayDiffer,
    });
    platform.copy(node, binary, 0o755);
    for (const [path, file] of libraries) platform.copy(path, file, 0o755);
    // Without it names are looked up in DNS before /etc/hosts.
    platform.text("/etc/nsswitch.conf", "hosts: files dns\n", 0o644);
    for (const { name, copyright } of packages) {
      platform.text(join(documentation, name, "copyright"), copyright, 0o644);
    }
    for (const name of commonLicenses(packages.map(({ copyright }) => copyright))) {
      platform.copy(join("/usr/share/common-licenses", name), realpathSync(join(licenses, name)), 0o644);
    }

    const product = adder(layers.product);
    const inBuild = (name) => join(buildDirectory, name);
    const suffix = suffixOf(architecture);
    for (const { name, mode } of built) product.copy(join(programs, name), inBuild(name), mode);
    product.copy(join(programs, "multus"), inBuild(`multus${suffix}`), 0o755);
    product.copy(join(programs, "multusd"), inBuild(`multusd${suffix}`), 0o755);
    for (const [path, program] of Object.entries(launchers)) product.text(path, launcher(program), 0o755);
    product.copy("/LICENSE", join(projectDirectory, "LICENSE"), 0o644);
    const own = join(documentation, "multus-wasm");
    product.copy(join(own, noticesName), inBuild(noticesName), 0o644);
    product.text(join(own, billName), billOfImage(architecture, packages), 0o644);
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return { platform: layers.platform.sort(), product: layers.product.sort() };
}

/** That of the build, with what the image has beside it. @param {Parameters<typeof debianComponent>[0][]} packages of the libraries */
function billOfImage(architecture, packages) {
  const lock = JSON.parse(readFileSync(join(projectDirectory, "package-lock.json"), "utf8"));
  const { components } = JSON.parse(readFileSync(join(buildDirectory, billName), "utf8"));
  const bundled = new Map(
    components.flatMap(({ "bom-ref": key, properties }) => {
      const part = properties.find(({ name }) => name === "multus-wasm:part");
      return part === undefined ? [] : [[key, part.value]];
    }),
  );
  const [, cLibrary] = compilers[architecture].packages;
  const further = [
    nodeComponent(process.versions.node),
    ...packages.map((each) => debianComponent(each, "shared libraries of Node")),
    debianComponent(describePackage(cLibrary), "linked statically into the plugin"),
  ];
  return `${JSON.stringify(billOfMaterials(lock, bundled, further), null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseTaskArguments("image", {
    options: { arch: { type: "string", default: ownArch } },
    allowPositionals: true,
  });
  const [directory] = positionals;
  if (directory === undefined || !Object.hasOwn(compilers, values.arch)) {
    process.stderr.write("node tools/build/image.mjs [--arch amd64|arm64] DIRECTORY\n");
    process.exit(2);
  }
  const { platform, product } = await writeImageRoot(directory, { architecture: values.arch });
  process.stdout.write(`${[...platform, ...product].sort().join("\n")}\n`);
}
