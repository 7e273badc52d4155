/**
 * Third-party notices: whose code is in what is built, by which licence, with the licences' texts. `node tools/build/notices.mjs` writes them and the bill
 * of materials into build/; the same inputs give the same bytes.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { projectDirectory } from "../setup/project.mjs";
import { bundledPackages } from "./bundled-packages.mjs";
import { billOfMaterials, packageName } from "./sbom.mjs";

const inProject = (...path) => join(projectDirectory, ...path);
const licenseFile = /^(licen[cs]e|copying|notice|third[-_ ]?party.*|.*[-_.]licen[cs]e)([-_.].*)?$/i;
const line = "=".repeat(80);

/** Both are written to build/. */
export const noticesName = "THIRD-PARTY-NOTICES.txt";
export const billName = "sbom.cdx.json";

const introduction = `THIRD-PARTY NOTICES

multus-wasm is licensed under the Apache License 2.0 (file LICENSE). Its programs contain code of the
projects below, under the licences that follow each. ${billName} lists the same with versions and hashes.`;

/** The notice that section 6 of the LGPL 2.1 requires from distributors of a program that is linked with the library. */
const cLibrary = `The plugin (multus, also inside the single-file multusd) is linked statically with the GNU C Library,
which is licensed under the GNU Lesser General Public License, version 2.1 or later (its text is below),
and with libgcc, which is licensed under the GNU General Public License, version 3 or later, with the GCC
Runtime Library Exception 3.1, which lets programs that GCC has compiled be under any licence.

The library's source is Debian's source package glibc, of the version of package libc6-dev (for another machine
than the building one libc6-dev-ARCHITECTURE-cross) that the image's
${billName} names. The plugin's source is the directory shim/ of this project, under the Apache License 2.0:
to link it with another version of the library, or one that was changed, have a C compiler use it (CC) and
run \`node tools/build.mjs --force shim\`. You may modify the library, relink, and debug such modifications.`;

/** One licence, and whose code is under it. */
function section(title, body) {
  return `${line}\n${title}\n${line}\n\n${body.trim()}\n`;
}

/**
 * Licence texts and notices of an installed package.
 * @param {string} key in package-lock.json
 * @throws {Error} where it has none
 */
function licenseTexts(key) {
  const directory = inProject(key);
  const files = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && licenseFile.test(entry.name))
    .map(({ name }) => name)
    .sort();
  if (files.length === 0) throw new Error(`${directory} is bundled and has no licence text`);
  return files
    .map((name) => readFileSync(join(directory, name), "utf8").replace(/\r\n/g, "\n").trim())
    .join("\n\n");
}

/**
 * @param {ReadonlyMap<string, string>} bundled see bundledPackages()
 * @param {Readonly<Record<string, { version: string, license?: string }>>} packages of package-lock.json
 * @returns {string}
 * @throws {Error} for a package without a licence, or without its text
 */
export function thirdPartyNotices(bundled, packages) {
  /** By text: many have the same one. */
  const titles = new Map();
  for (const [key, part] of bundled) {
    const { version, license } = packages[key];
    if (license === undefined) throw new Error(`${key} is bundled and names no licence`);
    const text = licenseTexts(key);
    titles.set(text, [...(titles.get(text) ?? []), `${packageName(key)} ${version} (${license}), ${part}`]);
  }
  const node = Object.keys(packages).find((key) => key === `node_modules/node-linux-${process.arch}`);
  if (node === undefined) throw new Error(`package-lock.json has no Node for ${process.arch}`);
  const lesser = readFileSync(inProject("tools", "build", "licenses", "LGPL-2.1.txt"), "utf8");
  return [
    `${introduction}\n`,
    ...Array.from(titles, ([text, named]) => section(named.join("\n"), text)),
    section(
      `Node.js ${packages[node].version}, in the image and inside the single-file multusd`,
      licenseTexts(node),
    ),
    section("GNU C Library, in the plugin", `${cLibrary}\n\n${lesser}`),
  ].join("\n");
}

/** Writes THIRD-PARTY-NOTICES.txt and sbom.cdx.json. @param {string} [directory] build/ if not given @returns {Promise<string[]>} the files written */
export async function buildNotices(directory = inProject("build")) {
  const bundled = await bundledPackages();
  const lock = JSON.parse(readFileSync(inProject("package-lock.json"), "utf8"));
  const contents = {
    [noticesName]: thirdPartyNotices(bundled, lock.packages),
    [billName]: `${JSON.stringify(billOfMaterials(lock, bundled), null, 2)}\n`,
  };
  return Object.entries(contents).map(([name, content]) => {
    const file = join(directory, name);
    writeFileSync(file, content);
    return file;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${(await buildNotices()).join("\n")}\n`);
}
