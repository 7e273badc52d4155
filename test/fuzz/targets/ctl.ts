/** Targets: what multusctl reads: runtimes' TOML, files to validate, what a plugin printed. */

import { checkText } from "../../../src/ctl/configuration/files.ts";
import { readContainerdCni } from "../../../src/ctl/doctor/containerd.ts";
import { readCrioNetwork } from "../../../src/ctl/doctor/crio.ts";
import { tomlEntries } from "../../../src/ctl/doctor/toml.ts";
import { isOurKubeconfig } from "../../../src/ctl/install/kubeconfig-text.ts";
import { readPluginError } from "../../../src/ctl/scratch/advice.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { goldenConfigs, goldenNetconfs } from "../engine/golden.ts";
import { type FuzzTarget, must, mustKeepPrototypes } from "../engine/target.ts";

const kernels = loadKernels();

export const tomlTarget: FuzzTarget = {
  name: "ctl/toml",
  covers: ["src/ctl/doctor/containerd.ts readContainerdCni", "src/ctl/doctor/crio.ts readCrioNetwork"],
  seeds: () => [
    'imports = ["/etc/a"]\n[plugins."io.containerd.grpc.v1.cri".cni]\n  bin_dir = "/opt/cni/bin" # x\n  conf_dir = \'/etc/cni/net.d\'\n  max_conf_num = 1\n',
    '[crio.network]\nplugin_dirs = [\n  "/a",\n  "/b",\n]\nnetwork_dir = "/etc/cni/net.d"\ncni_default_network = "multus"\n',
    'plugins."io.containerd.cri.v1.runtime".cni.bin_dirs = ["/a"]\n',
  ],
  words: ["[[a]]\n", '"""', "'''", "\\", "#", "= [", "]\n", "crio.network.", "\u2028"],
  run(input) {
    const text = input.toString("utf8");
    mustKeepPrototypes(tomlEntries(text));
    const { binDirs, confDir, maxConfNum } = readContainerdCni(text);
    must(binDirs.every((directory) => directory !== "") && typeof confDir === "string", "no directory");
    must(maxConfNum === undefined || !Number.isNaN(maxConfNum), "no number");
    const { pluginDirs, networkDir } = readCrioNetwork([{ file: "crio.conf", text }]);
    must(
      pluginDirs.value.every((directory) => directory !== "") && typeof networkDir.value === "string",
      "no directory",
    );
  },
};

export const validateTarget: FuzzTarget = {
  name: "ctl/validate",
  covers: [],
  seeds: () => [
    ...goldenConfigs().slice(0, 20),
    ...goldenNetconfs().slice(0, 10),
    '{"chrootDir":"/hostroot","cniVersion":"0.3.1","multusConfigFile":"auto","multusAutoconfigDir":"/host/etc/cni/net.d","perNodeCertificate":{"enabled":true}}',
    'apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: a}\nspec: {config: \'{"type":"bridge"}\'}\n',
  ],
  words: ["---\n", "kind: List\nitems: []\n", "&a ", "*a", '"plugins":[{}]', "\r", "\u2028", "\ufeff"],
  run(input) {
    const text = input.toString("utf8");
    const lines = text.split("\n");
    const report = checkText(text, "file", { kernels, binDirs: ["/no/such/directory"] });
    for (const { place, message } of report.findings) {
      const { line, column } = place;
      must(line >= 1 && line <= lines.length, `line ${line} of ${lines.length}: ${message}`);
      must(column >= 1 && column <= (lines[line - 1]?.length ?? 0) + 1, `column ${column}: ${message}`);
      must(message !== "" && message.length <= 8 * text.length + 4_096, "a message's length");
    }
  },
};

export const printedTarget: FuzzTarget = {
  name: "ctl/printed",
  covers: ["src/ctl/scratch/advice.ts readPluginError"],
  seeds: () => [
    '{"cniVersion":"1.0.0","code":7,"msg":"x","details":"y"}',
    "panic: x",
    "# Written by multusctl (multus-wasm) x\n",
  ],
  run(input) {
    const text = input.toString("utf8");
    const { code, message } = readPluginError(text);
    must(
      typeof code === "number" && message !== undefined && message.length <= text.length + 50,
      "no message",
    );
    must(!isOurKubeconfig(text) || text.startsWith("# Written by"), "not ours");
  },
};
