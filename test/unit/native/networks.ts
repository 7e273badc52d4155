/** Networks and attachments for tests of native networks. */

import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { NetworkConfigList, RuntimeConf } from "../../../src/cni/types.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { recognize } from "../../../src/native/recognition.ts";

const kernels = loadKernels();

export type Json = Readonly<Record<string, unknown>>;

/** A network of one plugin, or of several. @param config an object, or its text where the way it is written matters */
export function network(config: Json | string, cniVersion = "1.0.0"): NetworkConfigList {
  const text =
    typeof config === "string" ? config : JSON.stringify({ cniVersion, name: "cellar", ...config });
  return parseNetworkConfig(Buffer.from(text), "cellar.conf", kernels);
}

export const usualArgs: RuntimeConf["args"] = [
  ["IgnoreUnknown", "true"],
  ["K8S_POD_NAMESPACE", "default"],
  ["K8S_POD_NAME", "web"],
];

export const attachment: RuntimeConf = {
  containerId: "c0ffee",
  netns: "/run/netns/web",
  ifName: "net1",
  args: usualArgs,
  capabilityArgs: undefined,
};

export const withArgs = (...pairs: readonly (readonly [string, string])[]): RuntimeConf => ({
  ...attachment,
  args: [...usualArgs, ...pairs],
});

export const withCapabilities = (capabilityArgs: Json | string): RuntimeConf => ({
  ...attachment,
  capabilityArgs: Buffer.from(
    typeof capabilityArgs === "string" ? capabilityArgs : JSON.stringify(capabilityArgs),
  ),
});

/** The link of an attachment with addresses as text, or why it is left to the plugin. */
export function linkOf(config: Json | string, runtime = attachment, cniVersion = "1.0.0"): unknown {
  const recognized = recognize(network(config, cniVersion), runtime);
  return typeof recognized === "string" ? recognized : readable(recognized.link);
}

/** Bytes as hexadecimal or as address, and without what is absent. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    return value.length === 4 ? value.join(".") : Buffer.from(value).toString("hex");
  }
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [key, readable(member)]),
  );
}

export const bridge = (more: Json = {}): Json => ({ type: "bridge", ...more });
export const macvlan = (more: Json = {}): Json => ({ type: "macvlan", master: "eth1", ...more });
export const ptp = (more: Json = {}): Json => ({ type: "ptp", ...hostLocal(), ...more });
/** The plugin with tuning behind it, as text. */
export const chain = (plugin: Json, tuning: Json = {}): string =>
  JSON.stringify({ cniVersion: "1.0.0", name: "cellar", plugins: [plugin, { type: "tuning", ...tuning }] });
export const hostLocal = (more: Json = { subnet: "10.1.0.0/16" }): Json => ({
  ipam: { type: "host-local", ...more },
});
export const staticIpam = (more: Json = { addresses: [{ address: "10.1.0.5/16" }] }): Json => ({
  ipam: { type: "static", ...more },
});
