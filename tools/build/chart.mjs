/** The Helm chart as a package, and as an OCI artifact (helm.sh/docs/topics/registries): what `helm install FILE` and, from a registry, `helm install oci://…` take. */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { projectDirectory } from "../setup/project.mjs";
import { localName } from "./oci-image.mjs";
import { addBlob, addJson, archiveLayout, mediaTypes, writeArchive, writeIndex } from "./oci-layout.mjs";

const chart = join(projectDirectory, "deploy", "helm", "multus-wasm");
const configType = "application/vnd.cncf.helm.config.v1+json";
const contentType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/** Directories that .helmignore names: the only of its patterns that the checkout has files of. */
function ignoredDirectories() {
  const lines = readFileSync(join(chart, ".helmignore"), "utf8").split("\n");
  return lines.filter((line) => /^[\w.-]+\/$/.test(line)).map((line) => line.slice(0, -1));
}

/**
 * The chart as `helm package` would put it together.
 * @param {string} directory an existing one for the copy @param {string} image its repository in values.yaml
 * @returns {string[]} the copy's files, as paths in directory
 */
function copyChart(directory, image) {
  const ignored = ignoredDirectories();
  const copy = join(directory, "multus-wasm");
  cpSync(chart, copy, {
    recursive: true,
    // The custom resource is the one of deploy/base.
    dereference: true,
    filter: (source) => !ignored.some((name) => source === join(chart, name)),
  });
  const values = join(copy, "values.yaml");
  const line = `\n  repository: ${localName}\n`;
  const text = readFileSync(values, "utf8");
  if (!text.includes(line)) throw new Error(`${values} has no line${line}`);
  writeFileSync(values, text.replace(line, `\n  repository: ${image}\n`));
  return readdirSync(copy, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length));
}

/**
 * Writes NAME-VERSION.tgz, an OCI layout `chart/`, and that as one file.
 * @param {string} out an existing directory @param {string} image its repository in values.yaml @param {number} time of the files, seconds since the epoch
 * @returns {Promise<{ digest: string, package: string }>} digest of the artifact; the package
 * @throws {Error}
 */
export async function writeChart(out, image, time) {
  const metadata = parse(readFileSync(join(chart, "Chart.yaml"), "utf8"));
  const { name, version, description } = metadata;
  const file = join(out, `${name}-${version}.tgz`);
  const scratch = mkdtempSync(join(tmpdir(), "multus-wasm-chart-"));
  try {
    await writeArchive(file, scratch, copyChart(scratch, image), time);
  } finally {
    rmSync(scratch, { recursive: true });
  }
  const layout = join(out, "chart");
  mkdirSync(layout);
  const manifest = addJson(layout, mediaTypes.manifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: addJson(layout, configType, metadata),
    layers: [addBlob(layout, contentType, readFileSync(file))],
    annotations: {
      "org.opencontainers.image.title": name,
      "org.opencontainers.image.description": description,
      "org.opencontainers.image.version": version,
    },
  });
  writeIndex(layout, [{ ...manifest, annotations: { "org.opencontainers.image.ref.name": version } }]);
  await archiveLayout(layout, join(out, `${name}-chart-${version}.oci.tar`));
  return { digest: manifest.digest, package: file };
}
