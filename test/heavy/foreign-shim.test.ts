/** The plugin binary for the architecture that this machine does not have, run by QEMU: what the other one does, it does. */

import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { architectureOf, isOurs, thisArchitecture } from "../../src/ctl/node/program.ts";
import { buildShim } from "../../tools/build/shim.mjs";
import { compilers } from "../../tools/setup/compilers.mjs";
import { runCommand, runOrThrow } from "../support/command.ts";
import { elfFacts } from "../support/elf.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { shim, TestNode } from "../support/test-node.ts";

const architecture = thisArchitecture() === "amd64" ? "arm64" : "amd64";
const { emulator } = compilers[architecture];

let foreign: string;
beforeAll(async () => {
  foreign = await buildShim({ architecture });
});

describe(`the plugin binary for ${architecture}`, () => {
  test("is for it, and is known as ours", () => {
    expect(architectureOf(foreign)).toBe(architecture);
    expect(isOurs(foreign, "multus")).toBe(true);
  });

  test("is as hard to misuse as the other one", () => {
    expect(elfFacts(foreign)).toEqual(elfFacts(shim));
  });

  test("says the same of itself", async () => {
    const about = await runOrThrow([emulator, foreign, "--version"]);
    expect(about).toBe(await runOrThrow([shim, "--version"]));
    const env = { CNI_COMMAND: "VERSION" };
    const versions = await runCommand([emulator, foreign], { env });
    expect(versions.exitCode).toBe(0);
    expect(versions.stdout.toString()).toBe((await runCommand([shim], { env })).stdout.toString());
  });

  test("is put onto a node by its name, without being run", async () => {
    using scratch = new ScratchDirectory("foreign");
    const directory = join(scratch.path, "bin");
    mkdirSync(directory);
    for (const file of ["multusctl.mjs", "multus", `multus-${architecture}`]) {
      copyFileSync(join(shim, "..", file), join(scratch.path, file));
    }
    const multusctl = join(scratch.path, "multusctl.mjs");
    await runOrThrow([
      process.execPath,
      multusctl,
      "install",
      "--arch",
      architecture,
      "--cni-bin-dir",
      directory,
    ]);
    expect(readFileSync(join(directory, "multus")).equals(readFileSync(foreign))).toBe(true);
    expect(architectureOf(join(directory, "multus-shim"))).toBe(architecture);
  });

  test("carries an ADD, a CHECK and a DEL of a pod with two networks through", async () => {
    await using node = await TestNode.start({ plugin: [emulator, foreign] });
    const netconf = await node.bridgeNetconf("10.30.0.0/24");
    node.writeMacvlan("storage", "10.31.0.0/24");
    await using pod = await node.pod("foreign", "storage");
    const { result } = await node.call("ADD", pod, netconf);
    expect(result.ips?.map(({ address }) => address)).toEqual(["10.30.0.2/24"]);
    expect((await pod.network.links()).map(({ ifname }) => ifname).sort()).toEqual(["eth0", "net1"]);
    (await node.call("CHECK", pod, { ...netconf, prevResult: result })).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await pod.network.links()).toEqual([]);
  });
});
