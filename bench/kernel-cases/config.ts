/** Benchmarks of the configuration kernels: their work for one attachment. */

import type { AdjustInput, Kernels, MergeInput } from "../../src/kernels/index.ts";
import * as twin from "../../test/reference/config.ts";
import { type KernelCase, sizes } from "./case.ts";

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** A plugin's configuration of about so many bytes: a macvlan network that grows by ranges and routes, like that of a large site. */
function plugin(length: number): Record<string, unknown> {
  const ranges: unknown[] = [];
  const routes: unknown[] = [];
  const config = {
    type: "macvlan",
    master: "eth1",
    mode: "bridge",
    mtu: 1500,
    capabilities: { mac: true, ips: true },
    ipam: { type: "host-local", ranges, routes },
  };
  for (let index = 0; JSON.stringify(config).length < length; index++) {
    const net = `10.${index >> 8}.${index & 255}`;
    if (index === 0) ranges.push([{ subnet: "10.1.0.0/16" }]);
    else if (index % 2 === 1) routes.push({ dst: `${net}.0/24`, gw: "10.1.0.1", mtu: 1400, table: index });
    else
      ranges.push([
        { subnet: `${net}.0/24`, rangeStart: `${net}.10`, rangeEnd: `${net}.250`, gateway: `${net}.1` },
      ]);
  }
  return config;
}

/** A list of about so many bytes: the network and what is chained to it. */
function list(length: number): Record<string, unknown> {
  const rest = { type: "tuning", sysctl: { "net.ipv4.conf.all.arp_filter": "1" } };
  const around = { cniVersion: "1.0.0", name: "storage", disableCheck: true };
  const own = JSON.stringify({ ...around, plugins: [rest] }).length;
  return { ...around, plugins: [plugin(length - own), rest] };
}

const prevResult = encode({
  cniVersion: "1.0.0",
  interfaces: [{ name: "net1", mac: "6e:43:29:1c:5b:07", sandbox: "/var/run/netns/cni-5e1c6f0e-8f35-4c5c" }],
  ips: [{ address: "10.1.0.23/16", gateway: "10.1.0.1", interface: 0 }],
  routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1" }],
  dns: {},
});
const runtimeConfig = encode({ mac: "02:23:45:67:89:01", ips: ["10.1.0.23/16"], portMappings: [] });
const cniArgs = encode({ vlan: 12, profile: "fast", 18: 1 });

/** One after the other: split as a network is read, adjust as it is planned, merge for each plugin run. */
export function configCases(kernels: Kernels): KernelCase[] {
  return [...sizes].flatMap(([size, length]): KernelCase[] => {
    const config = encode(list(length));
    const adjust: AdjustInput = { config, defaultName: "storage", cniArgs, deviceId: "0000:3b:02.1" };
    const merge: MergeInput = {
      plugin: encode(plugin(length)),
      name: "storage",
      cniVersion: "1.0.0",
      prevResult,
      runtimeConfig,
    };
    return [
      {
        kernel: "splitConfig",
        size,
        runKernel: () => kernels.splitConfig(config),
        runTwin: () => twin.splitConfig(config),
      },
      {
        kernel: "adjustConfig",
        size,
        runKernel: () => kernels.adjustConfig(adjust),
        runTwin: () => twin.adjustConfig(adjust),
      },
      {
        kernel: "mergeConfig",
        size,
        runKernel: () => kernels.mergeConfig(merge),
        runTwin: () => twin.mergeConfig(merge),
      },
    ];
  });
}
