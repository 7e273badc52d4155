/** multusctl status and doctor on a node with our daemon, its plugin and a pod; with a daemon that is gone; and on a machine that is no node. */

import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { doctorFindings, multusctl, runDoctor } from "../support/doctor.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { debianPlugins, shim, TestNode } from "../support/test-node.ts";

const resources = new AsyncDisposableStack();
let node: TestNode;
let runtime: ScratchDirectory;

const status = (...args: string[]) =>
  runCommand(
    [
      process.execPath,
      multusctl,
      "status",
      "--socket-dir",
      node.socketDir,
      "--cni-dir",
      node.cniDir,
      ...args,
    ],
    { env: { HOME: "/nowhere" } },
  );

/** Options for the places that doctor is to look at. */
const places = () => [
  ...["--cni-conf-dir", join(runtime.path, "net.d"), "--bin-dir", join(runtime.path, "bin"), "--no-cluster"],
];
const doctor = (...options: string[]) =>
  doctorFindings(
    ...places(),
    ...["--containerd-config", join(runtime.path, "config.toml")],
    ...["--socket-dir", node.socketDir, "--cni-dir", node.cniDir, ...options],
  );

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

const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

describe("with a daemon that serves", () => {
  test("status has daemon, attachments and the failure", async () => {
    const { exitCode, stdout } = await status("--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout.toString())).toMatchObject({
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
    expect((await status()).stdout.toString()).toMatch(/^daemon {7}0\.1\.0, ready, up [^\n]+\nrequests /);
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
  const { exitCode, stdout, stderr } = await runDoctor(
    [...places(), "--socket-dir", node.socketDir, "--cni-dir", node.cniDir],
    asNobody,
  );
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  for (const check of ["runtime/first-file", "daemon/answers", "state/directory"]) {
    expect(stdout.toString()).toMatch(new RegExp(`SKIP +${check} +[^→]+→ run it with sudo`));
  }
});

test("doctor fails where others could take the daemon's socket, and does not mind a link to its directory", async () => {
  const link = join(runtime.path, "link");
  symlinkSync(node.socketDir, link);
  const socket = async () => {
    const { findings } = await doctor("--socket-dir", link);
    return findings.filter(({ check }) => check === "daemon/socket");
  };
  expect(await socket()).toMatchObject([{ verdict: "pass" }]);
  chmodSync(node.socketDir, 0o770);
  try {
    expect(await socket()).toMatchObject([
      { verdict: "fail", finding: `${link} can be written by others (mode 770)` },
    ]);
  } finally {
    chmodSync(node.socketDir, 0o700);
  }
});

test("a user without rights hears why validate cannot read Multus's file", async () => {
  const path = join(runtime.path, "net.d", "00-multus.conf");
  const { exitCode, stderr } = await runCommand([...asNobody, process.execPath, multusctl, "validate", path]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^! .* cannot be read: EACCES.*\n {2}run it with sudo\n$/);
});

test("doctor reads CRI-O's configuration where that is the runtime", async () => {
  const config = runtime.write(
    "crio.conf",
    `[crio.network]\nnetwork_dir = "${runtime.path}/net.d/"\nplugin_dirs = ["${runtime.path}/bin"]\n`,
  );
  const crio = async () => {
    const { findings } = await doctor("--crio-config", config, "--containerd-config", "/nowhere");
    expect(findings.map(({ check }) => check)).not.toContain("runtime/containerd");
    return findings.filter(({ check }) => check === "runtime/crio");
  };
  expect(await crio()).toMatchObject([{ verdict: "pass" }]);
  const dropIn = runtime.write(
    "crio.conf.d/20-network.conf",
    'crio.network.cni_default_network = "cluster"\n',
  );
  expect(await crio()).toMatchObject([
    { verdict: "fail", finding: expect.stringContaining(`cni_default_network of ${dropIn} is cluster`) },
  ]);
});

test("of a daemon that takes connections and does not answer doctor says so", async () => {
  const { pid } = node.daemon;
  process.kill(pid, "SIGSTOP");
  try {
    const { exitCode, findings } = await doctor();
    expect(exitCode).toBe(1);
    expect(findings.filter(({ verdict }) => verdict === "fail")).toEqual([
      {
        check: "daemon/answers",
        verdict: "fail",
        finding: `${node.socketDir}/multus.sock accepts connections, but there is no answer within 5 s`,
        remedy: expect.stringContaining("restart it"),
      },
    ]);
  } finally {
    process.kill(pid, "SIGCONT");
  }
});

describe("with a daemon that is gone", () => {
  beforeAll(() => node.daemon.stop("SIGKILL"));

  test("status says so and what to do, and shows the files", async () => {
    const { exitCode, stdout, stderr } = await status();
    expect(exitCode).toBe(1);
    expect(stdout.toString()).toContain("2 attachments of 1 container");
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

describe("with no daemon, where the plugin starts one", () => {
  const answers = async (daemonCommand: readonly string[]) => {
    const file = join(runtime.path, "net.d", "00-multus.conf");
    const netconf = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...netconf, daemonCommand }));
    const { exitCode, findings } = await doctor("--socket-dir", join(runtime.path, "none"));
    return { exitCode, answers: findings.filter(({ check }) => check === "daemon/answers") };
  };

  test("doctor finds nothing wrong if it can be started", async () => {
    const program = join(runtime.path, "bin", "multus");
    expect(await answers([program, "--config", "x"])).toMatchObject({
      exitCode: 0,
      answers: [
        { verdict: "pass", finding: `no daemon runs; the plugin starts ${program} when it is called` },
      ],
    });
  });

  test("doctor fails if it cannot", async () => {
    expect(await answers([join(runtime.path, "bin", "multusd")])).toMatchObject({
      exitCode: 1,
      answers: [
        {
          verdict: "fail",
          finding: expect.stringContaining("bin/multusd"),
          remedy: expect.stringContaining("thin-entrypoint"),
        },
      ],
    });
  });

  test("doctor says so if that is not to be seen from here", async () => {
    expect(await answers(["/nowhere/multusd"])).toMatchObject({
      exitCode: 0,
      answers: [{ verdict: "skip" }],
    });
  });
});

test("on a machine that is no node doctor says what it could not look at", async () => {
  const { exitCode, stdout, stderr } = await runDoctor([]);
  expect(exitCode).toBe(1);
  expect(stderr).toBe("");
  for (const line of [
    /SKIP +runtime\/first-file/,
    /SKIP +runtime\/containerd/,
    /SKIP +plugin\/multus/,
    /FAIL +daemon\/answers/,
    /SKIP +cluster\/api/,
  ]) {
    expect(stdout.toString()).toMatch(line);
  }
  expect(stdout.toString()).toMatch(
    /\n1 failed, 0 to look at, \d+ passed, \d+ could not be checked from here\n$/,
  );
});
