/** multusctl status and doctor on a node with our daemon, its plugin and a pod; with a daemon that is gone; and on a machine that is no node. */

import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { debianPlugins, shim, TestNode } from "../support/test-node.ts";

const multusctl = join(import.meta.dirname, "..", "..", "build", "multusctl.mjs");
const resources = new AsyncDisposableStack();
let node: TestNode;
let runtime: ScratchDirectory;

interface Found {
  readonly check: string;
  readonly verdict: string;
  readonly finding: string;
  readonly remedy: string;
}

async function run(command: string, ...args: string[]) {
  const { exitCode, stdout, stderr } = await runCommand([process.execPath, multusctl, command, ...args], {
    env: { HOME: "/nowhere" },
  });
  return { exitCode, stdout: stdout.toString(), stderr };
}

const status = (...args: string[]) =>
  run("status", "--socket-dir", node.socketDir, "--cni-dir", node.cniDir, ...args);

async function doctor(...args: string[]) {
  const { exitCode, stdout } = await run(
    "doctor",
    ...["--cni-conf-dir", join(runtime.path, "net.d"), "--bin-dir", join(runtime.path, "bin")],
    ...["--containerd-config", join(runtime.path, "config.toml"), "--no-cluster", "--json", ...args],
  );
  return { exitCode, findings: JSON.parse(stdout).findings as Found[] };
}

beforeAll(async () => {
  node = resources.use(await TestNode.start());
  node.writeMacvlan("storage", "10.125.1.0/24");
  await node.untilReady();
  const netconf = await node.bridgeNetconf("10.125.0.0/24");
  (await node.call("ADD", await node.pod("web", "storage"), netconf)).expectSuccess();
  // A network that is not there: a failure to be shown.
  expect((await node.call("ADD", await node.pod("wrong", "nowhere"), netconf)).exitCode).not.toBe(0);

  runtime = resources.use(new ScratchDirectory("runtime"));
  mkdirSync(join(runtime.path, "bin"));
  for (const [from, name] of [
    [shim, "multus"],
    [join(debianPlugins, "bridge"), "bridge"],
    [join(debianPlugins, "host-local"), "host-local"],
  ] as const) {
    copyFileSync(from, join(runtime.path, "bin", name));
  }
  chmodSync(runtime.write("net.d/00-multus.conf", JSON.stringify(netconf)), 0o600);
  runtime.write(
    "config.toml",
    `[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dirs = ['${join(runtime.path, "bin")}']\n`,
  );
});

afterAll(() => resources.disposeAsync());

describe("with a daemon that serves", () => {
  test("status has daemon, attachments and the failure", async () => {
    const { exitCode, stdout } = await status("--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      daemon: {
        version: "0.1.0",
        protocol: 1,
        ready: true,
        requests: { running: 0, waiting: 0 },
        clusters: [],
        failures: [{ command: "ADD", pod: "default/wrong", message: expect.stringContaining("nowhere") }],
      },
      node: {
        containers: 1,
        attachments: 2,
        networks: [
          { network: "cluster", attachments: 1 },
          { network: "default/storage", attachments: 1 },
        ],
        spool: { waiting: 0, failed: 0 },
      },
    });
    expect((await status()).stdout).toMatch(/^daemon {7}0\.1\.0, ready, up [^\n]+\nrequests /);
  });

  test("doctor finds nothing that fails, and the failure", async () => {
    const { exitCode, findings } = await doctor();
    expect(findings.filter(({ verdict }) => verdict === "fail")).toEqual([]);
    expect(exitCode).toBe(0);
    const passed = findings.filter(({ verdict }) => verdict === "pass").map(({ check }) => check);
    expect(passed).toEqual(
      expect.arrayContaining([
        "runtime/first-file",
        "runtime/configuration",
        "runtime/containerd",
        "plugin/multus",
        "daemon/socket",
        "daemon/answers",
        "state/directory",
        "state/attachments",
        "state/spool",
      ]),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({
        check: "daemon/failures",
        verdict: "warn",
        finding: expect.stringContaining("default/wrong"),
      }),
    );
  });
});

test("a user without rights hears what doctor could not see", async () => {
  chmodSync(runtime.path, 0o755);
  const { exitCode, stdout, stderr } = await runCommand(
    [
      ...[
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        process.execPath,
        multusctl,
        "doctor",
      ],
      ...[
        "--cni-conf-dir",
        join(runtime.path, "net.d"),
        "--bin-dir",
        join(runtime.path, "bin"),
        "--no-cluster",
      ],
      ...["--socket-dir", node.socketDir, "--cni-dir", node.cniDir, "--containerd-config", "/nowhere"],
    ],
    { env: { HOME: "/nowhere" } },
  );
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  for (const check of ["runtime/first-file", "daemon/answers", "state/directory"]) {
    expect(stdout.toString()).toMatch(new RegExp(`SKIP +${check} +[^→]+→ run it with sudo`));
  }
});

describe("with a daemon that is gone", () => {
  beforeAll(() => node.daemon.stop("SIGKILL"));

  test("status says so and what to do, and shows the files", async () => {
    const { exitCode, stdout, stderr } = await status();
    expect(exitCode).toBe(1);
    expect(stdout).toContain("2 attachments of 1 container");
    expect(stderr).toContain("a daemon that was killed has left it\n  start multusd");
  });

  test("doctor fails, with a remedy for everything that is not right", async () => {
    const { exitCode, findings } = await doctor();
    expect(exitCode).toBe(1);
    const failed = findings.filter(({ verdict }) => verdict === "fail");
    expect(failed.map(({ check }) => check)).toEqual(["daemon/answers"]);
    expect(
      findings.filter(({ verdict, remedy }) => (verdict === "warn" || verdict === "fail") && remedy === ""),
    ).toEqual([]);
  });
});

test("on a machine that is no node doctor says what it could not look at", async () => {
  const { exitCode, stdout, stderr } = await run(
    "doctor",
    ...[
      "--cni-conf-dir",
      "/nowhere",
      "--bin-dir",
      "/nowhere",
      "--cni-dir",
      "/nowhere",
      "--socket-dir",
      "/nowhere",
    ],
    ...["--containerd-config", "/nowhere"],
  );
  expect(exitCode).toBe(1);
  expect(stderr).toBe("");
  for (const line of [
    /SKIP +runtime\/first-file/,
    /SKIP +runtime\/containerd/,
    /SKIP +plugin\/multus/,
    /FAIL +daemon\/answers/,
    /SKIP +cluster\/api/,
  ]) {
    expect(stdout).toMatch(line);
  }
  // To look at is what else runs on the machine: a Go multus, in somebody's tests.
  expect(stdout).toMatch(/\n1 failed, \d+ to look at, \d+ passed, \d+ could not be checked from here\n$/);
});
