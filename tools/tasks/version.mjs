/**
 * The version's places. package.json's is the one that counts, and that programs, images and archives take theirs from; files that people apply as they are (manifests, chart) and pages
 * repeat it: `node tools/run.mjs version X` writes it everywhere, and a test compares them.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetupError } from "../setup/process.mjs";
import { projectDirectory } from "../setup/project.mjs";

/** Semantic Versioning 2.0.0, without build metadata, which image tags cannot have. */
const semantic = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;
const version = "\\d+\\.\\d+\\.\\d+(?:-[0-9A-Za-z.-]*[0-9A-Za-z])?";

/** Texts around a version, by the files that may have them. */
const patterns = [
  { file: /^package\.json$/, before: '^ {2}"version": "' },
  // The first is the project's, the second that of its root package.
  { file: /^package-lock\.json$/, before: '^(?: {2}| {6}"name": "multus-wasm",\\n {6})"version": "' },
  { file: /(^|\/)Chart\.yaml$/, before: '^(?:version: |appVersion: ")' },
  { file: /^Dockerfile$/, before: 'image\\.version="' },
  { file: /./, before: "multus-wasm:" },
  { file: /./, before: "^ *newTag: " },
];

/** Files that may have the version in them, as paths within the project. */
function candidates() {
  const below = ["deploy", "docs"].flatMap((directory) =>
    readdirSync(join(projectDirectory, directory), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(md|ya?ml|txt)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name).slice(projectDirectory.length + 1)),
  );
  return ["package.json", "package-lock.json", "Dockerfile", "README.md", ...below.sort()];
}

const expressionOf = ({ before }) => new RegExp(`(${before})(${version})`, "gm");

/** Where the version is repeated. @returns {{ file: string, version: string }[]} */
export function versionPlaces() {
  return candidates().flatMap((file) => {
    const text = readFileSync(join(projectDirectory, file), "utf8");
    return patterns
      .filter((pattern) => pattern.file.test(file))
      .flatMap((pattern) =>
        Array.from(text.matchAll(expressionOf(pattern)), ([, , found]) => ({ file, version: found })),
      );
  });
}

/**
 * Writes a version into every place.
 * @param {string | undefined} next as Semantic Versioning has it
 * @returns {string[]} the files that were changed
 * @throws {SetupError} where it is not a version
 */
export function setVersion(next) {
  if (next === undefined || !semantic.test(next))
    throw new SetupError(`version ${next ?? ""}: not a semantic version, as 1.2.3 or 1.2.3-rc.1`);
  return candidates().filter((file) => {
    const path = join(projectDirectory, file);
    const text = readFileSync(path, "utf8");
    const changed = patterns
      .filter((pattern) => pattern.file.test(file))
      .reduce((current, pattern) => current.replace(expressionOf(pattern), `$1${next}`), text);
    if (changed === text) return false;
    writeFileSync(path, changed);
    return true;
  });
}
