/**
 * `npm run release -- --version X`: everything of a release in one directory, reproducible: images, chart, one manifest for each mode, single-file executables, bills of materials, notices,
 * the version's section of CHANGELOG.md, and SHA256SUMS. Run on the pinned Node, when build/ is up to date.
 */

import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { changelogSection } from "../build/changelog.mjs";
import { writeChart } from "../build/chart.mjs";
import { ownArch } from "../build/executable.mjs";
import { billName, noticesName } from "../build/notices.mjs";
import { localName, readFromImage } from "../build/oci-image.mjs";
import { projectVersion, sourceState, taggedCommit } from "../build/source-state.mjs";
import { parseTaskArguments } from "../setup/arguments.mjs";
import { compilers } from "../setup/compilers.mjs";
import { ensurePrograms, programDirectory } from "../setup/kubernetes.mjs";
import { run, SetupError } from "../setup/process.mjs";
import { projectDirectory } from "../setup/project.mjs";
import { buildImages, writeImage } from "./image.mjs";
import { versionPlaces } from "./version.mjs";

const inProject = (...path) => join(projectDirectory, ...path);
const architectures = Object.keys(compilers);

/** By name of the file: the kustomization below deploy/. */
const manifests = { "install.yaml": "thick", "install-thin.yaml": "thin" };

/** The section of CHANGELOG.md; of a trial what no version has yet, where that version has none. @returns {string | undefined} */
function changesOf(version, trial) {
  const changelog = inProject("CHANGELOG.md");
  const text = existsSync(changelog) ? readFileSync(changelog, "utf8") : "";
  return changelogSection(text, version) ?? (trial ? changelogSection(text, "Unreleased") : undefined);
}

/**
 * Why this checkout can't be released as that version.
 * @param {string | undefined} version @param {boolean} trial nothing is published of it: files may differ from the commit, and the version may be released
 * @returns {string | undefined}
 */
function obstacle(version, trial) {
  if (version === undefined) return "--version X is missing: the version that is released";
  const own = projectVersion();
  const change = `\`node tools/run.mjs version ${version}\` writes it everywhere`;
  if (version !== own) return `package.json has version ${own}, not ${version}; ${change}`;
  const other = versionPlaces().find((place) => place.version !== version);
  if (other !== undefined) return `${other.file} has version ${other.version}, not ${version}; ${change}`;
  if (changesOf(version, trial) === undefined)
    return `CHANGELOG.md has no section "## ${version}", or nothing in it`;
  const { revision, changed } = sourceState();
  if (revision === undefined) return "no git checkout of this project: a release names its commit";
  const tagged = taggedCommit(`v${version}`);
  if (!trial && tagged !== undefined && tagged !== revision)
    return `v${version} is the tag of another commit (${tagged}): that version is released`;
  if (!trial && changed.length > 0)
    return `files differ from the commit (--trial: not to be published):\n${changed.map((line) => `  ${line}`).join("\n")}`;
  return undefined;
}

/** A manifest that needs nothing beside it. @param {string} directory below deploy/ @returns {Promise<string>} YAML @throws {SetupError} */
async function manifestOf(directory, name, version) {
  const kustomize = join(programDirectory("kustomize"), "kustomize");
  const { exitCode, output } = await run(kustomize, ["build", inProject("deploy", directory)], {
    quiet: true,
  });
  if (exitCode !== 0) throw new SetupError(`kustomize build deploy/${directory} failed:\n${output}`);
  const image = `image: ${localName}:${version}\n`;
  if (!output.includes(image))
    throw new SetupError(`deploy/${directory} does not name ${localName}:${version}`);
  return `# multus-wasm ${version}, ${directory}: kubectl apply -f FILE. Before Kubernetes 1.30 see deploy/README.md: ValidatingAdmissionPolicy is not known there.
${output.replaceAll(image, `image: ${name}:${version}\n`)}`;
}

async function digestOf(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** The file that `sha256sum --check` reads. */
async function writeSums(out) {
  const files = readdirSync(out, { withFileTypes: true }).filter((entry) => entry.isFile());
  const lines = [];
  for (const name of files.map((entry) => entry.name).sort()) {
    lines.push(`${await digestOf(join(out, name))}  ${name}\n`);
  }
  writeFileSync(join(out, "SHA256SUMS"), lines.join(""));
}

/** The artifacts of each architecture. */
function writeOfArchitecture(out, architecture, version) {
  const executable = join(out, `multusd-${version}-linux-${architecture}`);
  copyFileSync(
    inProject("build", architecture === ownArch ? "multusd" : `multusd-${architecture}`),
    executable,
  );
  chmodSync(executable, 0o755);
  const bill = readFromImage(architecture, `/usr/share/doc/multus-wasm/${billName}`);
  writeFileSync(join(out, `multus-wasm-${version}-image-${architecture}.cdx.json`), bill);
}

/**
 * Makes the release.
 * @param {{ version: string, out: string, name: string, trial: boolean }} choices out: a directory, which is emptied before
 * @throws {SetupError}
 */
async function release({ version, out, name, trial }) {
  await ensurePrograms(["kustomize"]);
  await buildImages(architectures, !trial);
  rmSync(out, { recursive: true, force: true });
  const image = await writeImage(out, name, architectures);
  const { revision, time } = sourceState();
  const chart = await writeChart(out, name, time);
  for (const [file, directory] of Object.entries(manifests)) {
    writeFileSync(join(out, file), await manifestOf(directory, name, version));
  }
  for (const architecture of architectures) writeOfArchitecture(out, architecture, version);
  copyFileSync(inProject("build", billName), join(out, `multus-wasm-${version}.cdx.json`));
  for (const file of [inProject("build", noticesName), inProject("LICENSE")]) {
    copyFileSync(file, join(out, basename(file)));
  }
  writeFileSync(join(out, "CHANGES.md"), `${changesOf(version, trial)}\n`);
  const facts = {
    version,
    revision,
    ...(trial && { trial }),
    image: { name: `${name}:${version}`, digest: image.digest },
    chart: { name: basename(chart.package), digest: chart.digest },
  };
  writeFileSync(join(out, "release.json"), `${JSON.stringify(facts, null, 2)}\n`);
  await writeSums(out);
}

/** @param {readonly string[]} args @throws {SetupError} */
async function main(args) {
  const { values } = parseTaskArguments("release", {
    args,
    options: {
      version: { type: "string" },
      out: { type: "string", default: "dist" },
      name: { type: "string", default: localName },
      trial: { type: "boolean", default: false },
    },
  });
  const reason = obstacle(values.version, values.trial);
  if (reason !== undefined) throw new SetupError(reason);
  const out = resolve(projectDirectory, values.out);
  const isForeign = existsSync(out) && readdirSync(out).length > 0 && !existsSync(join(out, "image"));
  if (isForeign) throw new SetupError(`${out} has other files, and would be emptied`);
  await release({ version: values.version, out, name: values.name, trial: values.trial });
  for (const name of readdirSync(out).sort()) {
    process.stdout.write(`${relative(process.cwd(), join(out, name))}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`! ${error.message}\n`);
    process.exitCode = 1;
  }
}
