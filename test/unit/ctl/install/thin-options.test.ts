/** The options of Go multus's thin entrypoint: accepted by its names and in its forms, and what they say. */

import { Command } from "@commander-js/extra-typings";
import { describe, expect, it } from "vitest";
import {
  addThinOptions,
  generatorOptions,
  type ThinOptions,
} from "../../../../src/ctl/install/thin-options.ts";

function parse(...args: string[]): ThinOptions {
  const command = addThinOptions(new Command("thin-entrypoint"))
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .allowExcessArguments();
  return command.parse(args, { from: "user" }).opts();
}

const keysOf = (...args: string[]) => {
  const { netconfKeys } = generatorOptions(parse(...args), []);
  return Object.fromEntries(Object.entries(netconfKeys).filter(([, value]) => value !== undefined));
};

describe("options", () => {
  it("have the defaults that Go multus's manifests count on", () => {
    expect(parse()).toEqual({
      cniBinDir: "/host/opt/cni/bin",
      cniConfDir: "/host/etc/cni/net.d",
      cniVersion: "",
      multusConfFile: "auto",
      multusCniConfDir: "/host/etc/cni/multus/net.d",
      skipMultusBinaryCopy: false,
      multusKubeconfigFileHost: "/etc/cni/net.d/multus.d/multus.kubeconfig",
      multusMasterCniFileName: "",
      namespaceIsolation: false,
      globalNamespaces: "",
      multusAutoconfigDir: "/host/etc/cni/net.d",
      multusLogToStderr: true,
      multusLogLevel: "",
      multusLogFile: "",
      overrideNetworkName: false,
      cleanupConfigOnExit: false,
      skipConfigWatch: false,
      renameConfFile: false,
      readinessIndicatorFile: "",
      additionalBinDir: "",
      forceCniVersion: false,
      skipTlsVerify: false,
      restartCrio: false,
    });
  });

  // The arguments of Go multus's manifests: thin, CRI-O, its end-to-end tests, its documentation, and what older ones have.
  it.each([
    [
      "--multus-conf-file=auto",
      "--multus-autoconfig-dir=/host/etc/cni/net.d",
      "--cni-conf-dir=/host/etc/cni/net.d",
    ],
    ["--cni-version=0.3.1", "--cni-bin-dir=/host/usr/libexec/cni", "--multus-conf-file=auto"],
    ["--multus-conf-file=auto", "--force-cni-version=true", "--cni-version=1.1.0"],
    ["--multus-conf-file=auto", "--namespace-isolation=true", "--multus-log-level=verbose"],
    ["--multus-conf-file=/tmp/multus-conf/70-multus.conf"],
    [
      "--multus-conf-file=auto",
      "--cleanup-config-on-exit=true",
      "--skip-config-watch",
      "--restart-crio=true",
    ],
    ["--rename-conf-file=true", "--additional-bin-dir=/opt/multus/bin", "--skip-multus-binary-copy=true"],
    ["--multus-bin-file=/usr/src/multus-cni/bin/multus", "--override-network-name", "--skip-tls-verify=T"],
    ["--multus-master-cni-file-name", "10-calico.conflist", "--readiness-indicator-file", "/run/x"],
  ])("takes %j", (...args) => {
    expect(() => parse(...args)).not.toThrow();
  });

  it.each([
    [[], true],
    [["--multus-log-to-stderr"], true],
    [["--multus-log-to-stderr=false"], false],
    [["--multus-log-to-stderr=0"], false],
    [["--multus-log-to-stderr=TRUE"], true],
    [["--multus-log-to-stderr=f", "--multus-log-to-stderr=t"], true],
  ])("takes a flag as Go writes it: %j", (args, value) => {
    expect(parse(...args).multusLogToStderr).toBe(value);
  });

  it.each([
    ["--cleanup-config-on-exit", true],
    ["--cleanup-config-on-exit=true", true],
    ["--cleanup-config-on-exit=false", false],
    ["--cleanup-config-on-exit=auto", "auto"],
  ])("takes %s for the end: %s", (argument, value) => {
    expect(parse(argument).cleanupConfigOnExit).toBe(value);
  });

  it("takes a value with = and without", () => {
    expect(parse("--cni-conf-dir", "/a", "--cni-bin-dir=/b=c")).toMatchObject({
      cniConfDir: "/a",
      cniBinDir: "/b=c",
    });
    expect(parse("--skip-config-watch", "--cni-conf-dir", "/a")).toMatchObject({
      skipConfigWatch: true,
      cniConfDir: "/a",
    });
  });

  it.each([
    ["--namespace-isolation=yes", "true or false"],
    ["--cleanup-config-on-exit=later", "true or false"],
    ["--multus-log-level=chatty", "debug, verbose, error or panic"],
    ["--no-such-option", "unknown option"],
  ])("refuses %s", (argument, message) => {
    expect(() => parse(argument)).toThrow(message);
  });
});

describe("generatorOptions", () => {
  it("says nothing that the options do not", () => {
    expect(keysOf()).toEqual({
      generatedBy: "multus-wasm",
      kubeconfig: "/etc/cni/net.d/multus.d/multus.kubeconfig",
    });
    expect(generatorOptions(parse(), [])).toMatchObject({ form: "thin", type: "multus", cniVersion: "" });
  });

  it("writes what they say under the netconf's names", () => {
    const args = [
      ...["--namespace-isolation", "--global-namespaces=default,foo", "--multus-log-to-stderr=false"],
      ...[
        "--multus-log-level=Verbose",
        "--multus-log-file=/var/log/multus.log",
        "--additional-bin-dir=/opt/x",
      ],
      ...["--multus-cni-conf-dir=/host/etc/own", "--readiness-indicator-file=/run/ready"],
      "--multus-kubeconfig-file-host=/etc/own/kubeconfig",
    ];
    expect(keysOf(...args)).toEqual({
      generatedBy: "multus-wasm",
      kubeconfig: "/etc/own/kubeconfig",
      namespaceIsolation: true,
      globalNamespaces: "default,foo",
      logToStderr: false,
      logLevel: "verbose",
      logFile: "/var/log/multus.log",
      binDir: "/opt/x",
      confDir: "/etc/own",
      readinessindicatorfile: "/run/ready",
    });
  });

  it("has the daemon's command where there is one", () => {
    expect(generatorOptions(parse(), ["/opt/cni/bin/multusd"]).netconfKeys.daemonCommand).toEqual([
      "/opt/cni/bin/multusd",
    ]);
  });
});
