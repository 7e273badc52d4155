/** The daemon's keys about the runtime's file: the ones of Go multus's daemon, with its defaults where it has some that are of use. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createRuntimeConfigKeeper } from "../../../src/daemon/runtime-config.ts";
import { parseDaemonConfig } from "../../../src/daemon-config/config.ts";
import type { RuntimeConfigSettings } from "../../../src/daemon-config/runtime-config.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { cniRefusal } from "../../support/refusal.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const parse = (keys: Readonly<Record<string, unknown>>) =>
  parseDaemonConfig(Buffer.from(JSON.stringify(keys)), "daemon-config.json");

function settings(keys: Readonly<Record<string, unknown>>): RuntimeConfigSettings {
  const { runtimeConfig } = parse(keys);
  if (runtimeConfig === undefined) throw new Error("there is no file to keep");
  return runtimeConfig;
}

function made(keys: Readonly<Record<string, unknown>>) {
  const { from } = settings({ multusConfigFile: "auto", ...keys });
  if ("file" in from) throw new Error("it is not made");
  return from;
}

describe("whether a file is kept, and where it comes from", () => {
  test.each([
    [{}],
    [{ multusConfigFile: "" }],
    [{ multusConfigFile: "", multusAutoconfigDir: "" }],
    [{ cniConfigDir: "/d", cniVersion: "1.0.0" }],
  ])("%j: none", (keys) => {
    expect(parse(keys).runtimeConfig).toBeUndefined();
  });

  test.each([
    [{ multusConfigFile: "auto" }, "/etc/cni/net.d", "/etc/cni/net.d", ""],
    [{ multusAutoconfigDir: "/a" }, "/etc/cni/net.d", "/a", ""],
    [{ multusConfigFile: "auto", cniConfigDir: "/d" }, "/d", "/d", ""],
    [
      { multusConfigFile: "auto", cniConfigDir: "/d", multusAutoconfigDir: "/a", multusMasterCNI: "x.conf" },
      "/d",
      "/a",
      "x.conf",
    ],
  ])("%j: made", (keys, directory, from, name) => {
    expect(settings(keys)).toMatchObject({ directory, from: { clusterNetwork: { directory: from, name } } });
  });

  test("a path: that file", () => {
    expect(settings({ multusConfigFile: "/x/05-mine.conf", multusAutoconfigDir: "/a" }).from).toEqual({
      file: "/x/05-mine.conf",
    });
  });

  test("keys that are for nothing are named", () => {
    const keys = { cniConfigDir: "/d", cniVersion: "1.0.0", type: "multus", overrideNetworkName: true };
    expect(parse(keys).unused).toEqual(Object.keys(keys));
    expect(parse({ ...keys, multusConfigFile: "auto", name: "mine" }).unused).toEqual(["name"]);
    expect(parse({ ...keys, multusConfigFile: "/x/05-mine.conf" }).unused).toEqual([
      "cniVersion",
      "type",
      "overrideNetworkName",
    ]);
  });
});

describe("content of the file", () => {
  test("is what Go multus's daemon writes there, and what the plugin reads", () => {
    const kept = {
      binDir: "/usr/lib/cni",
      cniDir: "/var/lib/cni/multus",
      logFile: "/var/log/multus.log",
      logLevel: "debug",
      logToStderr: false,
      logOptions: { maxAge: 3 },
      namespaceIsolation: true,
      globalNamespaces: "default,infra",
      auxiliaryCNIChainName: "chain",
      daemonSocketDir: "/run/other",
    };
    const { options } = made({
      ...kept,
      kubeconfig: "/k",
      confDir: "/c",
      nadDir: "/n",
      readinessindicatorfile: "/run/ready",
      type: "multus-shim",
      capabilities: { mac: true },
      cniVersion: "1.0.0",
      forceCNIVersion: true,
      overrideNetworkName: true,
    });
    expect(options).toEqual({
      form: "thick",
      type: "multus-shim",
      cniVersion: "1.0.0",
      forceCniVersion: true,
      overrideNetworkName: true,
      capabilities: { mac: true },
      netconfKeys: { ...kept, generatedBy: "multus-wasm" },
    });
  });

  test.each([
    [{}, undefined],
    [{ socketDir: "/run/multus/" }, undefined],
    // The host's, mounted in a container.
    [{ socketDir: "/host/run/multus/" }, undefined],
    [{ socketDir: "/run/other/" }, "/run/other"],
    [{ socketDir: "/run/other", daemonSocketDir: "/run/multus" }, "/run/multus"],
    [{ socketDir: "/run/other", daemonSocketDir: "" }, "/run/other"],
  ])("%j: the plugin looks for the socket in %s", (keys, daemonSocketDir) => {
    expect(made(keys).options.netconfKeys.daemonSocketDir).toBe(daemonSocketDir);
  });
});

describe("at a daemon's end", () => {
  test.each([
    [{}, "auto"],
    [{ cleanupConfigOnExit: "auto" }, "auto"],
    [{ cleanupConfigOnExit: false }, false],
    [{ cleanupConfigOnExit: true }, true],
    [{ daemonCommand: ["/opt/multus/multusd"] }, "auto"],
  ])("%j: the file goes: %s", (keys, removeOnExit) => {
    expect(settings({ multusConfigFile: "auto", ...keys }).removeOnExit).toBe(removeOnExit);
  });
});

describe("refused configurations", () => {
  test.each([
    [{ cniVersion: "2.0.0" }, 1, /^daemon-config\.json: cniVersion "2\.0\.0" is not supported/],
    [{ forceCNIVersion: true }, 7, /^daemon-config\.json: forceCNIVersion needs cniVersion/],
    [{ multusMasterCNI: "00-multus.conf" }, 7, /^daemon-config\.json: multusMasterCNI 00-multus\.conf: /],
    [{ cniConfigDir: "net.d" }, 7, /cniConfigDir must match pattern/],
    [{ multusAutoconfigDir: "net.d" }, 7, /multusAutoconfigDir must match pattern/],
    [{ multusConfigFile: "mine.conf" }, 7, /multusConfigFile must match pattern/],
    [{ daemonSocketDir: "run" }, 7, /daemonSocketDir must match pattern/],
    [{ capabilities: { mac: "yes" } }, 7, /capabilities\.mac must be boolean/],
  ])("%j with code %i", (keys, code, message) => {
    const error = cniRefusal(() => parse({ multusConfigFile: "auto", ...keys }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test("a user's file that no runtime would read; one that is where the runtime looks is left alone", () => {
    using directory = new ScratchDirectory("keeper");
    const log = new RecordingLogger();
    const keeper = (multusConfigFile: string) =>
      createRuntimeConfigKeeper(
        settings({ multusConfigFile, cniConfigDir: directory.path }),
        loadKernels(),
        log,
      );
    expect(cniRefusal(() => keeper("/etc/multus.cfg")).message).toContain("multusConfigFile");
    const file = join(directory.path, "05-mine.conf");
    writeFileSync(file, "{}");
    expect(keeper(file)).toBeUndefined();
    mkdirSync(join(directory.path, "elsewhere"));
    expect(keeper(join(directory.path, "elsewhere", "05-mine.conf"))).toBeDefined();
  });
});
