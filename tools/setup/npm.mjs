/** Installs the npm packages of package-lock.json, unless they are installed. */

import { existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { cannotStart, progress, run, SetupError } from "./process.mjs";
import { pinnedNode, projectDirectory } from "./project.mjs";

const packagedNode = join(projectDirectory, "node_modules", `node-linux-${process.arch}`, "bin", "node");

/**
 * Compares package-lock.json with npm's record in node_modules. Packages for other machines (optional ones) may be
 * missing. No stamp of our own: an `npm install` by hand is seen for what it is.
 */
function packagesAreInstalled() {
  const noted = join(projectDirectory, "node_modules", ".package-lock.json");
  if (!existsSync(noted) || !existsSync(packagedNode)) return false;
  const wanted = JSON.parse(readFileSync(join(projectDirectory, "package-lock.json"), "utf8")).packages;
  let installed;
  try {
    installed = JSON.parse(readFileSync(noted, "utf8")).packages;
  } catch {
    return false; // an npm that was interrupted left half a file
  }
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const found = installed[path];
    if (found === undefined) return entry.optional === true;
    return found.version === entry.version && existsSync(join(projectDirectory, path, "package.json"));
  });
}

/** @throws {SetupError} */
export async function ensureNpmPackages() {
  if (!packagesAreInstalled()) {
    progress("installing npm packages (npm ci)");
    // The npm that started us, if one did: it belongs to the Node in use.
    const npm = process.env.npm_execpath;
    const args = ["ci", "--loglevel=error", "--include=dev", "--include=optional"];
    const { exitCode, output } =
      npm?.endsWith(".js") === true ? await run(process.execPath, [npm, ...args]) : await run("npm", args);
    if (exitCode === cannotStart) {
      throw new SetupError(`npm can't be started, which comes with Node: ${output}`);
    }
    if (exitCode !== 0)
      throw new SetupError(`npm ci failed (exit code ${exitCode}); its own message is above`);
  }
  // npm 10 unlinks it again: with the package for the other architecture, which has a command of the same name.
  if (!existsSync(pinnedNode) && existsSync(packagedNode)) {
    rmSync(pinnedNode, { force: true });
    symlinkSync(relative(dirname(pinnedNode), packagedNode), pinnedNode);
  }
  const version = await run(pinnedNode, ["--version"], { quiet: true });
  if (version.exitCode !== 0) {
    throw new SetupError(
      `the pinned Node (${pinnedNode}) does not run on this machine: ${version.output.trim()}\n` +
        "The project is built for Linux with glibc, x64 or arm64.",
    );
  }
}
