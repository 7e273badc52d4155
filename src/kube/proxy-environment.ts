/** Which proxy the environment names for a server: HTTPS_PROXY, HTTP_PROXY and NO_PROXY by the rules of Go's net/http (golang.org/x/net/http/httpproxy), as programs of Kubernetes have them. */

import { BlockList, isIP } from "node:net";
import { InputError } from "../base/input-error.ts";
import { hostOf } from "./access.ts";

/** A proxy, and what names it in errors. */
export interface ProxyChoice {
  readonly url: URL;
  readonly where: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const schemes = ["http:", "https:", "socks5:", "socks5h:"];

/** Go looks at the upper case first. */
function variable(env: Environment, name: string): string {
  return env[name] || env[name.toLowerCase()] || "";
}

/** May the environment name a proxy for any server? */
export function namesProxy(env: Environment): boolean {
  return variable(env, "HTTPS_PROXY") !== "" || variable(env, "HTTP_PROXY") !== "";
}

/**
 * @param server an address of http or https
 * @returns undefined: it is reached without one
 * @throws {InputError} naming the variable, and not its value, which may have a password
 */
export function environmentProxy(server: URL, env: Environment): ProxyChoice | undefined {
  const name = server.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const text = variable(env, name);
  if (text === "" || isExcluded(server, variable(env, "NO_PROXY"))) return undefined;
  const where = `${name} of the environment`;
  // `proxy.example:3128` is a URL of a protocol "proxy.example:", and means http.
  const url = proxyUrl(text.includes("://") ? text : `http://${text}`);
  if (url !== undefined) return { url, where };
  throw new InputError("content", `${where} ${wantedUrl}`);
}

/** The error's words for a text that {@link proxyUrl} does not take. */
export const wantedUrl = "must be a URL of a proxy: http://, https:// or socks5://host:port";

/** @returns undefined: no URL, of a protocol that is not supported, or with a name or password that cannot be decoded */
export function proxyUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !schemes.includes(url.protocol) || url.hostname === "") return undefined;
  try {
    for (const part of [url.username, url.password]) decodeURIComponent(part);
    return url;
  } catch {
    return undefined;
  }
}

/**
 * Does NO_PROXY name the server? Entries are separated by commas: `*`; an address, or a range of them as CIDR; a name, which is meant with all below it; `.name` or
 * `*.name`, which is meant without itself. Names and addresses may have a port. This machine is never reached through a proxy.
 */
function isExcluded(server: URL, noProxy: string): boolean {
  const host = hostOf(server).toLowerCase();
  const port = server.port || (server.protocol === "https:" ? "443" : "80");
  const family = familyOf(host);
  if (host === "localhost" || (family !== undefined && loopback.check(host, family))) return true;
  return noProxy.split(",").some((text) => {
    const entry = text.trim().toLowerCase();
    if (entry === "*") return true;
    if (entry.includes("/")) return family !== undefined && isInRange(host, family, entry);
    const { name, port: ofPort } = splitPort(entry);
    if (name === "" || (ofPort !== undefined && ofPort !== port)) return false;
    if (familyOf(name) !== undefined) return family !== undefined && isInRange(host, family, name);
    const suffix = name.startsWith("*.") ? name.slice(1) : name;
    if (suffix.startsWith(".")) return host.endsWith(suffix);
    return host === suffix || host.endsWith(`.${suffix}`);
  });
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function familyOf(text: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(text);
  return version === 0 ? undefined : version === 4 ? "ipv4" : "ipv6";
}

/** @param range an address, or one with the length of its prefix; anything else has nothing in it */
function isInRange(host: string, family: "ipv4" | "ipv6", range: string): boolean {
  const [address = "", length, ...others] = range.split("/");
  const ofRange = familyOf(address);
  if (ofRange === undefined || others.length > 0) return false;
  const bits = ofRange === "ipv4" ? 32 : 128;
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : bits + 1;
  if (prefix > bits) return false;
  const list = new BlockList();
  list.addSubnet(address, prefix, ofRange);
  return list.check(host, family);
}

/** Of `host:port` and `[address]:port` both; an IPv6 address without brackets has no port. */
function splitPort(entry: string): { readonly name: string; readonly port: string | undefined } {
  const [, bracketed, name, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
  return { name: bracketed ?? name ?? entry, port };
}
