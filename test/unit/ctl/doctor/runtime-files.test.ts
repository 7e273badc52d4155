/** Findings of doctor about a runtime's directory: which file it takes, and what is wrong. */

import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findingJson } from "../../../../src/ctl/doctor/finding.ts";
import { checkRuntimeFiles as lookAtRuntimeFiles } from "../../../../src/ctl/doctor/runtime-files.ts";
import { loadKernels } from "../../../../src/kernels/load.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

/** As doctor reports it. */
const checkRuntimeFiles = (...args: Parameters<typeof lookAtRuntimeFiles>) => {
  const { findings, file } = lookAtRuntimeFiles(...args);
  return { findings: findings.map(findingJson), file };
};

const kernels = loadKernels();
const capabilities = { "io.kubernetes.cri.pod-annotations": true };

/** A runtime's directory with these files, and plugins beside it. */
class Runtime extends ScratchDirectory {
  readonly confDir = join(this.path, "net.d");
  readonly binDir = join(this.path, "bin");

  constructor(
    files: Readonly<Record<string, unknown>>,
    plugins: readonly string[] = ["multus", "bridge", "host-local"],
  ) {
    super("runtime");
    this.write("net.d/README", "");
    for (const plugin of plugins) chmodSync(this.write(`bin/${plugin}`, ""), 0o755);
    for (const [name, content] of Object.entries(files)) {
      const text = typeof content === "string" ? content : JSON.stringify(content);
      chmodSync(this.write(`net.d/${name}`, text.replaceAll("CONF_DIR", this.confDir)), 0o600);
    }
  }

  check(binDirs: readonly string[] = [this.binDir]) {
    return checkRuntimeFiles(this.confDir, kernels, binDirs);
  }
}

const multus = {
  cniVersion: "1.0.0",
  name: "multus-cni-network",
  type: "multus",
  capabilities,
  daemonSocketDir: "/run/other",
  clusterNetwork: "CONF_DIR/10-bridge.conflist",
};
const cluster = {
  cniVersion: "1.0.0",
  name: "bridge",
  plugins: [{ type: "bridge", ipam: { type: "host-local" } }],
};

describe("a runtime's directory", () => {
  it("that is as it should be passes", () => {
    using runtime = new Runtime({ "00-multus.conf": multus, "10-bridge.conflist": cluster });
    const { findings, file } = runtime.check();
    expect(findings.map(({ check, verdict }) => [check, verdict])).toEqual([
      ["runtime/first-file", "pass"],
      ["runtime/configuration", "pass"],
      ["runtime/cluster-network", "pass"],
    ]);
    expect(file).toMatchObject({
      type: "multus",
      socketDir: "/run/other",
      path: join(runtime.confDir, "00-multus.conf"),
    });
  });

  it("passes with the cluster network's file as a daemon's pod names it", () => {
    const clusterNetwork = `/host${multus.clusterNetwork}`;
    using runtime = new Runtime({
      "00-multus.conf": { ...multus, clusterNetwork },
      "10-bridge.conflist": cluster,
    });
    expect(runtime.check().findings.map(({ verdict }) => verdict)).toEqual(["pass", "pass", "pass"]);
  });

  it("passes where plugins cannot be seen, and says so", () => {
    using runtime = new Runtime({ "00-multus.conf": multus, "10-bridge.conflist": cluster }, []);
    expect(runtime.check([]).findings.at(-1)).toMatchObject({
      verdict: "pass",
      finding: expect.stringContaining("its plugins cannot be checked from here"),
    });
  });

  it("passes with Multus as the plugin of a list", () => {
    const { cniVersion, name, ...plugin } = multus;
    using runtime = new Runtime({
      "00-multus.conflist": { cniVersion, name, plugins: [plugin] },
      "10-bridge.conflist": cluster,
    });
    const { findings, file } = runtime.check();
    expect(findings.filter(({ verdict }) => verdict !== "pass")).toEqual([]);
    expect(file?.netconf.clusterNetwork).toBe(join(runtime.confDir, "10-bridge.conflist"));
  });

  it("may have a file before Multus's where the runtime takes a network by its name", () => {
    using runtime = new Runtime({
      "00-a.conflist": cluster,
      "00-multus.conf": multus,
      "10-bridge.conflist": cluster,
    });
    const firstFile = (chosenNetwork: string) =>
      checkRuntimeFiles(runtime.confDir, kernels, [runtime.binDir], chosenNetwork).findings[0];
    expect(firstFile("multus-cni-network")).toMatchObject({
      verdict: "pass",
      finding: expect.stringContaining("that CRI-O takes by its name, multus-cni-network"),
    });
    expect(firstFile("bridge")?.verdict).toBe("fail");
    expect(firstFile("")?.verdict).toBe("fail");
  });

  it.each<[string, Readonly<Record<string, unknown>>, string, RegExp]>([
    ["is empty", {}, "fail", /no network configuration/],
    [
      "has no file of Multus's",
      { "10-bridge.conflist": cluster },
      "fail",
      /none of the files .* is Multus's; the runtime uses 10-bridge\.conflist/,
    ],
    [
      "has a file before it",
      { "00-multus.conf": multus, "10-bridge.conflist": cluster, "00-a.conf": { ...cluster } },
      "fail",
      /the runtime uses 00-a\.conf, which sorts before Multus's 00-multus\.conf/,
    ],
    [
      "names a network that is not there",
      { "00-multus.conf": multus },
      "fail",
      /clusterNetwork .*10-bridge\.conflist is not there: every ADD fails/,
    ],
    [
      "names Multus itself",
      { "00-multus.conf": { ...multus, clusterNetwork: "CONF_DIR/00-multus.conf" } },
      "fail",
      /is Multus's own/,
    ],
    [
      "is broken",
      { "00-multus.conf": { ...multus, namespaceIsolation: "yes" }, "10-bridge.conflist": cluster },
      "fail",
      /namespaceIsolation/,
    ],
    [
      "asks for no annotations",
      { "00-multus.conf": { ...multus, capabilities: {} }, "10-bridge.conflist": cluster },
      "warn",
      /io\.kubernetes\.cri\.pod-annotations/,
    ],
    [
      "names a plugin that is not installed",
      { "00-multus.conf": multus, "10-bridge.conflist": { ...cluster, plugins: [{ type: "calico" }] } },
      "fail",
      /plugin calico is not installed/,
    ],
    [
      "has a broken network",
      { "00-multus.conf": multus, "10-bridge.conflist": '{"plugins": [}' },
      "fail",
      /10-bridge\.conflist.*/,
    ],
    [
      "waits for a file",
      {
        "00-multus.conf": { ...multus, readinessindicatorfile: "/nowhere/ready" },
        "10-bridge.conflist": cluster,
      },
      "fail",
      /readinessindicatorfile \/nowhere\/ready is missing/,
    ],
  ])("that %s: %3$s", (_, files, verdict, finding) => {
    using runtime = new Runtime(files);
    const { findings } = runtime.check();
    expect(findings).toContainEqual(
      expect.objectContaining({
        verdict,
        finding: expect.stringMatching(finding),
        remedy: expect.stringMatching(/./),
      }),
    );
  });

  it("has an older cluster network, as Calico's, without a finding", () => {
    using runtime = new Runtime({
      "00-multus.conf": { ...multus, cniVersion: "1.1.0" },
      "10-bridge.conflist": { ...cluster, cniVersion: "0.3.1" },
    });
    const { findings } = runtime.check();
    expect(findings.filter(({ verdict }) => verdict !== "pass" && verdict !== "skip")).toEqual([]);
  });

  it("whose file others can write is said", () => {
    using runtime = new Runtime({ "00-multus.conf": multus, "10-bridge.conflist": cluster });
    chmodSync(join(runtime.confDir, "00-multus.conf"), 0o666);
    expect(runtime.check().findings).toContainEqual(
      expect.objectContaining({
        verdict: "warn",
        finding: expect.stringMatching(/can be written by others/),
      }),
    );
  });

  it("that is not there is skipped", () => {
    expect(checkRuntimeFiles("/nowhere", kernels, []).findings).toMatchObject([{ verdict: "skip" }]);
  });
});
