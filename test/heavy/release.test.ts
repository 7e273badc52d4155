/** A release: made twice, from two fresh clones, it is the same to the last byte; its images are as others read them; and what must not be released is refused. */

import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import packageJson from "../../package.json" with { type: "json" };
import { imageConfig, imageLabels } from "../../tools/build/image.mjs";
import { offeredBy } from "../../tools/build/oci-image.mjs";
import { blobFile, type Descriptor, readJson } from "../../tools/build/oci-layout.mjs";
import type { Bill } from "../../tools/build/sbom.mjs";
import { problemsOfBill } from "../support/bill-of-materials.ts";
import { runCommand, runOrThrow } from "../support/command.ts";
import { imagesOf, unpackImage } from "../support/own-image.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

const project = join(import.meta.dirname, "..", "..");
const { version } = packageJson;
const architectures = ["amd64", "arm64"] as const;
/** As readelf says them. */
const machineNames = { amd64: "X86-64", arm64: "AArch64" };

const scratch = new ScratchDirectory("release");
/** Of another length, as paths may be in what compilers write. */
const clones = ["first", "the-second-one"].map((name) => join(scratch.path, name));
const [first = "", second = ""] = clones;
const dist = join(first, "dist");
let revision: string;

/** A fresh clone of this commit with its npm packages. */
async function clone(directory: string): Promise<void> {
  await runOrThrow(["git", "clone", "--quiet", "--no-tags", project, directory]);
  // Links: they are read only.
  const link = ["cp", "--archive", "--link", join(project, "node_modules"), directory];
  await runOrThrow(link, { timeoutMs: 300_000 });
}

/** Makes the release in a clone. @param surroundings words before the command */
async function release(directory: string, surroundings: readonly string[]): Promise<void> {
  const task = [process.execPath, "tools/run.mjs", "release", "--version", version, "--trial"];
  const script = `cd "$0" && exec "$@"`;
  await runOrThrow([...surroundings, "sh", "-c", script, directory, ...task], { timeoutMs: 550_000 });
}

beforeAll(async () => {
  revision = (await runOrThrow(["git", "-C", project, "rev-parse", "HEAD"])).trim();
  for (const directory of clones) await clone(directory);
  await release(first, []);
});

afterAll(() => scratch[Symbol.dispose]());

const read = (name: string) => readFileSync(join(dist, name), "utf8");

test("a second clone, elsewhere, with another umask, time zone and language, gives the same bytes", async () => {
  const surroundings = [
    "env",
    "TZ=Pacific/Auckland",
    "LC_ALL=C.UTF-8",
    "sh",
    "-c",
    'umask 077; exec "$@"',
    "sh",
  ];
  await release(second, surroundings);
  const other = join(second, "dist");
  expect(readFileSync(join(other, "SHA256SUMS"), "utf8")).toBe(read("SHA256SUMS"));
  // By what was written, too, and not only by what the release says of itself.
  const digest = (directory: string) =>
    createHash("sha256")
      .update(readFileSync(join(directory, `multus-wasm-${version}.oci.tar`)))
      .digest("hex");
  expect(digest(other)).toBe(digest(dist));
});

test("has everything, with checksums", async () => {
  expect(readdirSync(dist).sort()).toEqual(
    [
      "CHANGES.md",
      "LICENSE",
      "SHA256SUMS",
      "THIRD-PARTY-NOTICES.txt",
      "chart",
      "image",
      "install-thin.yaml",
      "install.yaml",
      `multus-wasm-${version}-image-amd64.cdx.json`,
      `multus-wasm-${version}-image-arm64.cdx.json`,
      `multus-wasm-${version}.cdx.json`,
      `multus-wasm-${version}.oci.tar`,
      `multus-wasm-${version}.tgz`,
      `multus-wasm-chart-${version}.oci.tar`,
      `multusd-${version}-linux-amd64`,
      `multusd-${version}-linux-arm64`,
      "release.json",
    ].sort(),
  );
  const checked = await runOrThrow(["sh", "-c", 'cd "$0" && sha256sum --check SHA256SUMS', dist]);
  const files = readdirSync(dist, { withFileTypes: true }).filter((entry) => entry.isFile());
  expect(checked.trim().split("\n")).toHaveLength(files.length - 1);
  expect(JSON.parse(read("release.json"))).toEqual({
    version,
    revision,
    trial: true,
    image: { name: `localhost/multus-wasm:${version}`, digest: offeredBy(join(dist, "image"))[0]?.digest },
    chart: { name: `multus-wasm-${version}.tgz`, digest: offeredBy(join(dist, "chart"))[0]?.digest },
  });
  for (const file of readdirSync(dist).filter((name) => name.endsWith(".cdx.json"))) {
    expect(problemsOfBill(JSON.parse(read(file))), file).toEqual([]);
  }
});

describe.each(architectures)("the image for %s", (architecture) => {
  const layout = join(dist, "image");
  const root = join(scratch.path, `root-${architecture}`);
  const emulator = { amd64: "qemu-x86_64-static", arm64: "qemu-aarch64-static" }[architecture];
  const isOwn = process.arch === { amd64: "x64", arm64: "arm64" }[architecture];
  /** Runs a program of the image, with the image's libraries. */
  const run = (...argv: readonly string[]) =>
    isOwn
      ? runOrThrow(["/usr/sbin/chroot", root, ...argv])
      : runOrThrow([emulator, "-L", root, `${root}${argv[0]}`, ...argv.slice(1)], { timeoutMs: 300_000 });

  beforeAll(() => unpackImage(layout, architecture, root));

  test("has the Dockerfile's configuration, and labels that name version and commit", () => {
    const manifest = imagesOf(layout).get(architecture);
    const labels = { ...imageLabels(version), "org.opencontainers.image.revision": revision };
    expect(manifest?.annotations).toEqual(labels);
    const config = readJson<Readonly<Record<string, unknown>>>(layout, manifest?.config ?? { digest: "" });
    expect(config).toMatchObject({ architecture, os: "linux", config: { ...imageConfig, Labels: labels } });
  });

  test("every file is root's, has the time of the commit or none, and may be written by nobody else", async () => {
    const time = Number((await runOrThrow(["git", "-C", project, "log", "-1", "--format=%ct"])).trim());
    for (const [position, layer] of (imagesOf(layout).get(architecture)?.layers ?? []).entries()) {
      const lines = await runOrThrow([
        ...["tar", "--list", "--verbose", "--numeric-owner", "--utc", "--full-time", "--gzip"],
        ...["--file", blobFile(layout, layer)],
      ]);
      const seconds = position === 0 ? 0 : time;
      const stamp = new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
      for (const line of lines.trim().split("\n")) {
        expect(line).toMatch(new RegExp(`^[-d]rw[x-]r-[x-]r-[x-] 0/0 +\\d+ ${stamp} `));
      }
    }
  });

  test("its programs are that architecture's, and run on the libraries that it has", async () => {
    for (const path of ["usr/local/bin/node", "opt/multus/multus", "opt/multus/multusd"]) {
      const header = await runOrThrow(["readelf", "--file-header", join(root, path)]);
      expect(header).toContain(machineNames[architecture]);
    }
    expect(await run("/opt/multus/multus", "--version")).toContain(version);
    expect(await run("/opt/multus/multusd", "--version")).toBe(`multusd ${version}\n`);
    const bundle = isOwn ? "/opt/multus/multusd.mjs" : join(root, "opt/multus/multusd.mjs");
    expect(await run("/usr/local/bin/node", bundle, "--version")).toBe(`multusd ${version}\n`);
  });

  test("its bill of materials names that architecture's packages, and the release has it beside the image", () => {
    const file = join(root, "usr/share/doc/multus-wasm/sbom.cdx.json");
    const bill: Bill = JSON.parse(readFileSync(file, "utf8"));
    const libraries = bill.components.filter(({ purl }) => purl.startsWith("pkg:deb/debian/libc6@"));
    expect(libraries.map(({ purl }) => purl)).toEqual([expect.stringMatching(`\\?arch=${architecture}$`)]);
    expect(JSON.parse(read(`multus-wasm-${version}-image-${architecture}.cdx.json`))).toEqual(bill);
  });

  test("the executable beside it is the image's", () => {
    const file = join(dist, `multusd-${version}-linux-${architecture}`);
    expect(lstatSync(file).mode & 0o777).toBe(0o755);
    expect(readFileSync(file).equals(readFileSync(join(root, "opt/multus/multusd")))).toBe(true);
  });
});

test("skopeo reads the file, and finds both images", async () => {
  const archive = `oci-archive:${join(dist, `multus-wasm-${version}.oci.tar`)}`;
  const raw = JSON.parse(await runOrThrow(["skopeo", "inspect", "--raw", archive]));
  expect(raw.manifests.map(({ platform }: Descriptor) => platform)).toEqual(
    architectures.map((architecture) => ({ os: "linux", architecture })),
  );
  for (const architecture of architectures) {
    const config = JSON.parse(
      await runOrThrow(["skopeo", "--override-arch", architecture, "inspect", "--config", archive]),
    );
    expect(config).toMatchObject({ architecture, config: { User: "0:0" } });
  }
  // Reads every layer, and compares digests.
  const copy = join(scratch.path, "copied");
  await runOrThrow(["skopeo", "--insecure-policy", "copy", "--quiet", "--all", archive, `dir:${copy}`], {
    timeoutMs: 300_000,
  });
  expect(existsSync(join(copy, "manifest.json"))).toBe(true);
});

test("the chart's package and artifact have the chart, and nothing that only tests use", async () => {
  const names = (await runOrThrow(["tar", "-tzf", join(dist, `multus-wasm-${version}.tgz`)]))
    .trim()
    .split("\n");
  expect(names).toEqual(
    expect.arrayContaining([
      "multus-wasm/Chart.yaml",
      "multus-wasm/crds/crd.yaml",
      "multus-wasm/templates/thick.yaml",
    ]),
  );
  expect(names.filter((name) => /\/ci\/|^[^m]/.test(name))).toEqual([]);
  const layout = join(dist, "chart");
  const [manifest] = offeredBy(layout);
  const { config, layers } = readJson<{ config: Descriptor; layers: Descriptor[] }>(
    layout,
    manifest ?? { digest: "" },
  );
  expect(config.mediaType).toBe("application/vnd.cncf.helm.config.v1+json");
  expect(readJson(layout, config)).toEqual(
    parse(readFileSync(join(first, "deploy/helm/multus-wasm/Chart.yaml"), "utf8")),
  );
  expect(layers.map(({ mediaType }) => mediaType)).toEqual([
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
  ]);
});

test("a library whose version Debian no longer has: the newest is taken and said, and for a release it is an error", async () => {
  const lock = join(second, "tools", "build", "debian-libraries.lock.json");
  const text = readFileSync(lock, "utf8");
  const entry = { version: "0.1-1", sha256: "0".repeat(64) };
  const edited = JSON.parse(text);
  writeFileSync(lock, JSON.stringify({ ...edited, amd64: { ...edited.amd64, libc6: entry } }));
  const script = `const { debianLibraries } = await import("./tools/build/debian-libraries.mjs");
const { nodeBinary } = await import("./tools/build/executable.mjs");
const mayDiffer = process.argv[2] === "newest";
const found = await debianLibraries("amd64", await nodeBinary("amd64", "build/executable/amd64"), process.argv[1], { mayDiffer });
console.log(found.packages.find(({ name }) => name === "libc6").version);`;
  const look = (directory: string, choice: string) => {
    mkdirSync(directory);
    const command = [process.execPath, "--input-type=module", "--eval", script, directory, choice];
    return runCommand(["sh", "-c", `cd "$0" && exec "$@"`, second, ...command], { timeoutMs: 120_000 });
  };
  const missing = "apt's sources have no libc6 0.1-1 for amd64";
  const newest = await look(join(scratch.path, "newest"), "newest");
  expect(newest.stderr).toContain(`${missing}: the newest is taken, and the image's digest is another one`);
  expect(newest.stdout.toString()).toMatch(/^2\.\d+/);
  const locked = await look(join(scratch.path, "locked"), "locked");
  expect(locked.exitCode).toBe(1);
  expect(locked.stderr).toContain(`${missing}; \`npm run image -- --update-libraries\``);
  writeFileSync(lock, text);
});

describe("is refused", () => {
  /** The task without what builds before it. */
  const refused = async (...args: readonly string[]) => {
    const { exitCode, stderr } = await runCommand([
      process.execPath,
      join(second, "tools", "tasks", "release.mjs"),
      ...args,
    ]);
    expect(exitCode).toBe(1);
    return stderr;
  };
  const git = (...args: readonly string[]) =>
    runOrThrow(["git", "-C", second, "-c", "user.name=test", "-c", "user.email=test@localhost", ...args]);

  test("without a version", async () => {
    expect(await refused()).toContain("--version X is missing");
  });

  test("a version that is not package.json's", async () => {
    expect(await refused("--version", "99.0.0")).toBe(
      `! package.json has version ${version}, not 99.0.0; \`node tools/run.mjs version 99.0.0\` writes it everywhere\n`,
    );
  });

  test("a version that the changelog does not have", async () => {
    await runOrThrow([process.execPath, join(second, "tools", "run.mjs"), "version", "99.0.0"]);
    expect(await refused("--version", "99.0.0")).toBe(
      '! CHANGELOG.md has no section "## 99.0.0", or nothing in it\n',
    );
    await git("checkout", "--quiet", ".");
  });

  test("a manifest that was left at another version", async () => {
    const manifest = join(second, "deploy", "thin", "daemonset.yaml");
    writeFileSync(manifest, readFileSync(manifest, "utf8").replace(/(multus-wasm:).*/, "$10.0.1"));
    expect(await refused("--version", version)).toContain("deploy/thin/daemonset.yaml has version 0.0.1");
    await git("checkout", "--quiet", ".");
  });

  test("files that differ from the commit", async () => {
    appendFileSync(join(second, "LICENSE"), "\n");
    expect(await refused("--version", version)).toMatch(
      /^! files differ from the commit .*\n {2}M LICENSE\n$/,
    );
    await git("checkout", "--quiet", ".");
  });

  test("a version whose tag another commit has", async () => {
    await git("tag", `v${version}`);
    await git("commit", "--quiet", "--allow-empty", "--message", "later");
    expect(await refused("--version", version)).toContain(
      `v${version} is the tag of another commit (${revision})`,
    );
  });

  test("a directory of others, which would be emptied", async () => {
    const own = join(scratch.path, "mine");
    scratch.write("mine/letter", "text");
    const stderr = await refused("--version", version, "--trial", "--out", own);
    expect(stderr).toContain(`${own} has other files`);
    expect(readdirSync(own)).toEqual(["letter"]);
  });
});
