/** Targets: JSON, configurations, CNI_ARGS, names and the result cache. */

import { isUtf8 } from "node:buffer";
import { decodeBase64 } from "../../../src/base/base64.ts";
import { ExpectedError } from "../../../src/base/input-error.ts";
import {
  arrayElements,
  joinElements,
  joinMembers,
  objectMembers,
  parseJson,
  valueOffset,
  wholeMembers,
} from "../../../src/base/json.ts";
import { findCniArg, formatCniArgs, parseCniArgs } from "../../../src/cni/args.ts";
import { ResultCache } from "../../../src/cni/cache.ts";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import { errorJson } from "../../../src/cni/errors.ts";
import {
  checkContainerId,
  checkNetworkName,
  ifNameProblem,
  pluginTypeProblem,
} from "../../../src/cni/names.ts";
import { pluginFailure } from "../../../src/cni/plugin-failure.ts";
import { parseVersionAnswer } from "../../../src/cni/plugin-versions.ts";
import { supportedVersions } from "../../../src/cni/versions.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { parseNetconf } from "../../../src/multus/input/netconf.ts";
import { generateRuntimeConfig } from "../../../src/runtime-config/generate.ts";
import { generatorOptions } from "../../support/generator-options.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { goldenConfigs, goldenResults, goldenTexts } from "../engine/golden.ts";
import { attempt, type FuzzTarget, must, mustEqual, mustKeepPrototypes } from "../engine/target.ts";

const kernels = loadKernels();
const where = "input";

/** The value, or nothing where JSON.parse refuses the text. */
function plainParse(input: Buffer): { readonly value: unknown } | undefined {
  if (!isUtf8(input)) return undefined;
  try {
    // A byte order mark is no JSON, and toString() keeps it.
    const value: unknown = JSON.parse(input.toString("utf8"));
    return { value };
  } catch {
    return undefined;
  }
}

function runJson(input: Buffer): void {
  const plain = plainParse(input);
  const parsed = attempt(input, [ExpectedError], () => ({ value: parseJson(input, where) }));
  must(
    (parsed === undefined) === (plain === undefined),
    "parseJson accepts what JSON.parse refuses, or the other way",
  );
  // Deeper ones are read, but JSON.stringify cannot write them.
  const isFlat = !/[[{]{500}/.test(input.toString("latin1").replaceAll(/[^[\]{}]/g, ""));
  const members = attempt(input, [ExpectedError], () => objectMembers(input, where));
  if (members !== undefined) {
    // It leaves it to others whether a text is UTF-8.
    must(plain !== undefined || !isUtf8(input), "objectMembers reads what is not JSON");
    if (plain !== undefined && isFlat)
      mustEqual(JSON.parse(Buffer.from(joinMembers(members)).toString()), plain.value, "members");
    for (const name of [...members.keys()].slice(0, 5)) {
      const offset = valueOffset(input, [name]);
      must(offset >= 0 && offset <= input.length, "an offset outside of the text");
    }
  }
  const elements = attempt(input, [ExpectedError], () => arrayElements(input, where));
  if (elements !== undefined && plain !== undefined && isFlat) {
    mustEqual(JSON.parse(Buffer.from(joinElements(elements)).toString()), plain.value, "elements");
  }
  for (const [name, raw] of wholeMembers(input)) {
    must(members === undefined || members.has(name), "a whole member that is none");
    if (isUtf8(input)) JSON.parse(Buffer.from(raw).toString("utf8"));
  }
}

export const jsonTarget: FuzzTarget = {
  name: "cni/json",
  covers: ["src/base/json.ts parseJson"],
  seeds: () => [
    ...goldenConfigs().slice(0, 20),
    ...goldenResults().slice(0, 20),
    '[1,"\\ud83d\\ude00",{"a":[]}]',
  ],
  run: runJson,
};

export const base64Target: FuzzTarget = {
  name: "cni/base64",
  covers: ["src/base/base64.ts decodeBase64"],
  seeds: () => ["", "QQ==", "QUI=", "QUJD", "QU_D", "QQ=\n=", "Q==="],
  words: ["=", "==", "_", "-", "\n"],
  run(input) {
    const text = input.toString("latin1");
    const bytes = decodeBase64(text);
    if (bytes !== undefined) {
      const padding = text.length - text.replace(/=+$/, "").length;
      mustEqual(bytes.length, (text.length / 4) * 3 - padding, "each character counts");
    }
    must(decodeBase64(input.toString("base64"))?.equals(input) === true, "what was written is read again");
  },
};

export const configTarget: FuzzTarget = {
  name: "cni/config",
  covers: ["src/cni/config.ts parseNetworkConfig"],
  seeds: goldenConfigs,
  words: [
    '"plugins":[',
    '"cniVersions":',
    '"disableCheck":"true"',
    '"loadOnlyInlinedPlugins":true',
    '"type":"',
  ],
  run(input) {
    const list = attempt(input, [ExpectedError], () =>
      parseNetworkConfig(input, where, kernels, { name: "given", cniVersion: "1.0.0" }),
    );
    if (list === undefined) return;
    must(/^[A-Za-z0-9][\w.-]*$/.test(list.name), "a name that could leave a directory");
    must(list.plugins.length > 0, "no plugin");
    for (const { type, bytes } of list.plugins) {
      must(type !== "" && !type.includes("/") && !type.includes("\0"), "a plugin with a path");
      JSON.parse(Buffer.from(bytes).toString("utf8"));
    }
    const again = parseNetworkConfig(list.bytes, where, kernels);
    mustEqual([again.name, again.plugins.length], [list.name, list.plugins.length], "read again");
  },
};

export const argsTarget: FuzzTarget = {
  name: "cni/args",
  covers: ["src/cni/args.ts parseCniArgs"],
  seeds: () => [
    "IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c0ffee;K8S_POD_UID=1-2",
    "a=b=c;a=",
    ...goldenTexts((key) => key === "CNI_ARGS"),
  ],
  words: ["=", ";", "=;", ";;", "K8S_POD_NAME=", "\0"],
  run(input) {
    const text = input.toString("utf8");
    const args = attempt(input, [ExpectedError], () => parseCniArgs(text));
    for (const [key, value] of args ?? []) {
      must(
        key !== "" && !key.includes("=") && !`${key}${value}`.includes(";"),
        "a pair with a separator in it",
      );
      must(findCniArg(args ?? [], key) !== undefined, "a pair that is not found");
    }
    const written =
      args === undefined ? undefined : attempt(input, [ExpectedError], () => formatCniArgs(args));
    if (written !== undefined) must(written === text, "written as something else");
  },
};

export const namesTarget: FuzzTarget = {
  name: "cni/names",
  covers: [],
  seeds: () => ["c0ffee0123456789", "eth0", "net1.100", "..", "eth%d", "a/b", "ⅷ", "é", "\u2028"],
  run(input) {
    const text = input.toString("utf8");
    const id = attempt(input, [ExpectedError], () => checkContainerId(text) ?? text);
    const network = attempt(input, [ExpectedError], () => checkNetworkName(text, where) ?? text);
    for (const name of [id, network])
      must(name === undefined || /^[A-Za-z0-9][\w.-]*$/.test(name), "a bad name");
    if (ifNameProblem(text) === undefined) {
      must(Buffer.byteLength(text) <= 15 && !/[/\0\s:%]/.test(text) && text !== ".", "a bad interface name");
    }
    if (pluginTypeProblem(text) === undefined) must(!/[/\0]/.test(text) && text !== "..", "a bad plugin");
  },
};

let scratch: { readonly directory: ScratchDirectory; readonly cache: ResultCache } | undefined;

export const cacheTarget: FuzzTarget = {
  name: "cni/cache",
  covers: [],
  seeds: () => [
    ...goldenTexts((key) => key.startsWith("results/")),
    '{"kind":"cniCacheV1","containerId":"c","config":"e30=","ifName":"net1","networkName":"n","cniArgs":[["a","b"]],"capabilityArgs":{},"result":{"cniVersion":"1.0.0"}}',
    ...goldenResults().slice(0, 5),
  ],
  words: ['"kind":"cniCacheV1"', '"result":{', '"config":"', '"cniArgs":[['],
  run(input) {
    if (scratch === undefined) {
      const directory = new ScratchDirectory("fuzz");
      scratch = { directory, cache: new ResultCache(directory.path, silentLogger) };
    }
    scratch.directory.write("results/n-c-net1", input);
    const read = scratch.cache.read({ networkName: "n", containerId: "c", ifName: "net1" });
    mustKeepPrototypes(read);
    must(read === undefined || read.containerId === "c", "another container's");
  },
  close() {
    scratch?.directory[Symbol.dispose]();
    scratch = undefined;
  },
};

/** Output of a plugin that failed. */
export const pluginFailureTarget: FuzzTarget = {
  name: "cni/plugin-failure",
  covers: [],
  seeds: () => [
    '{"cniVersion":"1.0.0","code":100,"msg":"no room","details":"at all"}',
    '{"code":0,"msg":""}',
    "panic: runtime error\n\ngoroutine 1",
  ],
  words: ['"code":', '"msg":', '"details":', "\u001b[31m"],
  run(input) {
    const run = { plugin: "bridge", path: "/opt/cni/bin", env: {}, stdin: Buffer.alloc(0), timeoutMs: 0 };
    const stderrTail = input.toString("utf8").slice(-500);
    const error = pluginFailure(run, { exitCode: 1, stdout: input, stderrTail, milliseconds: 1 });
    must(Number.isInteger(error.code) && error.code !== 0, `code ${error.code}`);
    must(error.message.length < 40_000 && error.details.length < 40_000, "a long text");
    mustKeepPrototypes(JSON.parse(errorJson(error, "1.0.0")));
  },
};

/** The runtime's file, made of the cluster network's. */
export const versionAnswerTarget: FuzzTarget = {
  name: "cni/version-answer",
  covers: ["src/cni/plugin-versions.ts parseVersionAnswer"],
  seeds: () => [
    '{"cniVersion":"1.0.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0"]}',
    '{"cniVersion":"0.2.0"}',
    '{"cniVersion":"0.3.1","code":4,"msg":"unknown CNI_COMMAND: VERSION"}',
  ],
  words: ['"supportedVersions":[', '"1.1.0"', '"9.9.9"', "null", "unknown CNI_COMMAND: VERSION"],
  run(input) {
    for (const exitCode of [0, 1]) {
      const versions = parseVersionAnswer({ exitCode, stdout: input });
      if (versions === undefined) continue;
      mustEqual(
        versions,
        supportedVersions.filter((version) => versions.includes(version)),
        "versions",
      );
      must(versions.length > 0, "an answer without a version");
    }
    mustKeepPrototypes({});
  },
};

export const runtimeConfigTarget: FuzzTarget = {
  name: "cni/runtime-config",
  covers: [],
  seeds: goldenConfigs,
  words: ['"type":"multus"', '"plugins":[', '"capabilities":{"a":true}', '"cniVersion":"0.3.1"'],
  run(input) {
    for (const form of ["thick", "thin"] as const) {
      const made = attempt(input, [ExpectedError], () => {
        const network = parseNetworkConfig(input, "/n/10-a.conflist", kernels);
        return generateRuntimeConfig({ ...generatorOptions, form }, { path: "/n/10-a.conflist", network });
      });
      if (made === undefined) continue;
      must(/^00-multus\.conf(list)?$/.test(made.fileName), "another name");
      const list = parseNetworkConfig(made.bytes, "made", kernels);
      const [plugin] = list.plugins;
      must(plugin !== undefined && list.plugins.length === 1, "not one plugin");
      if (!list.isList) parseNetconf(plugin.bytes);
    }
  },
};
