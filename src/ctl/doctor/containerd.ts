/** containerd's configuration as far as CNI is concerned: of its TOML only the keys of the CNI section are read, in the forms of version 1.x and 2.x. */

import { readFileSync } from "node:fs";
import { isMissingFile } from "../../cni/errors.ts";
import { errorText } from "../../log/error-text.ts";
import { type Finding, fail, pass, skip, warn } from "./finding.ts";

export interface ContainerdCni {
  /** bin_dir, bin_dirs; none where neither is there. */
  readonly binDirs: readonly string[];
  /** "" where it is not there. */
  readonly confDir: string;
  readonly maxConfNum: number | undefined;
  /** Files that it takes in: they may say otherwise. */
  readonly imports: readonly string[];
}

const check = "runtime/containerd";
/** Those of 1.x (`grpc.v1.cri`) and 2.x (`cri.v1.runtime`). */
const cniSection =
  /^\[\s*plugins\s*\.\s*["']?io\.containerd\.(?:grpc\.v1\.cri|cri\.v1\.runtime)["']?\s*\.\s*["']?cni["']?\s*\]$/;
/** Version 1 of the file has no long names. */
const oldSection = /^\[\s*plugins\s*\.\s*["']?cri["']?\s*\.\s*["']?cni["']?\s*\]$/;

/** @param text TOML; what is no key of the CNI section is passed over, however it is written */
export function readContainerdCni(text: string): ContainerdCni {
  let section = "";
  let binDirs: string[] = [];
  let confDir = "";
  let maxConfNum: number | undefined;
  let imports: string[] = [];
  for (const content of linesOf(text)) {
    if (content.startsWith("[")) {
      section = content;
      continue;
    }
    const [, key = "", value = ""] = /^([A-Za-z0-9_-]+)\s*=\s*(.*)$/.exec(content) ?? [];
    if (section === "" && key === "imports") imports = textsIn(value);
    if (!cniSection.test(section) && !oldSection.test(section)) continue;
    if (key === "bin_dir" || key === "bin_dirs") {
      const given = textsIn(value).filter((path) => path !== "");
      // bin_dirs is later, and wins; an empty one says nothing.
      if (given.length > 0 && (key === "bin_dirs" || binDirs.length === 0)) binDirs = given;
    }
    if (key === "conf_dir") confDir = textsIn(value)[0] ?? "";
    if (key === "max_conf_num" && /^\d+$/.test(value)) maxConfNum = Number(value);
  }
  return { binDirs, confDir, maxConfNum, imports };
}

/** Lines without comments; a list that goes over several lines is one. */
function linesOf(text: string): string[] {
  const lines: string[] = [];
  let isOpen = false;
  for (const line of text.split("\n")) {
    const content = withoutComment(line).trim();
    if (isOpen) lines.push(`${lines.pop() ?? ""} ${content}`);
    else lines.push(content);
    isOpen = (isOpen || /=\s*\[/.test(content)) && !content.includes("]");
  }
  return lines;
}

function withoutComment(line: string): string {
  return line.replace(/^((?:[^"'#]|"(?:[^"\\]|\\.)*"|'[^']*')*)#.*$/, "$1");
}

function textsIn(value: string): string[] {
  return Array.from(
    value.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g),
    ([, double, single]) => double ?? single ?? "",
  );
}

/** @param path of config.toml @param confDir @param binDir those that Multus is installed in */
export function checkContainerd(path: string, confDir: string, binDir: string): Finding[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const why = isMissingFile(error)
      ? `there is no ${path}: the runtime is another one, or containerd runs on its defaults`
      : errorText(error);
    return [skip(check, why, "--containerd-config names the file")];
  }
  const cni = readContainerdCni(text);
  const findings: Finding[] = [];
  if (cni.confDir !== "" && !samePath(cni.confDir, confDir)) {
    findings.push(
      fail(
        check,
        `conf_dir of ${path} is ${cni.confDir}, and Multus's file is in ${confDir}`,
        "have Multus write into the same directory: cniConfigDir and multusAutoconfigDir, --cni-conf-dir here",
      ),
    );
  }
  if (cni.binDirs.length > 0 && !cni.binDirs.some((each) => samePath(each, binDir))) {
    findings.push(
      fail(
        check,
        `bin_dir of ${path} is ${cni.binDirs.join(", ")}, and Multus is installed in ${binDir}`,
        "install it where containerd looks: multusctl install --cni-bin-dir",
      ),
    );
  }
  if (cni.maxConfNum !== undefined && cni.maxConfNum !== 1) {
    findings.push(
      warn(
        check,
        `max_conf_num of ${path} is ${cni.maxConfNum}: containerd attaches pods to that many files of ${confDir}, Multus's and others`,
        "set max_conf_num to 1: Multus calls the cluster network itself",
      ),
    );
  }
  if (cni.imports.length > 0 && findings.length === 0) {
    return [
      pass(check, `${path} agrees with Multus; what it imports (${cni.imports.join(", ")}) was not read`),
    ];
  }
  return findings.length > 0 ? findings : [pass(check, `${path} agrees with Multus's directories`)];
}

function samePath(left: string, right: string): boolean {
  const plain = (path: string) => path.replace(/\/+$/, "").replace(/\/{2,}/g, "/");
  return plain(left) === plain(right);
}
