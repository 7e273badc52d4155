/** Benchmarks of the result kernels: their work for one attachment after its delegate has answered. */

import type { ConvertInput, Kernels, StatusInput } from "../../src/kernels/index.ts";
import { longestStatus } from "../../src/multus/input/bounds.ts";
import { convertResult } from "../../test/reference/result.ts";
import { networkStatus } from "../../test/reference/status.ts";
import { type KernelCase, sizes } from "./case.ts";

/** Bytes of the layout: as the daemon asks for it with `longestStatus`, and without one, as it gets a text that would be longer. */
const inOneLine = 0;

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const sandbox = "/var/run/netns/cni-5e1c6f0e-8f35-4c5c-b0d2-7a1f3c9e6d84";

/** A result of about so many bytes: one interface, and addresses and routes until it is that long. */
function resultOf(version: string, length: number): Record<string, unknown> {
  const ips: unknown[] = [];
  const routes: unknown[] = [];
  const result = {
    cniVersion: version,
    interfaces: [{ name: "net1", mac: "6e:43:29:1c:5b:07", sandbox }],
    ips,
    ...(length > 400 ? { routes, dns: { nameservers: ["10.96.0.10"] } } : undefined),
  };
  for (let index = 0; index === 0 || JSON.stringify(result).length < length; index++) {
    const net = `10.${index >> 8}.${index & 255}`;
    const isIPv6 = index % 4 === 3;
    ips.push({
      ...(version.startsWith("0.") ? { version: isIPv6 ? "6" : "4" } : undefined),
      address: isIPv6 ? `fd00:10:${index.toString(16)}::17/64` : `${net}.23/16`,
      interface: 0,
      ...(index % 2 === 0
        ? { gateway: isIPv6 ? `fd00:10:${index.toString(16)}::1` : `${net}.1` }
        : undefined),
    });
    routes.push({ dst: index === 0 ? "0.0.0.0/0" : `${net}.0/24`, gw: "10.0.0.1" });
  }
  return result;
}

/** The results of a pod's networks, about so many bytes together; above 4 KB the results grow, not their number. */
function networksOf(length: number): StatusInput[] {
  const count = Math.min(Math.ceil(length / 300), 12);
  return Array.from({ length: count }, (_, index) => ({
    name: `default/network-${index}`,
    isDefault: index === 0,
    ifName: `net${index}`,
    result: encode(resultOf("1.0.0", Math.floor(length / count))),
  }));
}

/** A delegate's answer checked, converted for the runtime, and with its default route replaced; then network-status. */
export function resultCases(kernels: Kernels): KernelCase[] {
  return [...sizes].flatMap(([size, length]): KernelCase[] => {
    const convert = (kernel: string, input: ConvertInput): KernelCase => ({
      kernel,
      size,
      runKernel: () => kernels.convertResult(input),
      runTwin: () => convertResult(input),
    });
    const result = encode(resultOf("1.0.0", length));
    const old = encode(resultOf("0.3.1", length));
    const networks = networksOf(length);
    return [
      convert("convertResult, checked", { result, configVersion: "1.0.0", targetVersion: "1.0.0" }),
      convert("convertResult, to 0.3.1", { result, configVersion: "1.0.0", targetVersion: "0.3.1" }),
      convert("convertResult, to 1.0.0", { result: old, configVersion: "0.3.1", targetVersion: "1.0.0" }),
      convert("convertResult, to 0.2.0", { result, configVersion: "1.0.0", targetVersion: "0.2.0" }),
      convert("convertResult, default route", {
        result,
        configVersion: "1.0.0",
        targetVersion: "1.0.0",
        defaultRoutes: { removeIPv4: true, removeIPv6: false, add: ["10.0.0.254"] },
      }),
      ...[["networkStatus", longestStatus] as const, ["networkStatus, in one line", inOneLine] as const].map(
        ([kernel, longest]) => ({
          kernel,
          size,
          runKernel: () => kernels.networkStatus(networks, longest),
          runTwin: () => networkStatus(networks, longest),
        }),
      ),
    ];
  });
}
