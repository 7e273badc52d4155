/** Third-party notices and the bill of materials: valid, complete as to what is in the bundles, and the same each time. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packagesIn } from "../../../tools/build/metafile.mjs";
import { buildNotices, thirdPartyNotices } from "../../../tools/build/notices.mjs";
import { type Bill, billOfMaterials, packageName } from "../../../tools/build/sbom.mjs";
import { problemsOfBill } from "../../support/bill-of-materials.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const project = join(import.meta.dirname, "..", "..", "..");
const read = (...path: string[]) => readFileSync(join(project, ...path), "utf8");
const lock: {
  readonly name: string;
  readonly version: string;
  readonly packages: Readonly<Record<string, { readonly version: string; readonly license?: string }>>;
} = JSON.parse(read("package-lock.json"));
const keys = Object.keys(lock.packages).filter((key) => key !== "");
const bill: Bill = JSON.parse(read("build", "sbom.cdx.json"));
const notices = read("build", "THIRD-PARTY-NOTICES.txt");

/** @js-sdsl/ordered-map has a source map of its own, with a directory of its authors that is no package. */
const directoryOfAuthors = "node_modules/@js-sdsl/.build-data/";

/** Packages of a bundle, by the source map that was written with it: not what the notices were made of. */
function packagesOfBundle(name: string): string[] {
  const { sources }: { readonly sources: readonly string[] } = JSON.parse(read("build", `${name}.map`));
  const outputs = {
    [name]: {
      inputs: Object.fromEntries(
        sources
          .filter((path) => !path.includes(directoryOfAuthors))
          .map((path) => [path.replace(/^(\.\.\/)+/, ""), { bytesInOutput: 1 }]),
      ),
    },
  };
  return packagesIn({ outputs } as unknown as Parameters<typeof packagesIn>[0]);
}

const bundled = [...new Set(["multusd.mjs", "multusctl.mjs"].flatMap(packagesOfBundle))].sort();

describe("the bill of materials", () => {
  it("is valid CycloneDX 1.6, and the schema does look", () => {
    expect(problemsOfBill(bill)).toEqual([]);
    expect(problemsOfBill({ ...bill, specVersion: "1.5", components: [{ type: "library" }] })).not.toEqual(
      [],
    );
    const [first] = bill.components;
    const unknownLicense = { ...first, licenses: [{ license: { id: "MITT" } }] };
    expect(problemsOfBill({ ...bill, components: [unknownLicense] })).not.toEqual([]);
  });

  it("has every package of the lock file once, with version, hash and licence", () => {
    expect(bill.components.map((component) => component["bom-ref"])).toEqual([...keys].sort());
    for (const { "bom-ref": key, version, hashes, licenses, purl } of bill.components) {
      expect(version, key).toBe(lock.packages[key]?.version);
      expect(purl, key).toBe(`pkg:npm/${packageName(key).replace("@", "%40")}@${version}`);
      expect(hashes, key).toEqual([{ alg: "SHA-512", content: expect.stringMatching(/^[0-9a-f]{128}$/) }]);
      expect(licenses.length, key).toBe(1);
    }
  });

  it("says of a package what is in the product, by what the bundles' source maps name", () => {
    const required = bill.components.filter(({ scope }) => scope === "required");
    const generators = ["node_modules/ajv", "node_modules/assemblyscript", "node_modules/esbuild"];
    expect(bundled.length).toBeGreaterThan(10);
    expect(required.map((component) => component["bom-ref"])).toEqual([...bundled, ...generators].sort());
  });

  it("has the graph of dependencies: everything that is named is there, and comes from the product", () => {
    const named = new Map(bill.dependencies.map(({ ref, dependsOn = [] }) => [ref, dependsOn]));
    const reached = new Set<string>();
    const visit = (ref: string) => {
      if (reached.has(ref)) return;
      reached.add(ref);
      for (const next of named.get(ref) ?? []) visit(next);
    };
    visit(`${lock.name}@${lock.version}`);
    expect([...reached].filter((ref) => !named.has(ref))).toEqual([]);
    expect(bundled.filter((key) => !reached.has(key))).toEqual([]);
    expect(named.get("node_modules/prom-client")).toContain("node_modules/@opentelemetry/api");
  });

  it("is the same whatever the order of the lock file, and another one for another version", () => {
    const parts = new Map(bundled.map((key) => [key, "in bundles"]));
    const packages = Object.fromEntries(Object.entries(lock.packages).reverse());
    const made = billOfMaterials(lock, parts);
    expect(JSON.stringify(billOfMaterials({ ...lock, packages }, parts))).toBe(JSON.stringify(made));
    const other = billOfMaterials({ ...lock, version: "9.9.9" }, parts);
    expect(other.serialNumber).not.toBe(made.serialNumber);
  });
});

describe("the notices", () => {
  it("name every package of the bundles, with licence and the text of it", () => {
    for (const key of bundled) {
      const { version, license } = lock.packages[key] ?? {};
      expect(notices).toContain(`${packageName(key)} ${version} (${license}), in bundles`);
      const [text] = read(key, "LICENSE").replaceAll("\r\n", "\n").trim().split("\n\n").slice(-1);
      expect(notices, key).toContain(text);
    }
  });

  it("have Node's licence, and what the LGPL asks for of a program that is linked statically", () => {
    const version = lock.packages[`node_modules/node-linux-${process.arch}`]?.version;
    expect(notices).toContain(`Node.js ${version}`);
    expect(notices).toContain("Copyright Node.js contributors");
    expect(notices).toContain("linked statically with the GNU C Library");
    expect(notices).toContain("GNU LESSER GENERAL PUBLIC LICENSE");
    expect(notices).toContain("node tools/build.mjs --force shim");
  });

  it("are not written where a bundled package has no licence, or no text of it", () => {
    const of = (key: string, license?: string) => () =>
      thirdPartyNotices(new Map([[key, "in bundles"]]), {
        ...lock.packages,
        [key]: { version: "1", ...(license !== undefined && { license }) },
      });
    expect(of("node_modules/yaml")).toThrow("node_modules/yaml is bundled and names no licence");
    expect(of("node_modules/.bin", "MIT")).toThrow("node_modules/.bin is bundled and has no licence text");
  });
});

it("both are the same each time that they are made, and name nothing of the machine", async () => {
  const before = [notices, read("build", "sbom.cdx.json")];
  using scratch = new ScratchDirectory();
  const after = (await buildNotices(scratch.path)).map((file) => readFileSync(file, "utf8"));
  expect(after).toEqual(before);
  for (const text of after) expect(text).not.toContain(project);
  expect(JSON.stringify(bill)).not.toMatch(/"timestamp"|registry\./);
});
