/** Programs, state and leftovers on a node. */

import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findingJson } from "../../../../src/ctl/doctor/finding.ts";
import { checkGoMultus as lookCheckGoMultus, tokenEnd } from "../../../../src/ctl/doctor/go-multus.ts";
import { checkNodeState as lookCheckNodeState } from "../../../../src/ctl/doctor/node-state.ts";
import { checkPrograms as lookCheckPrograms } from "../../../../src/ctl/doctor/programs.ts";
import { loadKernels } from "../../../../src/kernels/load.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

/** As doctor reports it. */
const checkPrograms = async (...args: Parameters<typeof lookCheckPrograms>) =>
  (await lookCheckPrograms(...args)).map(findingJson);
/** As doctor reports it. */
const checkNodeState = async (...args: Parameters<typeof lookCheckNodeState>) =>
  (await lookCheckNodeState(...args)).map(findingJson);
/** As doctor reports it. */
const checkGoMultus = (...args: Parameters<typeof lookCheckGoMultus>) =>
  lookCheckGoMultus(...args).map(findingJson);

const kernels = loadKernels();
const say = (verdict: string, finding: RegExp) =>
  expect.objectContaining({ verdict, finding: expect.stringMatching(finding) });

function program(directory: ScratchDirectory, name: string, content: string | Uint8Array): void {
  chmodSync(directory.write(name, content), 0o755);
}

/** The head of a program for a machine. */
function elf(machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.write("\u007fELF", "latin1");
  header.writeUInt16LE(machine, 18);
  return header;
}

describe("the plugin's programs", () => {
  it("pass for what is ours", async () => {
    using directory = new ScratchDirectory();
    copyFileSync(join(import.meta.dirname, "../../../../build/multus"), join(directory.path, "multus"));
    expect(await checkPrograms(directory.path, "multus", "0.1.0")).toEqual([
      say("pass", /multus is 0\.1\.0$/),
    ]);
    expect(await checkPrograms(directory.path, "multus", "9.9.9")).toEqual([
      say("warn", /is 0\.1\.0, and the daemon 9\.9\.9/),
    ]);
  });

  it.each<[string, (directory: ScratchDirectory) => void, string, RegExp]>([
    ["that are missing", () => {}, "fail", /multus is not there, and the runtime's configuration names it/],
    [
      "that are not executable",
      (directory) => void directory.write("multus", elf(62)),
      "fail",
      /is not executable/,
    ],
    [
      "that are scripts",
      (directory) => program(directory, "multus", "#!/bin/sh\n"),
      "fail",
      /no program for Linux/,
    ],
    [
      "of another architecture",
      (directory) => program(directory, "multus", elf(21)),
      "fail",
      /another architecture \(ELF machine 21/,
    ],
    ["that are a directory", (directory) => mkdirSync(join(directory.path, "multus")), "fail", /is no file/],
  ])("%s fail", async (_, make, verdict, finding) => {
    using directory = new ScratchDirectory();
    make(directory);
    expect(await checkPrograms(directory.path, "multus", "")).toEqual([say(verdict, finding)]);
  });

  it("that are somebody else's are named", async () => {
    using directory = new ScratchDirectory();
    copyFileSync("/bin/true", join(directory.path, "multus-shim"));
    const findings = await checkPrograms(directory.path, "multus", "");
    expect(findings).toContainEqual(say("warn", /multus-shim is not ours/));
  });
});

describe("the plugin passthru", () => {
  it("is looked at where it is ours, and left alone where it is Go multus's", async () => {
    using directory = new ScratchDirectory();
    for (const name of ["multus", "passthru"])
      copyFileSync(join(import.meta.dirname, "../../../../build/multus"), join(directory.path, name));
    const findings = await checkPrograms(directory.path, "multus", "0.1.0");
    expect(findings).toEqual([say("pass", /multus is/), say("pass", /passthru is/)]);
    copyFileSync("/bin/true", join(directory.path, "passthru"));
    expect(await checkPrograms(directory.path, "multus", "")).toEqual([say("pass", /multus is/)]);
  });
});

describe("the node's state", () => {
  it("passes where nothing was attached yet", async () => {
    expect(await checkNodeState("/nowhere/multus", kernels)).toMatchObject([{ verdict: "pass" }]);
  });

  it("names torn files, results without plan, and DELs that wait or were given up", async () => {
    using directory = new ScratchDirectory();
    directory.write("c1", '[{"net');
    const result = {
      kind: "cniCacheV1",
      containerId: "c2",
      networkName: "n",
      ifName: "eth0",
      netns: "/nowhere/ns",
      result: { cniVersion: "1.0.0" },
    };
    directory.write("results/n-c2-eth0", JSON.stringify(result));
    directory.write(".spool/1700000000000000-01-c3", "x");
    directory.write(".spool/failed-1700000000000000-10-c4", "x");
    const findings = await checkNodeState(directory.path, kernels);
    expect(findings).toContainEqual(say("warn", /\/c1: /));
    expect(findings).toContainEqual(say("warn", /1 containers have results without a plan: c2/));
    expect(findings).toContainEqual(say("skip", /none of the network namespaces of 1 containers is visible/));
    expect(findings).toContainEqual(
      expect.objectContaining({
        verdict: "warn",
        finding: expect.stringMatching(/^1 recorded DELs wait, 1 of them after a failed try/),
        remedy: expect.stringMatching(/^the daemon's log says why they fail: .* for a day/),
      }),
    );
    expect(findings).toContainEqual(say("fail", /1 recorded DELs in .* were given up/));
  });

  it("names containers whose namespace is gone, where others are seen", async () => {
    using directory = new ScratchDirectory();
    for (const [id, netns] of [
      ["c1", "/proc/self/ns/net"],
      ["c2", "/nowhere/ns"],
    ]) {
      const result = {
        kind: "cniCacheV1",
        containerId: id,
        networkName: "n",
        ifName: "eth0",
        netns,
        result: { cniVersion: "1.0.0" },
      };
      directory.write(`results/n-${id}-eth0`, JSON.stringify(result));
    }
    expect(await checkNodeState(directory.path, kernels)).toContainEqual(
      say("warn", /1 containers have state and no network namespace any more: c2$/),
    );
  });

  it("fails where others can write it", async () => {
    using directory = new ScratchDirectory();
    chmodSync(directory.path, 0o777);
    expect(await checkNodeState(directory.path, kernels)).toContainEqual(
      say("fail", /mode 777: others can write/),
    );
  });
});

describe("leftovers of Go multus", () => {
  const now = Date.UTC(2026, 10, 23);
  const token = (seconds: number) =>
    ["e30", Buffer.from(JSON.stringify({ exp: seconds })).toString("base64url"), "c2ln"].join(".");

  it("is nothing on a node that never had it", () => {
    using directory = new ScratchDirectory();
    expect(checkGoMultus(directory.path, "", directory.path, now)).toMatchObject([{ verdict: "pass" }]);
  });

  it("is its daemon, and a kubeconfig that has ended", () => {
    using directory = new ScratchDirectory();
    directory.write("proc/123/comm", "multus-daemon\n");
    directory.write("proc/124/comm", "bash\n");
    const kubeconfig = directory.write(
      "multus.d/multus.kubeconfig",
      `users:\n- user:\n    token: "${token(now / 1000 - 1)}"\n`,
    );
    const findings = checkGoMultus(directory.path, "", join(directory.path, "proc"), now);
    expect(findings).toEqual([
      say("warn", /daemon runs on this node \(process 123\)/),
      say("warn", /ended at 2026-11-22T23:59:59/),
    ]);
    expect(tokenEnd(kubeconfig)).toBe(now - 1_000);
  });
});
