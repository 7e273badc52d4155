/**
 * Builds build/multusd (for another architecture: build/multusd-arm64), the single-file executable: Node, daemon, multusctl, kernels and shim in one file, for nodes
 * without Node. `node tools/build/executable.mjs [--arch amd64|arm64]…`; what it takes has to be built before.
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { inject } from "postject";
import { parseTaskArguments } from "../setup/arguments.mjs";
import { findCommand, pinnedNode, projectDirectory } from "../setup/project.mjs";
import { bundleOptions } from "./bundles.mjs";

const execute = promisify(execFile);
const inBuild = (...path) => join(projectDirectory, "build", ...path);

/** Node's own name of the resource, and the text in its binary that says whether there is one (Node.js manual, "Single executable applications"). */
const resource = "NODE_SEA_BLOB";
const sentinelFuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** The flags that src/daemon/main.ts sets at startup: compiled code is only valid with the same flags. */
const engineFlags = ["--semi-space-growth-factor=1", "--no-maglev"];

/** Has V8 make the same code cache each time. */
const sameCode = "--random-seed=1";

/** Node's names of architectures. */
const nodeNames = { amd64: "x64", arm64: "arm64" };
/** This machine's architecture, as container images call it. */
export const [ownArch] = Object.entries(nodeNames).find(([, name]) => name === process.arch) ?? [];

/** Strips of other architectures come with their cross compilers. */
const stripOf = { amd64: "x86_64-linux-gnu-strip", arm64: "aarch64-linux-gnu-strip" };

/** `import.meta` of a module, which CommonJS does not have: all of its values are the executable itself. */
const banner = `const executableUrl = require("node:url").pathToFileURL(process.execPath).href;
const executableDirectory = require("node:path").dirname(process.execPath);`;
const importMeta = { "import.meta.url": "executableUrl", "import.meta.dirname": "executableDirectory" };

/** Everything in one CommonJS file, which is what Node can carry; what is imported lazily is in it too, and evaluated when it is asked for. */
async function bundle(outfile) {
  await build({
    ...bundleOptions,
    entryPoints: ["src/executable/main.ts"],
    outfile,
    format: "cjs",
    banner: { js: banner },
    define: importMeta,
    sourcemap: false,
  });
}

/**
 * The Node binary that the project is pinned to, for any architecture. npm installs only the machine's own: another one's package is fetched, and has to be what
 * package-lock.json says.
 * @param {"amd64" | "arm64"} arch @param {string} directory an existing one, for what is fetched
 * @returns {Promise<string>} a file
 * @throws {Error} where it cannot be fetched, or is another one
 */
export async function nodeBinary(arch, directory) {
  const name = `node-linux-${nodeNames[arch]}`;
  const installed = join(projectDirectory, "node_modules", name, "bin", "node");
  if (existsSync(installed)) return installed;
  const { packages } = JSON.parse(await readFile(join(projectDirectory, "package-lock.json"), "utf8"));
  const { version, integrity } = packages[`node_modules/${name}`];
  const binary = join(directory, `${name}-${version}`);
  if (existsSync(binary)) return binary;
  const { stdout } = await execute(
    "npm",
    ["pack", `${name}@${version}`, "--json", "--pack-destination", directory],
    {
      cwd: projectDirectory,
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  const archive = join(directory, JSON.parse(stdout)[0].filename);
  const digest = `sha512-${createHash("sha512")
    .update(await readFile(archive))
    .digest("base64")}`;
  if (digest !== integrity) throw new Error(`${archive} is not what package-lock.json says (${digest})`);
  await execute("tar", ["-xzf", archive, "-C", directory, "package/bin/node"]);
  await rename(join(directory, "package/bin/node"), binary);
  for (const path of [archive, join(directory, "package")]) await rm(path, { recursive: true });
  return binary;
}

/** Takes out what only debuggers read, where a strip for it is installed. */
async function strip(file, arch) {
  const own = arch === ownArch ? "strip" : undefined;
  const command = [stripOf[arch], own].find((name) => name !== undefined && findCommand(name) !== undefined);
  if (command === undefined) {
    process.stderr.write(`> no strip for ${arch}: the executable has Node's symbols\n`);
    return;
  }
  await execute(command, ["--strip-all", file]);
}

/**
 * Builds the executable.
 * @param {{ arch?: "amd64" | "arm64", out?: string }} [options] arch: the machine's own if not given; out: the file to write
 * @returns {Promise<string>} the file written
 * @throws {Error} with the words of the tool that failed
 */
export async function buildExecutable({ arch = ownArch, out } = {}) {
  if (!Object.hasOwn(nodeNames, arch)) {
    throw new Error(`there is no executable for ${arch}, only for ${Object.keys(nodeNames).join(" and ")}`);
  }
  const isOwn = arch === ownArch;
  const suffix = isOwn ? "" : `-${arch}`;
  const target = out ?? inBuild(`multusd${suffix}`);
  const directory = inBuild("executable", arch);
  const assets = { "multus.wasm": inBuild("multus.wasm"), multus: inBuild(`multus${suffix}`) };
  for (const file of Object.values(assets)) {
    if (!existsSync(file)) throw new Error(`${file} is part of the executable and has not been built`);
  }
  await mkdir(directory, { recursive: true });
  const [main, config, blob] = ["main.cjs", "sea-config.json", "blob"];
  await bundle(join(directory, main));
  await writeFile(
    join(directory, config),
    JSON.stringify({
      // Their paths are part of the blob, which is to be the same wherever it is made.
      main,
      output: blob,
      disableExperimentalSEAWarning: true,
      // For the machine that it is made on only.
      useCodeCache: isOwn,
      execArgv: engineFlags,
      // NODE_OPTIONS is for other programs.
      execArgvExtension: "none",
      assets,
    }),
  );
  await execute(pinnedNode, [...engineFlags, sameCode, "--experimental-sea-config", config], {
    cwd: directory,
  });

  const temporary = `${target}.${process.pid}`;
  try {
    await copyFile(await nodeBinary(arch, directory), temporary);
    await chmod(temporary, 0o755);
    await strip(temporary, arch);
    await injectBlob(temporary, await readFile(join(directory, blob)));
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
  return target;
}

/** Suppresses postject's message about a section name, which it prints for every binary. */
async function injectBlob(file, blob) {
  const { warn } = console;
  console.warn = () => {};
  try {
    await inject(file, resource, blob, { sentinelFuse });
  } finally {
    console.warn = warn;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseTaskArguments("build:executable", {
    options: { arch: { type: "string", multiple: true, default: [ownArch] } },
  });
  try {
    for (const arch of values.arch) {
      const started = performance.now();
      const file = await buildExecutable({ arch });
      const megabytes = ((await stat(file)).size / 1e6).toFixed(0);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      process.stderr.write(`> ${file}: ${megabytes} MB, built in ${seconds} s\n`);
    }
  } catch (error) {
    process.stderr.write(
      `! building the executable failed: ${error instanceof Error ? error.message : error}\n`,
    );
    process.exitCode = 1;
  }
}
