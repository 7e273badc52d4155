/**
 * Builds build/: wasm kernels, shim, validators, protos, bundles, notices, each only where its inputs have changed since it was last built; the shim for each
 * architecture only when asked to by name, and so its image.
 * `node tools/build.mjs [--force] [--quiet] [--locked] [--without STEP] [STEP…]`
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseTaskArguments } from "./setup/arguments.mjs";
import { projectDirectory } from "./setup/project.mjs";
import { describeUnwritable } from "./setup/unwritable.mjs";

/** In the order that they are built: bundles contain what validators and protos made. */
const steps = [
  {
    name: "wasm",
    inputs: ["assembly", "asconfig.json", "tools/build/wasm.mjs", "package-lock.json"],
    outputs: ["build/multus.wasm"],
    build: async () => (await import("./build/wasm.mjs")).buildWasm(),
  },
  {
    name: "shim",
    inputs: ["shim", "tools/build/shim.mjs", "package.json"],
    outputs: ["build/multus"],
    build: async () => (await import("./build/shim.mjs")).buildShim(),
  },
  ...["amd64", "arm64"].map((architecture) => ({
    name: `shim-${architecture}`,
    // One of them needs a cross compiler.
    onlyByName: true,
    inputs: ["shim", "tools/build/shim.mjs", "tools/setup/compilers.mjs", "package.json"],
    outputs: [`build/multus-${architecture}`],
    build: async () => (await import("./build/shim.mjs")).buildShim({ architecture }),
  })),
  {
    name: "validators",
    inputs: ["src", "tools/build/validators.mjs", "package-lock.json"],
    concerns: (file) => !file.startsWith("src/") || file.endsWith(".schema.json"),
    outputs: ["build/validators"],
    build: async () => (await import("./build/validators.mjs")).buildValidators(),
  },
  {
    name: "protos",
    inputs: ["src", "tools/build/protos.mjs", "package-lock.json"],
    concerns: (file) => !file.startsWith("src/") || file.endsWith(".proto"),
    outputs: ["build/protos"],
    build: async () => (await import("./build/protos.mjs")).buildProtos(),
  },
  {
    name: "bundles",
    inputs: [
      "src",
      "tools/build/bundles.mjs",
      "tools/build/validators.mjs",
      "tools/build/protos.mjs",
      "package.json",
      "package-lock.json",
    ],
    outputs: ["build/multusd.mjs", "build/multusctl.mjs"],
    build: async () => (await import("./build/bundles.mjs")).buildBundles(),
  },
  {
    name: "notices",
    inputs: ["src", "tools/build", "package.json", "package-lock.json"],
    outputs: ["build/THIRD-PARTY-NOTICES.txt", "build/sbom.cdx.json"],
    build: async () => (await import("./build/notices.mjs")).buildNotices(),
  },
  ...["amd64", "arm64"].map((architecture) => ({
    name: `image-${architecture}`,
    // The executable in it takes seconds, gzip more.
    onlyByName: true,
    inputs: ["src", "assembly", "shim", "tools", "LICENSE", "package.json", "package-lock.json"],
    // Its labels.
    further: async () =>
      JSON.stringify([(await import("./build/oci-image.mjs")).imageOrigin(), values.locked]),
    outputs: [`build/image/${architecture}/index.json`],
    build: async () =>
      (await import("./build/oci-image.mjs")).buildImage(architecture, { mayDiffer: !values.locked }),
  })),
];

const stampDirectory = join(projectDirectory, "build", ".stamps");

/** Files below a path of the project, sorted, as paths within the project. */
function filesBelow(path) {
  const absolute = join(projectDirectory, path);
  if (!existsSync(absolute)) return [];
  if (statSync(absolute).isFile()) return [path];
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(projectDirectory.length + 1))
    .sort();
}

/** Names and contents of a step's inputs as one digest: contents rather than mtimes, which every checkout resets. */
async function digestInputs({ inputs, concerns = () => true, further }) {
  const digest = createHash("sha256");
  if (further !== undefined) digest.update(await further());
  for (const file of inputs.flatMap(filesBelow).filter(concerns)) {
    const content = readFileSync(join(projectDirectory, file));
    digest.update(`${file}\0${content.length}\0`).update(content);
  }
  return digest.digest("hex");
}

const { values, positionals } = parseTaskArguments("build", {
  options: {
    force: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
    // Images: Debian's packages have to be those of their lock.
    locked: { type: "boolean", default: false },
    without: { type: "string", multiple: true, default: [] },
  },
  allowPositionals: true,
});

const unknown = [...positionals, ...values.without].filter(
  (name) => !steps.some((step) => step.name === name),
);
if (unknown.length > 0) {
  process.stderr.write(
    `no build step ${unknown.join(", ")}; there are ${steps.map(({ name }) => name).join(", ")}\n`,
  );
  process.exit(2);
}

for (const step of steps) {
  if (values.without.includes(step.name)) continue;
  if (positionals.length > 0 ? !positionals.includes(step.name) : step.onlyByName) continue;
  const stamp = join(stampDirectory, step.name);
  const digest = await digestInputs(step);
  const current =
    existsSync(stamp) &&
    readFileSync(stamp, "utf8") === digest &&
    step.outputs.every((output) => existsSync(join(projectDirectory, output)));
  if (current && !values.force) {
    if (!values.quiet) process.stderr.write(`> ${step.name}: up to date\n`);
    continue;
  }
  const start = performance.now();
  try {
    await step.build();
    mkdirSync(stampDirectory, { recursive: true });
    writeFileSync(stamp, digest);
  } catch (error) {
    const reason = error.code === "EACCES" ? describeUnwritable(error) : error.message;
    process.stderr.write(`! building ${step.name} failed: ${reason}\n`);
    process.exit(1);
  }
  process.stderr.write(`> ${step.name}: built in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
}
