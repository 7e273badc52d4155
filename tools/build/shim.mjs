/** Builds build/multus, the plugin binary, from shim/ with a C compiler (CC, else cc), and build/multus-amd64 and build/multus-arm64 with one for that architecture. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { compilers } from "../setup/compilers.mjs";
import { projectDirectory } from "../setup/project.mjs";

/** All of the C library's interfaces, and includes by their path below shim/. */
const languageFlags = ["-std=c11", "-D_GNU_SOURCE", `-I${join(projectDirectory, "shim")}`];

/** C11, and not a warning. */
export const commonFlags = [
  ...languageFlags,
  "-Wall",
  "-Wextra",
  "-Wconversion",
  "-Wshadow",
  "-Wpedantic",
  "-Wstrict-prototypes",
  "-Wmissing-prototypes",
  "-Wvla",
  "-Werror",
];

/**
 * Static: it runs on any host. Small: unused functions go. The hardening options are for the bytes of daemons, plugins and networks that it
 * reads as root: position independent, so that the kernel puts it at another address each time; what only start-up writes is read-only after
 * it; canaries in stack frames with arrays; checked lengths in the C library's copies. `-U`: some compilers define it themselves. A compiler
 * that knows only level 2 says so (`#warning`) and takes that.
 */
export const releaseFlags = [
  "-O2",
  "-static-pie",
  "-fPIE",
  "-fstack-protector-strong",
  "-U_FORTIFY_SOURCE",
  "-D_FORTIFY_SOURCE=3",
  "-Wno-error=cpp",
  "-Wl,-z,relro",
  "-Wl,-z,now",
  "-Wl,-z,noexecstack",
  "-ffunction-sections",
  "-fdata-sections",
  "-Wl,--gc-sections",
  "-s",
];

/** The sanitizers' runtime cannot be linked statically. */
const sanitizerFlags = [
  "-O1",
  "-g",
  "-fno-omit-frame-pointer",
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
];

/** clang's coverage feedback: warnings are gcc's to give, as clang has others under the same names. */
const libFuzzerFlags = [
  ...languageFlags,
  "-O1",
  "-g",
  "-fno-omit-frame-pointer",
  "-fsanitize=fuzzer,address,undefined",
  "-fno-sanitize-recover=all",
];

/** The shim's decoders with one of these instead of the plugin. */
const fuzzDirectory = join("test", "shim", "fuzz");
const fuzzDrivers = ["driver.c", "libfuzzer.c"];

/** The shim's C files, as paths within the project. @returns {Promise<string[]>} */
export async function shimSources() {
  const files = await readdir(join(projectDirectory, "shim"), { recursive: true });
  return files
    .filter((file) => file.endsWith(".c"))
    .map((file) => join("shim", file))
    .sort();
}

/**
 * Compiles the shim.
 * @param {{ architecture?: "amd64" | "arm64", sanitize?: boolean, fuzz?: boolean | "libfuzzer", out?: string }} [options] architecture: the
 *   machine that it is for, in a file of that name; this one if undefined; sanitize: with address and undefined-behaviour
 *   sanitizers; fuzz: the shim's decoders with the driver of test/shim/fuzz instead of the plugin (always sanitized), or, with clang, libFuzzer's;
 *   out: the file to write
 * @returns {Promise<string>} the file written
 * @throws {Error} with the compiler's own words
 */
export async function buildShim({ architecture, sanitize = false, fuzz = false, out } = {}) {
  const plain = architecture === undefined ? "multus" : `multus-${architecture}`;
  const driver = fuzz === "libfuzzer" ? "libfuzzer.c" : "driver.c";
  const fuzzName = fuzz === "libfuzzer" ? "fuzz-shim-libfuzzer" : "fuzz-shim";
  const name = fuzz ? fuzzName : sanitize ? "multus-sanitized" : plain;
  const target = out ?? join(projectDirectory, "build", name);
  const sources = (await shimSources()).filter((file) => !(fuzz && file === join("shim", "main.c")));
  if (fuzz) {
    const others = fuzzDrivers.filter((file) => file !== driver);
    const own = (await readdir(join(projectDirectory, fuzzDirectory))).filter(
      (file) => file.endsWith(".c") && !others.includes(file),
    );
    sources.push(...own.sort().map((file) => join(fuzzDirectory, file)));
  }
  const { version } = JSON.parse(await readFile(join(projectDirectory, "package.json"), "utf8"));

  await mkdir(dirname(target), { recursive: true });
  // A binary that runs cannot be written, only replaced.
  const temporary = `${target}.${process.pid}`;
  const flags = sanitize || fuzz ? sanitizerFlags : releaseFlags;
  const ownCompiler = fuzz === "libfuzzer" ? "clang" : (process.env.CC ?? "cc");
  try {
    await promisify(execFile)(
      architecture === undefined ? ownCompiler : compilers[architecture].command,
      [
        ...(fuzz === "libfuzzer" ? libFuzzerFlags : [...commonFlags, ...flags]),
        `-DMULTUS_VERSION="${version}"`,
        "-o",
        temporary,
        ...sources,
      ],
      { cwd: projectDirectory },
    );
    await rename(temporary, target);
  } catch (error) {
    throw new Error(
      `${target} was not built: ${error instanceof Error ? error.message : error}\n${error.stderr ?? ""}`,
    );
  } finally {
    if (existsSync(temporary)) await rm(temporary);
  }
  return target;
}
