/** Network-status in ordinary TypeScript: the twin of assembly/status. */
import { KernelError, type StatusInput } from "../../src/kernels/index.ts";
import { checkResult, type Result, type ResultInterface, readObject, shapeOf, versionOf } from "./result.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Network-status of a pod: one entry per pod interface of each delegate's result, and at least one of each delegate. */
export function networkStatus(inputs: readonly StatusInput[], longest: number): Uint8Array {
  const entries = inputs.flatMap(entriesOf);
  const laidOut = longest === 0 ? undefined : encoder.encode(layOut(entries));
  return laidOut !== undefined && laidOut.length <= longest
    ? laidOut
    : encoder.encode(JSON.stringify(entries));
}

/** As Go multus does it: each entry with four blanks a level, entries side by side. */
export function layOut(entries: readonly unknown[]): string {
  return `[${entries.map((entry) => JSON.stringify(entry, null, 4)).join(",")}]`;
}

function entriesOf(input: StatusInput): unknown[] {
  const deviceInfo = input.deviceInfo?.length ? parseDeviceInfo(input.deviceInfo) : undefined;
  const value = readObject(input.result) ?? {};
  const version = versionOf(value) || "1.1.0";
  const shape = shapeOf(version);
  if (shape === undefined) {
    throw new KernelError(
      "unsupported-version",
      "result: cniVersion is not a supported version",
      "result",
      0,
    );
  }
  const result = checkResult(value, shape);
  const gateways = result.routes
    .filter((route) => route.dst.prefixLength === 0 && route.gw !== undefined)
    .map((route) => route.gw?.text);
  const entry = (
    isDefault: boolean,
    pod: ResultInterface | undefined,
    ips: readonly string[],
    ifName = "",
  ) => ({
    name: input.name,
    interface: pod?.name || ifName || undefined,
    ips: ips.length > 0 ? ips : undefined,
    mac: pod?.mac || undefined,
    mtu: pod?.mtu || undefined,
    default: isDefault || undefined,
    dns: result.dns,
    "device-info": deviceInfo,
    gateway: gateways.length > 0 ? gateways : undefined,
  });
  if (result.interfaces.length === 1) {
    const pod = result.interfaces.find((candidate) => candidate.sandbox !== "");
    return [
      entry(
        input.isDefault,
        pod,
        result.ips.map((ip) => ip.address.text),
      ),
    ];
  }
  const places = result.interfaces.flatMap((item, index) => (item.sandbox === "" ? [] : [index]));
  const last = places.at(-1);
  if (last === undefined) {
    const ips = result.ips.map((ip) => ip.address.text);
    return [entry(input.isDefault, undefined, ips, input.ifName)];
  }
  const ipsOf = new Map<number | undefined, string[]>(places.map((place) => [place, []]));
  for (const ip of result.ips) {
    const place = ip.interface === undefined || ip.interface === -1 ? last : ip.interface;
    ipsOf.get(place)?.push(ip.address.text);
  }
  const defaultPlace = input.isDefault ? (firstWithGateway(result, ipsOf) ?? places[0]) : undefined;
  return places.map((place) =>
    entry(place === defaultPlace, result.interfaces[place], ipsOf.get(place) ?? []),
  );
}

/** The listed interface of the first address that has a gateway and says its interface. */
function firstWithGateway(
  result: Result,
  listed: ReadonlyMap<number | undefined, unknown>,
): number | undefined {
  return result.ips.find(
    (ip) => ip.gateway !== undefined && ip.interface !== undefined && listed.has(ip.interface),
  )?.interface;
}

function parseDeviceInfo(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    throw new KernelError("invalid-json", "deviceInfo: not JSON", "deviceInfo", 0);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new KernelError("not-an-object", "deviceInfo: the deviceInfo must be an object", "deviceInfo", 0);
  }
  return value;
}
