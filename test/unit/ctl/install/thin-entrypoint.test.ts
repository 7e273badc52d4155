/** A thin installation as its pod does it, with real directories: what is on the node, in which order, and what stays. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "@commander-js/extra-typings";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runThinEntrypoint } from "../../../../src/ctl/install/thin-entrypoint.ts";
import { addThinOptions } from "../../../../src/ctl/install/thin-options.ts";
import { uninstall } from "../../../../src/ctl/install/uninstall.ts";
import { readDaemonConfig } from "../../../../src/daemon-config/config.ts";
import { loadKernels } from "../../../../src/kernels/load.ts";
import type { AskForDaemonSet } from "../../../../src/runtime-config/removal.ts";
import { ServiceAccountFiles } from "../../../support/cluster/service-account-files.ts";
import { Installation } from "../../../support/installation.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";
import { shim } from "../../../support/test-node.ts";
import { until } from "../../../support/until.ts";

const kernels = loadKernels();
const clusterNetwork = {
  cniVersion: "0.4.0",
  name: "cluster",
  type: "bridge",
  capabilities: { portMappings: true },
};

let scratch: Installation;
let account: ServiceAccountFiles;
let binDir: string;
let confDir: string;
let running: { stop: () => Promise<void> }[];
beforeEach(() => {
  scratch = new Installation();
  const authority = scratch.write("authority", "certificate");
  account = new ServiceAccountFiles(
    join(scratch.path, "serviceaccount"),
    authority,
    "kube-system",
    "token-1",
  );
  ({ binDir, confDir } = scratch);
  running = [];
});
afterEach(async () => {
  for (const { stop } of running) await stop();
  scratch[Symbol.dispose]();
});

const inConf = (name: string) => join(confDir, name);
const writeCluster = (change: object = {}) =>
  writeFileSync(inConf("10-cluster.conf"), JSON.stringify({ ...clusterNetwork, ...change }));
const read = (name: string) => JSON.parse(readFileSync(inConf(name), "utf8"));

/** @param daemonExecutable of the image */
function start(
  args: readonly string[],
  daemonExecutable?: string,
  nodeName = "",
  daemonSet?: AskForDaemonSet,
) {
  const options = addThinOptions(new Command())
    .parse(
      [`--cni-bin-dir=${binDir}`, `--cni-conf-dir=${confDir}`, `--multus-autoconfig-dir=${confDir}`, ...args],
      { from: "user" },
    )
    .opts();
  const stopping = new AbortController();
  const log = new RecordingLogger();
  const ended = runThinEntrypoint(
    options,
    {
      kernels: () => kernels,
      log,
      serviceAccount: {
        directory: account.directory,
        env: { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" },
        skipTlsVerify: options.skipTlsVerify,
      },
      pluginBinary: () => shim,
      daemonExecutable,
      nodeName,
      daemonSet,
    },
    stopping.signal,
  );
  ended.catch(() => {});
  const entrypoint = {
    log,
    ended,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
  running.push({ stop: () => entrypoint.stop().catch(() => {}) });
  return entrypoint;
}

describe("thin-entrypoint", () => {
  it("puts plugin, kubeconfig and configuration onto the node, and leaves them without --cleanup-config-on-exit", async () => {
    writeCluster();
    const { stop } = start([]);
    await until("the configuration", () => existsSync(inConf("00-multus.conf")));
    expect(read("00-multus.conf")).toEqual({
      cniVersion: "0.4.0",
      name: "multus-cni-network",
      type: "multus",
      capabilities: { "io.kubernetes.cri.pod-annotations": true, portMappings: true },
      generatedBy: "multus-wasm",
      kubeconfig: "/etc/cni/net.d/multus.d/multus.kubeconfig",
      delegates: [clusterNetwork],
    });
    expect(statSync(inConf("00-multus.conf")).mode & 0o777).toBe(0o600);
    expect(statSync(inConf("multus.d/multus.kubeconfig")).mode & 0o777).toBe(0o600);
    expect(readFileSync(inConf("multus.d/multus.kubeconfig"), "utf8")).toContain("token-1");
    expect(readdirSync(binDir).sort()).toEqual(["multus", "multus-shim", "passthru"]);
    await stop();
    expect(readdirSync(confDir).sort()).toEqual(["00-multus.conf", "10-cluster.conf", "multus.d"]);
    // All of it is known as ours again.
    const files = uninstall(scratch.uninstallOptions);
    expect(files.filter(({ outcome }) => outcome !== "removed")).toEqual([]);
    expect(readdirSync(confDir)).toEqual(["10-cluster.conf"]);
  });

  it("waits for a cluster network, follows it and the token, and cleans up when it is stopped", async () => {
    const { stop } = start(["--cleanup-config-on-exit=true"]);
    await until("the kubeconfig", () => existsSync(inConf("multus.d/multus.kubeconfig")));
    expect(existsSync(inConf("00-multus.conf"))).toBe(false);
    writeCluster();
    await until("the configuration", () => existsSync(inConf("00-multus.conf")));
    writeCluster({ mtu: 9000 });
    await until("the change", () => read("00-multus.conf").delegates[0].mtu === 9000);
    writeCluster({ cniVersion: "1.0.0" });
    await until(
      "the list",
      () => existsSync(inConf("00-multus.conflist")) && !existsSync(inConf("00-multus.conf")),
    );
    account.rotate("token-2");
    await until("the new token", () =>
      readFileSync(inConf("multus.d/multus.kubeconfig"), "utf8").includes("token-2"),
    );
    await stop();
    expect(readdirSync(confDir).sort()).toEqual(["10-cluster.conf", "multus.d"]);
  });

  it.each([
    [true, ["10-cluster.conf", "multus.d"]],
    [false, ["00-multus.conf", "10-cluster.conf.old", "multus.d"]],
  ])(
    "with --cleanup-config-on-exit=auto cleans up where its DaemonSet is deleted: %s",
    async (isWanted, left) => {
      writeCluster();
      const { stop } = start(
        ["--cleanup-config-on-exit=auto", "--rename-conf-file"],
        undefined,
        "",
        async () => ({
          isWanted,
          because: "a test",
        }),
      );
      await until("the renaming", () => existsSync(inConf("10-cluster.conf.old")));
      await stop();
      expect(readdirSync(confDir).sort()).toEqual(left);
    },
  );

  it("with --cleanup-config-on-exit=auto leaves all of it where it knows of no DaemonSet", async () => {
    writeCluster();
    const { stop } = start(["--cleanup-config-on-exit=auto"]);
    await until("the configuration", () => existsSync(inConf("00-multus.conf")));
    await stop();
    expect(existsSync(inConf("00-multus.conf"))).toBe(true);
  });

  it("follows neither with --skip-config-watch", async () => {
    writeCluster();
    const { stop } = start(["--skip-config-watch", "--cleanup-config-on-exit"]);
    await until("the configuration", () => existsSync(inConf("00-multus.conf")));
    // Longer than it looks around for what was asked for once.
    await sleep(500);
    writeCluster({ mtu: 9000 });
    account.rotate("token-2");
    await sleep(1_000);
    expect(read("00-multus.conf").delegates).toEqual([clusterNetwork]);
    expect(readFileSync(inConf("multus.d/multus.kubeconfig"), "utf8")).toContain("token-1");
    await stop();
    expect(readdirSync(confDir).sort()).toEqual(["10-cluster.conf", "multus.d"]);
  });

  it("renames the cluster network's file, takes a new one, and gives the name back at the end", async () => {
    writeCluster();
    const { stop } = start(["--rename-conf-file", "--cleanup-config-on-exit"]);
    const names = () => readdirSync(confDir).sort();
    await until("the renaming", () => names().includes("10-cluster.conf.old"));
    expect(names()).toEqual(["00-multus.conf", "10-cluster.conf.old", "multus.d"]);
    writeCluster({ mtu: 9000 });
    await until(
      "the new one",
      () => read("00-multus.conf").delegates[0].mtu === 9000 && !names().includes("10-cluster.conf"),
    );
    await stop();
    expect(names()).toEqual(["10-cluster.conf", "multus.d"]);
    expect(read("10-cluster.conf").mtu).toBe(9000);
  });

  it("says once that the cluster network's file cannot be renamed, and tries again", async () => {
    writeCluster();
    const inTheWay = inConf("10-cluster.conf.old");
    mkdirSync(join(inTheWay, "something"), { recursive: true });
    const { log, stop } = start(["--rename-conf-file"]);
    await until("the complaint", () => log.errors.length > 0);
    await sleep(1_000);
    expect(log.errors).toEqual(["the cluster network's file cannot be renamed"]);
    rmSync(inTheWay, { recursive: true });
    await until("the renaming", () => !existsSync(inConf("10-cluster.conf")));
    await stop();
  });

  it("copies a file that it is given, and takes that away at the end", async () => {
    writeCluster();
    const text = '{"cniVersion":"0.4.0","name":"own","type":"multus","clusterNetwork":"cluster"}';
    const file = scratch.write("70-multus.conf", text);
    const { stop } = start([`--multus-conf-file=${file}`, "--cleanup-config-on-exit"]);
    await until("the copy", () => existsSync(inConf("70-multus.conf")));
    expect(readFileSync(inConf("70-multus.conf"), "utf8")).toBe(text);
    await stop();
    expect(readdirSync(confDir).sort()).toEqual(["10-cluster.conf", "multus.d"]);
  });

  it("puts the daemon onto the node where the image has it, and has the plugin start it", async () => {
    writeCluster();
    const executable = scratch.write("multusd", Buffer.from("\x7fELF: the Multus daemon\n", "latin1"));
    const { stop } = start([], executable, "node-1.example");
    await until("the configuration", () => existsSync(inConf("00-multus.conf")));
    const [program, option, config] = read("00-multus.conf").daemonCommand;
    expect([program, option, config]).toEqual([
      join(binDir, "multusd"),
      "--config",
      inConf("multus.d/on-demand.json"),
    ]);
    expect(readFileSync(program).equals(readFileSync(executable))).toBe(true);
    expect(statSync(program).mode & 0o777).toBe(0o755);
    expect(read("multus.d/on-demand.json")).toEqual({
      kubeconfig: "/etc/cni/net.d/multus.d/multus.kubeconfig",
      nodeName: "node-1.example",
      idleExitSeconds: 300,
    });
    // The daemon takes it.
    expect(readDaemonConfig(inConf("multus.d/on-demand.json"))).toMatchObject({
      nodeName: "node-1.example",
      unused: [],
      unknown: [],
    });
    await stop();
  });

  it("leaves the node's name to the daemon's environment where it does not know it, and refuses one that no node can have", async () => {
    writeCluster();
    const executable = scratch.write("multusd", Buffer.from("\x7fELF: the Multus daemon\n", "latin1"));
    await expect(start([], executable, "Node_1").ended).rejects.toThrow('no node\'s name: "Node_1"');
    expect(readdirSync(binDir)).not.toContain("multusd");
    const { stop } = start([], executable);
    await until("the configuration", () => existsSync(inConf("00-multus.conf")));
    expect(Object.keys(read("multus.d/on-demand.json"))).toEqual(["kubeconfig", "idleExitSeconds"]);
    await stop();
  });

  it.each([
    ["--daemon-command=none", undefined, ["multus", "multus-shim", "passthru"]],
    [
      "--daemon-command=/opt/own --idle-exit 60",
      ["/opt/own", "--idle-exit", "60"],
      ["multus", "multus-shim", "passthru"],
    ],
  ])("with %s puts no daemon there", async (argument, command, names) => {
    writeCluster();
    const { stop } = start([argument], scratch.write("multusd", "x"));
    await until("the configuration", () => existsSync(inConf("00-multus.conf")));
    expect(read("00-multus.conf").daemonCommand).toEqual(command);
    expect(readdirSync(binDir).sort()).toEqual(names);
    await stop();
  });

  it("leaves the plugin that is there with --skip-multus-binary-copy", async () => {
    writeCluster();
    writeFileSync(join(binDir, "multus"), "somebody's");
    const { stop } = start(["--skip-multus-binary-copy"]);
    await until("the configuration", () => existsSync(inConf("00-multus.conf")));
    expect(readdirSync(binDir)).toEqual(["multus"]);
    await stop();
  });

  it.each([
    ["no directory for the plugin", () => rmSync(binDir, { recursive: true }), [], /bin is not there/],
    ["no directory of the runtime", () => rmSync(confDir, { recursive: true }), [], /net\.d is not there/],
    ["no token", () => rmSync(join(account.directory, "token")), [], /token cannot be read/],
    [
      "a cluster network that is Multus's own",
      writeCluster,
      ["--multus-master-cni-file-name=00-multus.conf"],
      /Multus's own/,
    ],
    ["a version that there is not", writeCluster, ["--cni-version=7"], /--cni-version.*7/],
    ["no version to force", writeCluster, ["--force-cni-version"], /needs --cni-version/],
    ["a file that no runtime reads", writeCluster, ["--multus-conf-file=/tmp/multus.yaml"], /multus\.yaml/],
  ])("ends where there is %s, and leaves no configuration", async (_, prepare, args, message) => {
    prepare();
    await expect(start(args).ended).rejects.toThrow(message);
    expect(existsSync(inConf("00-multus.conf"))).toBe(false);
  });
});
