/** Targets: the WebAssembly kernels, against their TypeScript twins where an input is JSON. */

import { isUtf8 } from "node:buffer";
import { type ConfigParts, KernelError, type StatusInput } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { longestStatus } from "../../../src/multus/input/bounds.ts";
import * as configTwin from "../../reference/config.ts";
import * as resultTwin from "../../reference/result.ts";
import * as statusTwin from "../../reference/status.ts";
import { isJson } from "../../support/is-json.ts";
import { goldenConfigs, goldenResults } from "../engine/golden.ts";
import { BrokenPromise, type FuzzTarget, must } from "../engine/target.ts";

const kernels = loadKernels();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const refused = "refused";

/** JSON with its keys in order, as a kernel may write them in another. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([left], [right]) => (left < right ? -1 : 1)))
      : member,
  );
}

/** Outcome of a kernel, or of its twin: a value, or a refusal that says where. */
function outcome(inputs: readonly Uint8Array[], work: () => unknown): unknown {
  try {
    const made = work();
    return made instanceof Uint8Array ? JSON.parse(decoder.decode(made)) : made;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    const longest = Math.max(0, ...inputs.map(({ length }) => length));
    must(error.offset >= 0 && error.offset <= longest, `an error at byte ${error.offset}`);
    return refused;
  }
}

/** Numbers that are not the same as JSON.parse reads them, and nesting, are the kernels' alone: a twin keeps neither. */
function isForTwins(text: string): boolean {
  return !/\d{16}|[.eE]|-0/.test(text) && nesting(text) < 200;
}

/** The deepest nesting, brackets in strings counted too. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if (character === "]" || character === "}") depth--;
  }
  return deepest;
}

function mustAgree(inputs: readonly Uint8Array[], kernel: () => unknown, twin: () => unknown): void {
  const made = outcome(inputs, kernel);
  if (!inputs.every((input) => isUtf8(input) && isForTwins(Buffer.from(input).toString()))) return;
  if (!inputs.every(isJson)) return;
  // Not before: JSON.stringify has no stack for the nesting that a kernel takes.
  const actual = canonical(made);
  const expected = canonical(outcome(inputs, twin));
  if (actual !== expected) {
    throw new BrokenPromise(`kernel: ${actual.slice(0, 600)} twin: ${expected.slice(0, 600)}`);
  }
}

const plainParts = (parts: ConfigParts) => ({
  ...parts,
  plugins: parts.plugins.map((plugin) => ({
    ...plugin,
    capabilities: plugin.capabilities.toSorted(),
    bytes: JSON.parse(decoder.decode(plugin.bytes)) as unknown,
  })),
});

/** Cuts an input at lines of `---`. */
function pieces(input: Buffer): Buffer[] {
  return input
    .toString("latin1")
    .split("\n---\n")
    .slice(0, 6)
    .map((piece) => Buffer.from(piece, "latin1"));
}

export const splitTarget: FuzzTarget = {
  name: "kernels/split",
  covers: ["src/kernels/config.ts splitConfig"],
  seeds: goldenConfigs,
  words: [
    '"plugins":[',
    '"capabilities":{"a":true}',
    '"ipam":{"type":"x"}',
    '"disableCheck":"TRUE"',
    '"cniVersions":["1.0.0"]',
    '"Type":"b",',
    '"CNIVersion":"0.3.1",',
  ],
  run: (input) =>
    mustAgree(
      [input],
      () => plainParts(kernels.splitConfig(input)),
      () => plainParts(configTwin.splitConfig(input)),
    ),
};

export const adjustTarget: FuzzTarget = {
  name: "kernels/adjust",
  covers: [],
  seeds: () => goldenConfigs().map((config) => `${config}\n---\n{"a":{"b":1}}\n---\n0000:00:1f.6`),
  words: ["\n---\n", '"args":{"cni":{}}', '"plugins":[{}]', '"Args":{"CNI":{}},', '"DeviceID":"x",'],
  run(input) {
    const [config = Buffer.alloc(0), cniArgs, device] = pieces(input);
    const given = { config, cniArgs, deviceId: device?.toString("utf8") ?? "", defaultName: "given" };
    const inputs = cniArgs === undefined ? [config] : [config, cniArgs];
    mustAgree(
      inputs,
      () => kernels.adjustConfig(given),
      () => configTwin.adjustConfig(given),
    );
  },
};

export const mergeTarget: FuzzTarget = {
  name: "kernels/merge",
  covers: [],
  seeds: () => {
    const [result = "{}"] = goldenResults();
    return goldenConfigs().map(
      (config) =>
        `${config}\n---\n${result}\n---\n{"mac":"0a:00:00:00:00:01","ips":["10.0.0.1/24"]}\n---\n[{"containerID":"c","ifname":"i"}]`,
    );
  },
  words: [
    "\n---\n",
    '"capabilities":{"mac":true,"ips":true}',
    '"runtimeConfig":{}',
    '"prevResult":{}',
    '"Capabilities":{"mac":true},',
    '"Name":"b",',
  ],
  run(input) {
    const [plugin = Buffer.alloc(0), prevResult, runtimeConfig, validAttachments] = pieces(input);
    const given = { plugin, name: "net", cniVersion: "1.0.0", prevResult, runtimeConfig, validAttachments };
    const inputs = [plugin, prevResult, runtimeConfig, validAttachments].filter((part) => part !== undefined);
    mustAgree(
      inputs,
      () => kernels.mergeConfig(given),
      () => configTwin.mergeConfig(given),
    );
  },
};

export const convertTarget: FuzzTarget = {
  name: "kernels/convert",
  covers: [],
  seeds: () => [
    ...goldenResults(),
    '{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.2/24","gateway":"10.0.0.1","routes":[{"dst":"0.0.0.0/0"}]},"dns":{}}',
    '{"cniVersion":"0.4.0","ips":[{"version":"6","address":"fd00::2/64","interface":0}],"interfaces":[{"name":"a","sandbox":"/x"}]}',
  ],
  words: [
    '"cniVersion":"0.3.1"',
    '"routes":[{"dst":"::/0","gw":"fe80::1"}]',
    '"ip6":{',
    '"address":"',
    '"version":"4"',
    "::ffff:1.2.3.4/32",
  ],
  run(input) {
    const which = input.length;
    const given = {
      result: input,
      configVersion: versions[which % 7] ?? "",
      targetVersion: versions[(which >> 3) % 7] ?? "1.0.0",
      defaultRoutes:
        which % 2 === 0
          ? undefined
          : { removeIPv4: true, removeIPv6: which % 3 === 0, add: ["10.0.0.1", "fd00::1"] },
    };
    mustAgree(
      [input],
      () => kernels.convertResult(given),
      () => resultTwin.convertResult(given),
    );
    mustAgree(
      [input],
      () => kernels.outlineResult(input),
      () => resultTwin.outlineResult(input),
    );
  },
};

export const statusTarget: FuzzTarget = {
  name: "kernels/status",
  covers: [],
  seeds: () => {
    const results = goldenResults();
    return results.map((result, index) => `${result}\n---\n${results[(index * 7) % results.length]}`);
  },
  words: ["\n---\n", '"sandbox":"', '"interface":0', '"mtu":1500', '"dns":{"nameservers":[]}'],
  run(input) {
    const inputs = pieces(input).map(
      (result, index): StatusInput => ({
        name: `default/n${index}`,
        isDefault: index === 0,
        ifName: `net${index}`,
        result,
      }),
    );
    mustAgree(
      inputs.map(({ result }) => result),
      () => kernels.networkStatus(inputs, longestStatus),
      () => statusTwin.networkStatus(inputs, longestStatus),
    );
  },
};
