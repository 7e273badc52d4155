/** CNI results in ordinary TypeScript: the twin of assembly/result. */
import { type ConvertInput, KernelError, type ResultOutline } from "../../src/kernels/index.ts";
import { type Address, type Cidr, parseAddress, parseCidr, printCidr } from "./address.ts";

/** Versions whose results have the same shape, oldest first. */
const SHAPES = [
  ["0.1.0", "0.2.0"],
  ["0.3.0", "0.3.1", "0.4.0"],
  ["1.0.0", "1.1.0"],
] as const;

/** Shape of a result: ip4 and ip6; lists with `version` in ips; lists without. */
type Shape = 0 | 1 | 2;

type JsonObject = Record<string, unknown>;

/** An interface of a result; strings are empty and numbers 0 where it does not say. */
export interface ResultInterface {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly sandbox: string;
}

/** An address of a result. */
export interface ResultIp {
  readonly address: Cidr;
  readonly gateway: Address | undefined;
  /** Index into the interfaces, or any other number. */
  readonly interface: number | undefined;
}

/** A route of a result, with what routes of newer versions have. */
export interface ResultRoute {
  readonly dst: Cidr;
  readonly gw: Address | undefined;
  readonly mtu: number;
  readonly advmss: number;
  readonly priority: number;
  readonly table: number | undefined;
  readonly scope: number | undefined;
}

/** DNS settings as Go prints them: what is empty is left out. */
export interface ResultDns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** A checked result of any version. */
export interface Result {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: ResultDns;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Checks a result and prints it in another version. */
export function convertResult(input: ConvertInput): Uint8Array {
  const asked = input.targetVersion === "" ? "0.1.0" : input.targetVersion;
  if (asked !== undefined && shapeOf(asked) === undefined) {
    const what = `"${asked}" is not a supported version`;
    throw refuse("unsupported-version", what, "targetVersion");
  }
  const added = addedRoutes(input);
  const value = readObject(input.result);
  const said = value === undefined ? (asked ?? "") : versionOf(value);
  const version = said || input.configVersion || "0.1.0";
  const cniVersion = asked ?? version;
  const source = shapeOf(version);
  const target = shapeOf(cniVersion);
  if (source === undefined || target === undefined) {
    throw said !== ""
      ? refuse("unsupported-version", "cniVersion is not a supported version")
      : refuse(
          "unsupported-config-version",
          "the result has no version, and that of the configuration is not supported",
        );
  }
  const written = value ?? {};
  const result = checkResult(written, source);
  const output =
    source === target
      ? editWritten({ ...written, cniVersion }, target, input, added)
      : build(result, cniVersion, target, input, added);
  return encoder.encode(JSON.stringify(output));
}

/** The outline of a result, with its addresses as they are written. */
export function outlineResult(bytes: Uint8Array): ResultOutline {
  const value = readObject(bytes) ?? {};
  const shape = shapeOf(versionOf(value) || "1.1.0");
  if (shape === undefined) throw refuse("unsupported-version", "cniVersion is not a supported version");
  const { interfaces, ips } = checkResult(value, shape);
  const holders = shape === 0 ? [value.ip4, value.ip6] : ips.length > 0 ? (value.ips as unknown[]) : [];
  const addresses = holders
    .filter(isObject)
    .map((holder) => String(shape === 0 ? holder.ip : holder.address));
  return { isAttachment: interfaces.length > 0 || ips.length > 0, addresses };
}

/** The object that bytes hold; undefined for nothing, white space and null. */
export function readObject(bytes: Uint8Array): JsonObject | undefined {
  let value: unknown;
  try {
    const text = decoder.decode(bytes);
    if (/^[ \t\r\n]*$/.test(text)) return undefined;
    value = JSON.parse(text);
  } catch {
    throw refuse("invalid-json", "not JSON");
  }
  if (value === null) return undefined;
  if (!isObject(value)) throw refuse("not-an-object", "the result must be an object");
  return value;
}

/** `cniVersion` of a result, empty if it has none or one that is no string. */
export function versionOf(value: JsonObject): string {
  return typeof value.cniVersion === "string" ? value.cniVersion : "";
}

/** Shape of the results of a version; undefined if the version is not known. */
export function shapeOf(version: string): Shape | undefined {
  const index = SHAPES.findIndex((versions) => (versions as readonly string[]).includes(version));
  return index < 0 ? undefined : (index as Shape);
}

/** Checks everything that the specification knows in a result and takes it apart. */
export function checkResult(value: JsonObject, shape: Shape): Result {
  if (shape === 0) {
    const ip4 = familyOf(value.ip4, "ip4");
    const ip6 = familyOf(value.ip6, "ip6");
    const families = [ip4, ip6].filter((family) => family !== undefined);
    return {
      interfaces: [],
      ips: families.map((family) => family.ip),
      routes: families.flatMap((family) => family.routes),
      dns: dnsOf(value.dns),
    };
  }
  const interfaces = checkEach(value.interfaces, "interfaces", (item) => interfaceOf(item, shape));
  const ips = checkEach(value.ips, "ips", (item) => ipOf(item, shape));
  return { interfaces, ips, routes: checkEach(value.routes, "routes", routeOf), dns: dnsOf(value.dns) };
}

/** Same shape on both sides: what is written stays, known or not. */
function editWritten(
  output: JsonObject,
  shape: Shape,
  input: ConvertInput,
  added: readonly ResultRoute[],
): JsonObject {
  if (shape < 2) output.dns ??= {};
  if (input.defaultRoutes === undefined) return output;
  if (shape === 0) {
    for (const [key, family] of [
      ["ip4", 4],
      ["ip6", 6],
    ] as const) {
      const written = output[key];
      if (!isObject(written)) continue;
      const edited = { ...written };
      editRoutes(
        edited,
        input,
        added.filter((route) => route.dst.family === family),
      );
      output[key] = edited;
    }
  } else {
    editRoutes(output, input, added);
  }
  return output;
}

/** Edits the default routes in `routes` of an object; an empty list is left out. */
function editRoutes(holder: JsonObject, input: ConvertInput, added: readonly ResultRoute[]): void {
  const kept = ((holder.routes ?? []) as { dst: string }[]).filter((route) => {
    const dst = parseCidr(route.dst);
    return dst !== undefined && !isRemoved(dst, input);
  });
  const routes = [...kept, ...added.map(printRoute)];
  if (routes.length > 0) holder.routes = routes;
  else if (holder.routes !== null) delete holder.routes;
}

/** Another shape: built from what was understood, as libcni does. */
function build(
  result: Result,
  cniVersion: string,
  shape: Shape,
  input: ConvertInput,
  added: readonly ResultRoute[],
): JsonObject {
  const routes = [...result.routes.filter((route) => !isRemoved(route.dst, input)), ...added];
  if (shape === 0) {
    const [ip4, ip6] = ([4, 6] as const).map((family) => {
      const ip = result.ips.find((candidate) => candidate.address.family === family);
      if (ip === undefined) return undefined;
      const own = routes.filter((route) => route.dst.family === family);
      return {
        ip: printCidr(ip.address),
        gateway: ip.gateway?.text,
        routes:
          own.length > 0
            ? own.map((route) => ({ dst: printCidr(route.dst), gw: route.gw?.text }))
            : undefined,
      };
    });
    if (ip4 === undefined && ip6 === undefined) {
      throw refuse("no-address", "there is no address, and versions below 0.3.0 need one");
    }
    return { cniVersion, ip4, ip6, dns: result.dns };
  }
  return {
    cniVersion,
    interfaces:
      result.interfaces.length > 0
        ? result.interfaces.map(({ name, mac, sandbox }) => ({
            name,
            mac: mac || undefined,
            sandbox: sandbox || undefined,
          }))
        : undefined,
    ips:
      result.ips.length > 0
        ? result.ips.map((ip) => ({
            version: shape === 1 ? String(ip.address.family) : undefined,
            interface: ip.interface,
            address: printCidr(ip.address),
            gateway: ip.gateway?.text,
          }))
        : undefined,
    routes: routes.length > 0 ? routes.map(printRoute) : undefined,
    dns: shape === 1 || Object.keys(result.dns).length > 0 ? result.dns : undefined,
  };
}

function printRoute(route: ResultRoute): JsonObject {
  return {
    dst: printCidr(route.dst),
    gw: route.gw?.text,
    mtu: route.mtu || undefined,
    advmss: route.advmss || undefined,
    priority: route.priority || undefined,
    table: route.table,
    scope: route.scope,
  };
}

function addedRoutes(input: ConvertInput): ResultRoute[] {
  return (input.defaultRoutes?.add ?? []).map((text, index) => {
    const gw = parseAddress(text);
    if (gw === undefined)
      throw refuse("not-an-address", `[${index}] is not an IP address`, "defaultRoutes.add");
    const dst = { family: gw.family, text: gw.family === 4 ? "0.0.0.0" : "::", prefixLength: 0 };
    return { dst, gw, mtu: 0, advmss: 0, priority: 0, table: undefined, scope: undefined };
  });
}

function isRemoved(dst: Cidr, input: ConvertInput): boolean {
  if (dst.prefixLength !== 0) return false;
  return (dst.family === 4 ? input.defaultRoutes?.removeIPv4 : input.defaultRoutes?.removeIPv6) ?? false;
}

function familyOf(value: unknown, name: string): { ip: ResultIp; routes: ResultRoute[] } | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw refuse("not-an-object", `${name} must be an object`);
  try {
    const address = cidrOf(value.ip, "ip");
    return {
      ip: { address, gateway: addressOf(value.gateway, "gateway"), interface: undefined },
      routes: checkEach(value.routes, "routes", routeOf),
    };
  } catch (error) {
    throw within(`${name}.`, error);
  }
}

function interfaceOf(value: JsonObject, shape: Shape): ResultInterface {
  if (shape === 2) {
    stringOf(value.socketPath, "socketPath");
    stringOf(value.pciID, "pciID");
  }
  return {
    name: stringOf(value.name, "name"),
    mac: stringOf(value.mac, "mac"),
    mtu: shape === 2 ? (integerOf(value.mtu, "mtu") ?? 0) : 0,
    sandbox: stringOf(value.sandbox, "sandbox"),
  };
}

function ipOf(value: JsonObject, shape: Shape): ResultIp {
  const address = cidrOf(value.address, "address");
  if (shape === 1) stringOf(value.version, "version");
  return {
    address,
    gateway: addressOf(value.gateway, "gateway"),
    interface: integerOf(value.interface, "interface"),
  };
}

function routeOf(value: JsonObject): ResultRoute {
  return {
    dst: cidrOf(value.dst, "dst"),
    gw: addressOf(value.gw, "gw"),
    mtu: integerOf(value.mtu, "mtu") ?? 0,
    advmss: integerOf(value.advmss, "advmss") ?? 0,
    priority: integerOf(value.priority, "priority") ?? 0,
    table: integerOf(value.table, "table"),
    scope: integerOf(value.scope, "scope"),
  };
}

function dnsOf(value: unknown): ResultDns {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw refuse("not-an-object", "dns must be an object");
  const nameservers = stringsOf(value.nameservers, "dns.nameservers");
  const domain = stringOf(value.domain, "dns.domain");
  const search = stringsOf(value.search, "dns.search");
  const options = stringsOf(value.options, "dns.options");
  return {
    ...(nameservers.length > 0 ? { nameservers } : undefined),
    ...(domain !== "" ? { domain } : undefined),
    ...(search.length > 0 ? { search } : undefined),
    ...(options.length > 0 ? { options } : undefined),
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown, name: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw refuse("not-an-array", `${name} must be an array`);
  return value;
}

function stringOf(value: unknown, name: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw refuse("not-a-string", `${name} must be a string`);
  return value;
}

function stringsOf(value: unknown, name: string): string[] {
  const list = listOf(value, name);
  const bad = list.findIndex((item) => item !== null && typeof item !== "string");
  if (bad >= 0) throw refuse("not-a-string", `${name}[${bad}] must be a string`);
  return list as string[];
}

/** Checks every object of a list. */
function checkEach<T>(value: unknown, name: string, check: (item: JsonObject) => T): T[] {
  const list = listOf(value, name);
  const checked: T[] = [];
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    if (!isObject(item)) throw refuse("not-an-object", `${name}[${index}] must be an object`);
    try {
      checked.push(check(item));
    } catch (error) {
      throw within(`${name}[${index}].`, error);
    }
  }
  return checked;
}

function integerOf(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  // 64 bits. Numbers beyond 2^53 are not exact here, and not printed in tests that compare.
  if (!Number.isInteger(value) || Number(value) < -(2 ** 63) || Number(value) >= 2 ** 63) {
    throw refuse("not-an-integer", `${name} must be an integer`);
  }
  return Number(value);
}

function cidrOf(value: unknown, name: string): Cidr {
  if (value === undefined) throw refuse("missing", `${name} is missing`);
  const cidr = typeof value === "string" ? parseCidr(value) : undefined;
  if (cidr === undefined) throw refuse("not-a-cidr", `${name} is not a CIDR`);
  return cidr;
}

function addressOf(value: unknown, name: string): Address | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const address = typeof value === "string" ? parseAddress(value) : undefined;
  if (address === undefined) throw refuse("not-an-address", `${name} is not an IP address`);
  return address;
}

function refuse(code: string, what: string, input = "result"): KernelError {
  return new KernelError(code, `${input}: ${what}`, input, 0);
}

/** The error of a field, told from one level up. */
function within(prefix: string, error: unknown): unknown {
  if (!(error instanceof KernelError)) return error;
  return refuse(error.code, prefix + error.message.slice("result: ".length));
}
