/** Reads esbuild's account of a bundle: the npm packages in it. */

/** @param {string} path of a file @returns {string | undefined} key of its package in package-lock.json */
function packageAt(path) {
  return /^(?:.*\/)?(node_modules\/(?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path)?.[0].slice(0, -1);
}

/**
 * Packages of which something is left in a bundle; what esbuild has read and thrown away is not among them.
 * @param {import("esbuild").Metafile} metafile
 * @returns {string[]} keys in package-lock.json, sorted
 */
export function packagesIn(metafile) {
  const packages = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([path, { bytesInOutput }]) =>
      bytesInOutput > 0 ? (packageAt(path) ?? []) : [],
    ),
  );
  return [...new Set(packages)].sort();
}
