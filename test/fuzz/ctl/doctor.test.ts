/** Files and answers that doctor and status read may be anything. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { readContainerdCni } from "../../../src/ctl/doctor/containerd.ts";
import { readCrioNetwork } from "../../../src/ctl/doctor/crio.ts";
import { checkGoMultus } from "../../../src/ctl/doctor/go-multus.ts";
import { checkRuntimeFiles } from "../../../src/ctl/doctor/runtime-files.ts";
import { tomlEntries } from "../../../src/ctl/doctor/toml.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

it("a runtime's configuration is read, whatever it is", () => {
  const line = fc.oneof(
    fc.constantFrom(
      '[plugins."io.containerd.grpc.v1.cri".cni]',
      "[crio.network]",
      "crio.network.plugin_dirs = [",
      "cni_default_network = 'x'",
      'bin_dir = "/a"',
      "bin_dirs = ['/a',",
      "]",
      'conf_dir = "/\\"',
      "max_conf_num = 99999999999999999999",
    ),
    fc.string({ maxLength: 30 }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const { binDirs, confDir } = readContainerdCni(lines.join("\n"));
      expect(Array.isArray(binDirs) && typeof confDir === "string").toBe(true);
      const { pluginDirs, defaultNetwork } = readCrioNetwork([{ file: "crio.conf", text: lines.join("\n") }]);
      expect(Array.isArray(pluginDirs.value) && typeof defaultNetwork.value === "string").toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

it("a long line that never ends is read at once", () => {
  for (const text of [
    'a = "'.padEnd(200_000, "\\"),
    "=[".repeat(50_000),
    "a = [\n".repeat(20_000),
    "'\"".repeat(100_000),
    "[".padEnd(200_000, "a."),
    "a.".repeat(100_000).padEnd(400_000),
  ]) {
    const begin = performance.now();
    tomlEntries(text);
    expect(performance.now() - begin).toBeLessThan(10_000);
  }
});

it("the runtime's files make findings, whatever is in them", () => {
  const kernels = loadKernels();
  const json = fc.record(
    {
      name: fc.oneof(
        { arbitrary: fc.constant("n"), weight: 4 },
        { arbitrary: fc.jsonValue({ maxDepth: 1 }), weight: 1 },
      ),
      type: fc.oneof(fc.constant("multus"), fc.jsonValue({ maxDepth: 1 })),
      cniVersion: fc.oneof(fc.constant("1.0.0"), fc.jsonValue({ maxDepth: 0 })),
      clusterNetwork: fc.oneof(
        fc.constantFrom("/", "/dev/null", "/proc/self", "x", "/nowhere"),
        fc.jsonValue({ maxDepth: 1 }),
      ),
      plugins: fc.oneof(
        fc.array(fc.constantFrom({ type: "multus", delegates: [{ type: "x", name: "x" }] }, null, 5)),
        fc.jsonValue({ maxDepth: 2 }),
      ),
      daemonSocketDir: fc.jsonValue({ maxDepth: 0 }),
    },
    { requiredKeys: [] },
  );
  const text = fc.oneof(
    json.map((value) => JSON.stringify(value)),
    fc.string({ unit: "binary", maxLength: 40 }),
  );
  fc.assert(
    fc.property(text, (content) => {
      using directory = new ScratchDirectory();
      directory.write("00-multus.conf", content);
      const { findings } = checkRuntimeFiles(directory.path, kernels, []);
      expect(findings.length).toBeGreaterThan(0);
      directory.write("multus.d/multus.kubeconfig", content);
      expect(checkGoMultus(directory.path, "", "/nowhere", 0).length).toBeGreaterThan(0);
    }),
    { numRuns: 80 },
  );
});
