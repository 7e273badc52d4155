/** Finds the Debian packages of files in the image: name, version, copyright. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Licences that Debian describes in prose: SPDX's expression for the part that the image has. */
const licenses = {
  libc6: "LGPL-2.1-or-later",
  "libc6-dev": "LGPL-2.1-or-later",
  "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
  "libstdc++6": "GPL-3.0-or-later WITH GCC-exception-3.1",
};

/** @param {string[]} args @returns {string[]} lines @throws {Error} where dpkg knows none */
function query(args) {
  return execFileSync("dpkg-query", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
    .trim()
    .split("\n");
}

/** @param {string} file of an installed package @returns {string} the package's name @throws {Error} where it is of none */
export function packageOfFile(file) {
  // Where /lib is a link to /usr/lib, the package may have either name of it.
  const names = file.startsWith("/usr/") ? [file, file.slice("/usr".length)] : [file, `/usr${file}`];
  for (const name of names) {
    try {
      return query(["--search", name])[0].split(":")[0];
    } catch (error) {
      if (error.status !== 1) throw error;
    }
  }
  throw new Error(`${file} is of no Debian package: its licence is not known`);
}

/**
 * @param {string} name
 * @returns {{ name: string, version: string, architecture: string, license: string | undefined, copyright: string }}
 *   copyright: Debian's text; license: an SPDX expression
 * @throws {Error} where it is not installed
 */
export function describePackage(name) {
  const [line] = query(["--show", "--showformat", `\${Version} \${Architecture}\\n`, name]);
  const [version, architecture] = line.split(" ");
  const copyright = readFileSync(join("/usr/share/doc", name, "copyright"), "utf8");
  return { name, version, architecture, license: licenses[name], copyright };
}

/** Texts that Debian's copyright files name instead of repeating them. @param {readonly string[]} copyrights @returns {string[]} file names, sorted */
export function commonLicenses(copyrights) {
  const named = copyrights.flatMap((text) =>
    Array.from(
      text.matchAll(/\/usr\/share\/common-licenses\/([A-Za-z0-9.+-]*[A-Za-z0-9+])/g),
      ([, name]) => name,
    ),
  );
  return [...new Set(named)].sort();
}
