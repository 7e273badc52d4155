/** Versions and licences of Debian's packages, as they say themselves. */

import { execFileSync } from "node:child_process";

/** Licences that Debian describes in prose: SPDX's expression for the part that the image has. */
const licenses = {
  libc6: "LGPL-2.1-or-later",
  "libc6-dev": "LGPL-2.1-or-later",
  "libc6-dev-amd64-cross": "LGPL-2.1-or-later",
  "libc6-dev-arm64-cross": "LGPL-2.1-or-later",
  "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
  "libstdc++6": "GPL-3.0-or-later WITH GCC-exception-3.1",
};

/** @param {string} name of a package @returns {string | undefined} an SPDX expression */
export const licenseOf = (name) => licenses[name];

/**
 * @param {string} name of an installed package
 * @returns {{ name: string, version: string, architecture: string, license: string | undefined }} license: an SPDX expression
 * @throws {Error} where it is not installed
 */
export function describePackage(name) {
  const format = `\${Version} \${Architecture}\\n`;
  const printed = execFileSync("dpkg-query", ["--show", `--showformat=${format}`, name], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [line] = printed.split("\n");
  const [version, architecture] = line.split(" ");
  return { name, version, architecture, license: licenseOf(name) };
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
