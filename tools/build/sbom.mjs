/**
 * The software bill of materials, CycloneDX 1.6 as JSON, made of package-lock.json: every package with version, licence and hash, what depends on what, and whether
 * it is part of the product. No time and no random number is in it: the same lock file gives the same bytes.
 */

import { createHash } from "node:crypto";

/** @param {string} key in package-lock.json @returns {string} the package's name */
export function packageName(key) {
  return key.slice(key.lastIndexOf("node_modules/") + "node_modules/".length);
}

/** Package URL (purl-spec, type npm). */
function npmUrl(name, version) {
  return `pkg:npm/${name.replace("@", "%40")}@${encodeURIComponent(version)}`;
}

/** @param {string | undefined} license as npm has it @returns {object[]} */
function licensesOf(license) {
  if (license === undefined) return [];
  if (/\s(AND|OR|WITH)\s/.test(license)) return [{ expression: license }];
  return [
    {
      license:
        /^[A-Za-z0-9.+-]+$/.test(license) && license !== "UNLICENSED" ? { id: license } : { name: license },
    },
  ];
}

/** @param {string} integrity as npm has it: `sha512-` and base64 */
function hashOf(integrity) {
  const [, algorithm, digest] = /^sha(\d+)-(\S+)/.exec(integrity) ?? [];
  if (digest === undefined) throw new Error(`not a hash: ${integrity}`);
  return { alg: `SHA-${algorithm}`, content: Buffer.from(digest, "base64").toString("hex") };
}

/** A random-looking UUID of the content (RFC 9562, version 8). */
function uuidOf(content) {
  const hex = createHash("sha256").update(content).digest("hex");
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(18, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

const inOrder = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

/** Which package another one gets by a name: the nearest, as Node looks for it. */
function resolvePackage(packages, from, name) {
  for (let directory = from; ; ) {
    const key = directory === "" ? `node_modules/${name}` : `${directory}/node_modules/${name}`;
    if (packages[key] !== undefined) return key;
    if (directory === "") return undefined;
    directory = directory.slice(0, Math.max(0, directory.lastIndexOf("/node_modules/")));
    if (!directory.startsWith("node_modules/")) directory = "";
  }
}

/** The packages that a package uses: a name may be missing where it is optional. */
function dependenciesOf(packages, key) {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = packages[key];
  const names = Object.keys({
    ...dependencies,
    ...(key === "" && devDependencies),
    ...optionalDependencies,
    ...peerDependencies,
  });
  return names.flatMap((name) => resolvePackage(packages, key, name) ?? []);
}

/**
 * @param {{ name: string, version: string, packages: Readonly<Record<string, object>> }} lock package-lock.json
 * @param {ReadonlyMap<string, string>} bundled see bundledPackages()
 * @param {readonly object[]} [further] components that are not npm's, each with a bom-ref
 * @returns {object} scope `required`: it is in what is built; `excluded`: it is used to build and test
 */
export function billOfMaterials(lock, bundled, further = []) {
  const { packages } = lock;
  const product = packages[""];
  const referenceOf = (key) => (key === "" ? `${lock.name}@${lock.version}` : key);
  const keys = Object.keys(packages).filter((key) => key !== "");
  const components = keys.map((key) => {
    const { version, license, integrity, dev } = packages[key];
    const name = packageName(key);
    const [, group, base] = /^(@[^/]+)\/(.*)$/.exec(name) ?? [undefined, undefined, name];
    const part = bundled.get(key);
    return {
      type: "library",
      "bom-ref": referenceOf(key),
      ...(group !== undefined && { group }),
      name: base,
      version,
      scope: part === undefined ? "excluded" : "required",
      hashes: [hashOf(integrity)],
      licenses: licensesOf(license),
      purl: npmUrl(name, version),
      properties: [
        ...(dev === true ? [{ name: "cdx:npm:package:development", value: "true" }] : []),
        { name: "cdx:npm:package:path", value: key },
        ...(part === undefined ? [] : [{ name: "multus-wasm:part", value: part }]),
      ],
    };
  });
  const dependencies = ["", ...keys].map((key) => ({
    ref: referenceOf(key),
    dependsOn: [...new Set(dependenciesOf(packages, key).map(referenceOf))].sort(inOrder),
  }));
  const [root] = dependencies;
  root.dependsOn.push(...further.map((component) => component["bom-ref"]));
  const bill = {
    metadata: {
      component: {
        type: "application",
        "bom-ref": referenceOf(""),
        name: lock.name,
        version: lock.version,
        licenses: licensesOf(product.license),
        purl: `pkg:generic/${lock.name}@${lock.version}`,
      },
    },
    components: [...components, ...further].sort((one, other) => inOrder(one["bom-ref"], other["bom-ref"])),
    dependencies: [...dependencies, ...further.map((component) => ({ ref: component["bom-ref"] }))].sort(
      (one, other) => inOrder(one.ref, other.ref),
    ),
  };
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(bill))}`,
    version: 1,
    ...bill,
  };
}

/** Node itself, which the image has beside npm's packages. @param {string} version */
export function nodeComponent(version) {
  return {
    type: "platform",
    "bom-ref": `node@${version}`,
    name: "node",
    version,
    scope: "required",
    licenses: [{ license: { name: "MIT and others, see THIRD-PARTY-NOTICES.txt" } }],
    purl: `pkg:generic/node@${version}`,
  };
}

/**
 * A package of Debian's that the image has files of.
 * @param {{ name: string, version: string, architecture: string, license: string | undefined }} debian
 * @param {string} part which of it
 */
export function debianComponent({ name, version, architecture, license }, part) {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    scope: "required",
    licenses:
      license === undefined
        ? [{ license: { name: `see /usr/share/doc/${name}/copyright` } }]
        : [{ expression: license }],
    purl,
    properties: [{ name: "multus-wasm:part", value: part }],
  };
}
