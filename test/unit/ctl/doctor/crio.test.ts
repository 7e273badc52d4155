/** CRI-O's network table is read from all the files that CRI-O reads, in its order. */

import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  lookForCrio as lookAtCrio,
  checkCrio as lookCheckCrio,
  readCrioNetwork,
} from "../../../../src/ctl/doctor/crio.ts";
import { findingJson } from "../../../../src/ctl/doctor/finding.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

/** As doctor reports it. */
const checkCrio = (...args: Parameters<typeof lookCheckCrio>) => lookCheckCrio(...args).map(findingJson);
const lookForCrio = (...args: Parameters<typeof lookAtCrio>) => {
  const { network, findings } = lookAtCrio(...args);
  return { network, findings: findings.map(findingJson) };
};

const confDir = "/etc/cni/net.d";
const binDir = "/opt/cni/bin";

function networkOf(...texts: readonly string[]) {
  return readCrioNetwork(texts.map((text, index) => ({ file: `${index}.conf`, text })));
}

describe("CRI-O's configuration", () => {
  it("has CRI-O's defaults where nothing is said", () => {
    expect(networkOf("[crio.runtime]\nnetwork_dir = '/no'\n# plugin_dirs = ['/no']")).toEqual({
      networkDir: { value: confDir, file: "" },
      pluginDirs: { value: [binDir], file: "" },
      defaultNetwork: { value: "", file: "" },
    });
  });

  it("has what the last file says, key by key", () => {
    const first = `[crio]
      log_dir = "/var/log"
      [crio.network]
      network_dir = "/a/"
      cni_default_network = "old"
      plugin_dirs = [
        "/usr/libexec/cni", # a distribution's
        "/b",
      ]`;
    const last = "[crio.network]\ncni_default_network = 'new'";
    expect(networkOf(first, last)).toEqual({
      networkDir: { value: "/a/", file: "0.conf" },
      pluginDirs: { value: ["/usr/libexec/cni", "/b"], file: "0.conf" },
      defaultNetwork: { value: "new", file: "1.conf" },
    });
  });

  it("has the one directory of older releases besides", () => {
    expect(networkOf("crio.network.plugin_dir = '/old'").pluginDirs.value).toEqual([binDir, "/old"]);
  });
});

describe("its files", () => {
  it("are crio.conf, and below crio.conf.d every file at any depth, sorted by name", () => {
    using directory = new ScratchDirectory();
    const path = directory.write(
      "crio.conf",
      "[crio.network]\nnetwork_dir = '/main'\nplugin_dirs = ['/main']",
    );
    directory.write("crio.conf.d/20-last", "[crio.network]\ncni_default_network = 'last'");
    directory.write("crio.conf.d/10-first/x.toml", "crio.network.cni_default_network = 'first'");
    directory.write("crio.conf.d/15.conf", "[crio.network]\nplugin_dirs = ['/dropped-in']");
    directory.write("link-to", "[crio.network]\nnetwork_dir = '/linked'");
    symlinkSync("../link-to", join(directory.path, "crio.conf.d", "05-link"));
    symlinkSync("nowhere", join(directory.path, "crio.conf.d", "99-dangling"));
    expect(lookForCrio(path, directory.path)).toEqual({
      network: {
        networkDir: { value: "/linked", file: `${path}.d/05-link` },
        pluginDirs: { value: ["/dropped-in"], file: `${path}.d/15.conf` },
        defaultNetwork: { value: "last", file: `${path}.d/20-last` },
      },
      findings: [],
    });
  });

  it("may be drop-ins alone, or not there at all", () => {
    using directory = new ScratchDirectory();
    const path = join(directory.path, "crio.conf");
    mkdirSync(`${path}.d`);
    expect(lookForCrio(path, directory.path)).toEqual({ network: undefined, findings: [] });
    directory.write("crio.conf.d/10-crio.conf", "");
    expect(lookForCrio(path, directory.path).network).toBeDefined();
  });

  it("are not looked at where containerd is what runs", () => {
    using directory = new ScratchDirectory();
    const path = directory.write("crio.conf", "");
    directory.write("proc/7/comm", "containerd\n");
    const processes = join(directory.path, "proc");
    expect(lookForCrio(path, processes)).toMatchObject({
      network: undefined,
      findings: [{ check: "runtime/crio", verdict: "skip", finding: expect.stringContaining(path) }],
    });
    directory.write("proc/8/comm", "crio\n");
    expect(lookForCrio(path, processes).network).toBeDefined();
  });

  it("that cannot be read are skipped", () => {
    using directory = new ScratchDirectory();
    directory.write("crio.conf.d", "no directory");
    const { network, findings } = lookForCrio(join(directory.path, "crio.conf"), directory.path);
    expect(network).toBeUndefined();
    expect(findings).toMatchObject([{ verdict: "skip", remedy: "run it with sudo" }]);
  });
});

describe("reports settings that disagree with Multus, with their file", () => {
  const verdicts = (text: string, multusNetwork = "multus-cni-network") =>
    checkCrio(networkOf(`[crio.network]\n${text}`), confDir, binDir, multusNetwork).map(
      ({ verdict, finding }) => [verdict, finding],
    );

  it.each([
    ["", "pass", /agrees/],
    ["network_dir = '/etc/cni/net.d/'\nplugin_dirs = ['/usr/lib/cni', '/opt/cni/bin/']", "pass", /agrees/],
    ["cni_default_network = 'multus-cni-network'", "pass", /agrees/],
    [
      "network_dir = '/etc/cni/other'",
      "fail",
      /^network_dir of 0\.conf is \/etc\/cni\/other, and Multus's file is in \/etc\/cni\/net\.d$/,
    ],
    [
      "plugin_dirs = ['/usr/lib/cni', '/usr/libexec/cni']",
      "fail",
      /^plugin_dirs of 0\.conf is \/usr\/lib\/cni, \/usr\/libexec\/cni, and Multus is installed in/,
    ],
    [
      "cni_default_network = 'crio'",
      "fail",
      /^cni_default_network of 0\.conf is crio, and Multus's network is multus-cni-network: pods get crio alone/,
    ],
  ])("%s: %s", (text, verdict, finding) => {
    expect(verdicts(text)).toEqual([[verdict, expect.stringMatching(finding)]]);
  });

  it("is its default too", () => {
    expect(checkCrio(networkOf(""), "/etc/kubernetes/cni", "/usr/lib/cni", "")).toMatchObject([
      { verdict: "fail", finding: expect.stringMatching(/^CRI-O's default of network_dir is/) },
      { verdict: "fail", finding: expect.stringMatching(/^CRI-O's default of plugin_dirs is/) },
    ]);
  });

  it("is no network's name where Multus has no file: that is said elsewhere", () => {
    expect(verdicts("cni_default_network = 'crio'", "")).toEqual([["pass", expect.stringMatching(/agrees/)]]);
  });
});
