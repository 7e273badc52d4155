/** Reads and checks the CNI part of containerd's configuration, of versions 1.x and 2.x. */

import { readFileSync } from "node:fs";
import { isMissingFile } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";
import { checkDirectories } from "./runtime-directories.ts";
import { textsIn, tomlEntries } from "./toml.ts";

export interface ContainerdCni {
  /** bin_dir or bin_dirs; empty if neither is set. */
  readonly binDirs: readonly string[];
  /** "" if not set. */
  readonly confDir: string;
  readonly maxConfNum: number | undefined;
  /** Files that it imports, which may override it. */
  readonly imports: readonly string[];
}

/** Plugin names of 1.x and 2.x; version 1 of the file has no long names. */
const cniOwners = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "cri"];

/** @param text TOML; everything but keys of the CNI section is ignored */
export function readContainerdCni(text: string): ContainerdCni {
  let binDirs: string[] = [];
  let confDir = "";
  let maxConfNum: number | undefined;
  let imports: string[] = [];
  for (const { path, value } of tomlEntries(text)) {
    if (path.join() === "imports") imports = textsIn(value);
    const [plugins, owner = "", cni, key = "", ...further] = path;
    if (plugins !== "plugins" || !cniOwners.includes(owner) || cni !== "cni" || further.length > 0) continue;
    if (key === "bin_dir" || key === "bin_dirs") {
      const given = textsIn(value).filter((directory) => directory !== "");
      // bin_dirs is newer and takes precedence, unless it is empty.
      if (given.length > 0 && (key === "bin_dirs" || binDirs.length === 0)) binDirs = given;
    }
    if (key === "conf_dir") confDir = textsIn(value)[0] ?? "";
    if (key === "max_conf_num" && /^\d+$/.test(value)) maxConfNum = Number(value);
  }
  return { binDirs, confDir, maxConfNum, imports };
}

/** @param path of config.toml @param confDir @param binDir those that Multus is installed in */
export function checkContainerd(path: string, confDir: string, binDir: string): NodeFinding[] {
  const findings = new CheckFindings("runtime/containerd");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const why = isMissingFile(error)
      ? `there is no ${path}: the runtime is another one, or containerd runs on its defaults`
      : errorText(error);
    return findings.skip(why, "--containerd-config names the file");
  }
  const cni = readContainerdCni(text);
  const keys = { confDirKey: `conf_dir of ${path}`, binDirsKey: `bin_dir of ${path}` };
  checkDirectories(findings, { name: "containerd", ...cni, ...keys }, confDir, binDir);
  if (cni.maxConfNum !== undefined && cni.maxConfNum !== 1) {
    findings.warn(
      `max_conf_num of ${path} is ${cni.maxConfNum}: containerd attaches pods to that many files of ${confDir}, Multus's and others`,
      "set max_conf_num to 1: Multus calls the cluster network itself",
    );
  }
  return findings.orPass(
    cni.imports.length > 0
      ? `${path} agrees with Multus; its imports (${cni.imports.join(", ")}) were not read`
      : `${path} agrees with Multus's directories`,
  );
}
