/** The image: what the Dockerfile does is done here step by step, in a copy of what it copies; then what is in it runs, with nothing else around it. */

import { createHash } from "node:crypto";
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ownArch } from "../../tools/build/executable.mjs";
import { joinImages } from "../../tools/build/oci-image.mjs";
import type { Bill } from "../../tools/build/sbom.mjs";
import { problemsOfBill } from "../support/bill-of-materials.ts";
import { runCommand } from "../support/command.ts";
import { stages } from "../support/dockerfile.ts";
import { buildOwnImage, unpackImage } from "../support/own-image.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

const project = join(import.meta.dirname, "..", "..");

let scratch: ScratchDirectory;
let image: string;

beforeAll(async () => {
  scratch = new ScratchDirectory("image");
  const source = join(scratch.path, "src");
  image = join(scratch.path, "image");
  mkdirSync(source);
  for (const { keyword, arguments: words, text } of stages()[0] ?? []) {
    if (keyword === "COPY") {
      for (const path of words.slice(0, -1)) {
        const target = join(source, path);
        mkdirSync(dirname(target), { recursive: true });
        cpSync(join(project, path), target, { recursive: true });
      }
    }
    if (keyword === "RUN") {
      const command = text.replace(/(?<=\s)\/image$/, image);
      const { exitCode, stdout, stderr } = await runCommand(["sh", "-c", `cd "$0" && ${command}`, source], {
        // The Dockerfile's `node` is the one that this runs on.
        env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
        timeoutMs: 300_000,
      });
      if (exitCode !== 0) throw new Error(`${command}: exit code ${exitCode}\n${stdout}${stderr}`);
    }
  }
});

afterAll(() => scratch?.[Symbol.dispose]());

/** Files of an image with mode, and digest of what is in them. */
function filesOf(root: string): Readonly<Record<string, string>> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return Object.fromEntries(
    files.map((file) => {
      const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
      return [file.slice(root.length), `${(lstatSync(file).mode & 0o7777).toString(8)} ${digest}`];
    }),
  );
}

test("npm run image makes the same files of these sources as the Dockerfile does", async () => {
  const layout = join(scratch.path, "layout");
  const root = join(scratch.path, "unpacked");
  await buildOwnImage();
  joinImages(layout, [ownArch], "localhost/multus-wasm:test");
  await unpackImage(layout, ownArch, root);
  const [ours, dockers] = [filesOf(root), filesOf(image)];
  expect(Object.keys(ours)).toEqual(Object.keys(dockers));
  expect(ours).toEqual(dockers);
});

/** Runs a program of the image in it. */
async function runInImage(...argv: readonly string[]) {
  const { exitCode, stdout, stderr } = await runCommand(["/usr/sbin/chroot", image, ...argv], { env: {} });
  return { exitCode, stdout: stdout.toString(), stderr };
}

test("has Node with its libraries and what was built, and no shell", () => {
  const files = readdirSync(image, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(image.length));
  const others = files.filter((file) => !/^\/lib(64)?\/.*\.so(\.\d+)*$|^\/usr\/share\//.test(file));
  expect(others.sort()).toEqual([
    "/LICENSE",
    "/cert-approver",
    "/entrypoint.sh",
    "/etc/nsswitch.conf",
    "/install_multus",
    "/kubeconfig_generator",
    "/opt/multus/multus",
    "/opt/multus/multus.wasm",
    "/opt/multus/multusctl.mjs",
    "/opt/multus/multusd",
    "/opt/multus/multusd.mjs",
    "/thin_entrypoint",
    "/usr/local/bin/cp",
    "/usr/local/bin/multusctl",
    "/usr/local/bin/multusd",
    "/usr/local/bin/node",
    "/usr/src/multus-cni/bin/cert-approver",
    "/usr/src/multus-cni/bin/generate-kubeconfig",
    "/usr/src/multus-cni/bin/install_multus",
    "/usr/src/multus-cni/bin/kubeconfig_generator",
    "/usr/src/multus-cni/bin/multus-daemon",
    "/usr/src/multus-cni/bin/thin_entrypoint",
  ]);
  expect(files.some((file) => file.includes("libc.so"))).toBe(true);
});

describe("components of others in the image", () => {
  const documentation = (...path: string[]) => readFileSync(join(image, "usr/share/doc", ...path), "utf8");
  const bill = (): Bill => JSON.parse(documentation("multus-wasm", "sbom.cdx.json"));

  test("a valid bill of materials, with Node, its libraries and the C library in the plugin", () => {
    expect(problemsOfBill(bill())).toEqual([]);
    const further = bill().components.filter(({ purl }) => !purl.startsWith("pkg:npm/"));
    expect(further.map(({ name, scope, properties }) => [name, scope, properties?.[0]?.value])).toEqual(
      expect.arrayContaining([
        ["node", "required", undefined],
        ["libc6", "required", "shared libraries of Node"],
        ["libstdc++6", "required", "shared libraries of Node"],
        ["libc6-dev", "required", "linked statically into the plugin"],
      ]),
    );
    expect(further.find(({ name }) => name === "node")?.version).toBe(process.versions.node);
    const own = bill().dependencies.find(({ ref }) => ref.startsWith("multus-wasm@"));
    for (const component of further) expect(own?.dependsOn).toContain(component["bom-ref"]);
  });

  test("the notices, and the copyright of the package of every library", () => {
    expect(documentation("multus-wasm", "THIRD-PARTY-NOTICES.txt")).toContain(
      "GNU LESSER GENERAL PUBLIC LICENSE",
    );
    const libraries = bill().components.filter(({ properties }) =>
      properties?.some(({ value }) => value === "shared libraries of Node"),
    );
    expect(libraries.length).toBeGreaterThan(1);
    for (const { name } of libraries) expect(documentation(name, "copyright")).toMatch(/copyright/i);
    // Texts that those name instead of repeating them.
    expect(readdirSync(join(image, "usr/share/common-licenses"))).toEqual(
      expect.arrayContaining(["GPL-3", "LGPL-2.1"]),
    );
  });
});

describe("programs that manifests start run in the image alone", () => {
  test.each([
    ["/usr/local/bin/multusd", "multusd"],
    ["/usr/src/multus-cni/bin/multus-daemon", "multusd"],
    ["/opt/multus/multusd", "multusd"],
    ["/opt/multus/multus", "multus"],
  ])("%s --version", async (path, name) => {
    expect(await runInImage(path, "--version")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(new RegExp(`^${name} \\d`)),
    });
  });

  test.each([
    [["/usr/local/bin/multusctl", "thin-entrypoint"], "multusctl thin-entrypoint"],
    [["/thin_entrypoint"], "thin-entrypoint"],
    [["/entrypoint.sh"], "thin-entrypoint"],
    [["/install_multus"], "install"],
    [["/kubeconfig_generator"], "kubeconfig"],
    [["/cert-approver"], "approve-certs"],
  ])("%j --help", async (command, named) => {
    const { exitCode, stdout } = await runInImage(...command, "--help");
    expect(exitCode).toBe(0);
    expect(stdout).toContain(named);
  });

  test.each([
    [["/usr/local/bin/multusctl", "install", "--cni-bin-dir=/host/opt/cni/bin"]],
    [["/usr/src/multus-cni/bin/install_multus", "-d", "/host/opt/cni/bin", "-t", "thick"]],
    [["/install_multus", "--type", "thin"]],
    [["/usr/local/bin/cp", "/usr/src/multus-cni/bin/multus-shim", "/host/opt/cni/bin/multus-shim"]],
  ])("%j installs the plugin", async (command) => {
    const directory = join(image, "host", "opt", "cni", "bin");
    mkdirSync(directory, { recursive: true });
    expect(await runInImage(...command)).toMatchObject({ exitCode: 0 });
    expect(existsSync(join(directory, "multus"))).toBe(true);
    expect(existsSync(join(directory, "multus-shim"))).toBe(true);
  });
});
