/** containerd's CNI section is read as containerd has it in each of its versions. */

import { describe, expect, it, test } from "vitest";
import {
  checkContainerd as lookCheckContainerd,
  readContainerdCni,
} from "../../../../src/ctl/doctor/containerd.ts";
import { findingJson } from "../../../../src/ctl/doctor/finding.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

/** As doctor reports it. */
const checkContainerd = (...args: Parameters<typeof lookCheckContainerd>) =>
  lookCheckContainerd(...args).map(findingJson);

describe("containerd's configuration", () => {
  it.each<[string, string, object]>([
    [
      "of 1.x",
      `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "pause" # bin_dir = "/no"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"   # where # they are
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".containerd]
    conf_dir = "/other"`,
      { binDirs: ["/usr/lib/cni"], confDir: "/etc/cni/net.d", maxConfNum: 1 },
    ],
    [
      "of 2.x",
      `version = 3
imports = ['/etc/containerd/conf.d/*.toml']
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dir = ''
  bin_dirs = [
    '/opt/cni/bin', # first
    "/usr/lib/cni",
  ]
  max_conf_num = 0`,
      {
        binDirs: ["/opt/cni/bin", "/usr/lib/cni"],
        confDir: "",
        maxConfNum: 0,
        imports: ["/etc/containerd/conf.d/*.toml"],
      },
    ],
    ["of version 1", '[plugins.cri.cni]\nbin_dir = "/a"', { binDirs: ["/a"] }],
    ["without the section", "version = 3\n", { binDirs: [], confDir: "", maxConfNum: undefined }],
  ])("%s", (_, text, expected) => {
    expect(readContainerdCni(text)).toMatchObject(expected);
  });
});

describe("reports settings that disagree with Multus", () => {
  const verdicts = (text: string) => {
    using directory = new ScratchDirectory();
    const path = directory.write("config.toml", `[plugins."io.containerd.grpc.v1.cri".cni]\n${text}`);
    return checkContainerd(path, "/etc/cni/net.d", "/opt/cni/bin").map(({ verdict, finding }) => [
      verdict,
      finding,
    ]);
  };

  it.each([
    [
      'conf_dir = "/etc/cni/other"',
      "fail",
      /conf_dir of .* is \/etc\/cni\/other, and Multus's file is in \/etc\/cni\/net\.d/,
    ],
    [
      'bin_dir = "/usr/lib/cni"',
      "fail",
      /bin_dir of .* is \/usr\/lib\/cni, and Multus is installed in \/opt\/cni\/bin/,
    ],
    ["max_conf_num = 0", "warn", /max_conf_num of .* is 0/],
    ['conf_dir = "/etc/cni/net.d/"\nbin_dir = "/opt/cni/bin"\nmax_conf_num = 1', "pass", /agrees/],
    ["", "pass", /agrees/],
  ])("%s: %s", (text, verdict, finding) => {
    expect(verdicts(text)).toEqual([[verdict, expect.stringMatching(finding)]]);
  });

  test("a file that is not there is skipped", () => {
    expect(checkContainerd("/nowhere/config.toml", "/c", "/b")).toMatchObject([{ verdict: "skip" }]);
  });
});
