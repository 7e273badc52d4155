/** A pretended node for ATTACH_LINKS and DETACH_LINKS: a namespace with a bridge, a master for macvlans, host-local's directory, and the real plugins. */

import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { FrameBody } from "../../../src/agent/frames.ts";
import { FrameType } from "../../../src/agent/frames.ts";
import { runOrThrow } from "../../support/command.ts";
import { Namespace } from "../../support/namespace.ts";
import { referencePlugins } from "../../support/reference-plugins.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { ShimDaemon } from "./shim-daemon.ts";

/** Bytes of an address: `10.1.0.1` or a whole IPv6 address as hexadecimal digits. */
export const ip = (text: string): Buffer =>
  text.includes(".") ? Buffer.from(text.split(".").map(Number)) : Buffer.from(text, "hex");

/** `fd00:10::/112`, and the last two bytes. */
export const ip6 = (last: number): Buffer =>
  ip(`fd000010${"0".repeat(20)}${last.toString(16).padStart(4, "0")}`);

export const range = {
  first: ip("10.10.0.1"),
  last: ip("10.10.0.254"),
  gateway: ip("10.10.0.1"),
  prefix: 24,
};

export const range6 = { first: ip6(1), last: ip6(0xffff), gateway: ip6(1), prefix: 112 };

/** A shim that carries out orders of one call. */
export type Call = Awaited<ReturnType<NativeNode["call"]>>;

export class NativeNode implements AsyncDisposable {
  readonly namespace: Namespace;
  readonly #scratch = new ScratchDirectory("native");
  readonly #daemon: ShimDaemon;
  readonly #binary: string;
  readonly plugins: string;
  /** `dataDir` of host-local. */
  readonly dataDir: string;

  private constructor(namespace: Namespace, daemon: ShimDaemon, binary: string) {
    this.namespace = namespace;
    this.#daemon = daemon;
    this.#binary = binary;
    this.plugins = join(this.#scratch.path, "plugins");
    this.dataDir = join(this.#scratch.path, "networks");
    mkdirSync(this.plugins);
    mkdirSync(this.dataDir);
  }

  /** With bridge `br0` (10.10.0.1/24, fd00:10::1/112), and `m0`, a master for macvlans. */
  static async create(binary: string): Promise<NativeNode> {
    const namespace = await Namespace.create("node");
    const node = new NativeNode(namespace, await ShimDaemon.create("nsenter"), binary);
    for (const program of await referencePlugins()) {
      symlinkSync(program, join(node.plugins, basename(program)));
    }
    await namespace.ip("link", "add", "br0", "type", "bridge");
    await namespace.ip("link", "add", "m0", "type", "veth", "peer", "name", "m0-peer");
    for (const link of ["br0", "m0", "m0-peer"]) await namespace.ip("link", "set", link, "up");
    await namespace.ip("addr", "add", "10.10.0.1/24", "dev", "br0");
    await namespace.ip("addr", "add", "fd00:10::1/112", "dev", "br0", "nodad");
    // The settings that the bridge plugin leaves of its first ADD.
    await node.set(
      "net.ipv6.conf.br0.accept_ra=0",
      "net.ipv4.ip_forward=1",
      "net.ipv6.conf.all.forwarding=1",
    );
    node.makeNetwork("n");
    return node;
  }

  /** host-local's directory of a network, as it makes it. @returns its path */
  makeNetwork(name: string): string {
    const directory = join(this.dataDir, name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "lock"), "");
    chmodSync(join(directory, "lock"), 0o750);
    return directory;
  }

  directory(name = "n"): string {
    return join(this.dataDir, name);
  }

  /** Contents of the files of a network, by name. */
  files(name = "n"): Record<string, string> {
    const directory = this.directory(name);
    return Object.fromEntries(
      readdirSync(directory)
        .sort()
        .map((file) => [
          file,
          `${(statSync(join(directory, file)).mode & 0o777).toString(8)} ${readFileSync(join(directory, file), "utf8")}`,
        ]),
    );
  }

  /** Settings of the node. @param settings NAME=VALUE */
  async set(...settings: readonly string[]): Promise<void> {
    await runOrThrow(this.namespace.enter("sysctl", "-q", "-w", ...settings));
  }

  /** `plugins` of an ATTACH_LINKS. */
  pluginFiles(...names: readonly string[]): FrameBody[] {
    return names.map((plugin) => ({
      plugin,
      path: this.plugins,
      fileState: fileState(join(this.plugins, plugin)),
    }));
  }

  /** A shim in the node's namespace, in a call about the pod. @param launcher a command that runs it */
  async call(
    pod: Namespace | string,
    command = "ADD",
    containerId = "container1",
    launcher: readonly string[] = [],
  ) {
    const CNI_NETNS = typeof pod === "string" ? pod : pod.path;
    return this.#daemon.connected({
      env: { CNI_COMMAND: command, CNI_NETNS, CNI_CONTAINERID: containerId, CNI_PATH: this.plugins },
      args: [`--net=${this.namespace.path}`, "--", ...launcher, this.#binary],
    });
  }

  /** Has the shim make links in the pod. */
  async attach(
    pod: Namespace,
    links: readonly FrameBody[],
    {
      containerId = "container1",
      plugins = ["bridge", "macvlan", "ptp", "host-local", "static", "tuning"],
    } = {},
  ): Promise<FrameBody> {
    const { stream, outcome } = await this.call(pod, "ADD", containerId);
    const answer = await stream.order(FrameType.attachLinks, {
      netns: pod.path,
      plugins: this.pluginFiles(...plugins),
      links,
    });
    stream.reply(0, "");
    await outcome;
    return answer;
  }

  /** Has the shim remove links of the pod. */
  async detach(
    pod: Namespace | string,
    links: readonly FrameBody[],
    { containerId = "container1" } = {},
  ): Promise<FrameBody> {
    const { stream, outcome } = await this.call(pod, "DEL", containerId);
    const netns = typeof pod === "string" ? pod : pod.path;
    const answer = await stream.order(FrameType.detachLinks, { netns, links });
    stream.reply(0, "");
    await outcome;
    return answer;
  }

  /** Runs a plugin. @returns what it prints @throws {Error} */
  async plugin(
    command: "ADD" | "CHECK" | "DEL",
    pod: Namespace | string,
    ifName: string,
    config: Readonly<Record<string, unknown>>,
    containerId = "container1",
  ): Promise<Record<string, unknown>> {
    const type = String(config.type);
    const outcome = await this.namespace.run([join(this.plugins, type)], {
      stdin: JSON.stringify({ cniVersion: "1.0.0", name: "n", ...config }),
      env: {
        PATH: process.env.PATH,
        CNI_COMMAND: command,
        CNI_CONTAINERID: containerId,
        CNI_NETNS: typeof pod === "string" ? pod : pod.path,
        CNI_IFNAME: ifName,
        CNI_PATH: this.plugins,
      },
    });
    if (outcome.exitCode !== 0) throw new Error(`${type} ${command}: ${outcome.stdout} ${outcome.stderr}`);
    return command === "ADD" ? JSON.parse(outcome.stdout.toString()) : {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
    await this.namespace[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}

/** As the shim says it of a plugin's file. */
export function fileState(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  const second = 1_000_000_000n;
  return [dev, ino, size, mtimeNs / second, mtimeNs % second, ctimeNs / second, ctimeNs % second].join(" ");
}

type Json = Readonly<Record<string, unknown>>;

/** Keys whose values differ between two links of the same kind, or with time. */
const passing =
  /^(ifindex|link|link_index|link_netnsid|address|permaddr|id|no|designated_port|root_id|bridge_id|valid_life_time|preferred_life_time|.*_timer)$/;

function settled(value: unknown, fixedMac: boolean): unknown {
  if (Array.isArray(value)) return value.map((element) => settled(element, fixedMac));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, content]) => !passing.test(key) || (key === "address" && fixedMac && content !== null))
      .map(([key, content]) => [key, settled(content, fixedMac)]),
  );
}

const isOfLinkItself = (text: unknown) => /^(fe80|ff00|multicast)/.test(String(text));

/** Links, addresses, routes, settings and files that an ADD leaves, without what is random. */
export async function leftBy(
  node: NativeNode,
  pod: Namespace,
  hostName: string | undefined,
  { fixedMac = false, networks = ["n"] } = {},
): Promise<Json> {
  // The kernel takes its time to say that a link is up, and has its own address then.
  let links: Json[];
  do links = JSON.parse(await pod.ip("-j", "-d", "addr", "show"));
  while (links.some(({ ifname, operstate }) => ifname !== "lo" && operstate !== "UP"));
  const hostLinks: Json[] =
    hostName === undefined
      ? []
      : JSON.parse(
          (await node.namespace.ip("-j", "-d", "addr", "show", "dev", hostName)).replaceAll(hostName, "host"),
        );
  const routes: Json[] = [];
  for (const family of ["-4", "-6"]) {
    routes.push(...JSON.parse((await pod.ip("-j", "-d", family, "route", "show", "table", "all")) || "[]"));
  }
  const hostRoutes: Json[] = [];
  for (const family of hostName === undefined ? [] : ["-4", "-6"]) {
    const listed = await node.namespace.ip(
      ...["-j", "-d", family, "route", "show", "table", "all", "dev", hostName ?? ""],
    );
    const all: Json[] = JSON.parse(listed || "[]");
    hostRoutes.push(...all.filter(({ dst }) => !isOfLinkItself(dst)));
  }
  const withoutOwn = (all: readonly Json[]) =>
    all.map((link) => {
      const addresses = (Array.isArray(link.addr_info) ? link.addr_info : []) as Json[];
      const own = addresses.filter(({ scope, family }) => scope === "link" && family === "inet6");
      return {
        ...link,
        addr_info: addresses.filter((address) => !own.includes(address)),
      };
    });
  return {
    links: settled(withoutOwn(links), fixedMac),
    hostLinks: settled(withoutOwn(hostLinks), false),
    routes: settled(
      routes.filter(({ dst }) => !isOfLinkItself(dst)),
      fixedMac,
    ),
    settings: await settingsOf(
      pod,
      links.map(({ ifname }) => String(ifname)),
    ),
    hostSettings: hostName === undefined ? {} : await settingsOf(node.namespace, [hostName]),
    bridge: settled(
      withoutOwn(JSON.parse(await node.namespace.ip("-j", "-d", "addr", "show", "dev", "br0"))),
      false,
    ),
    hostRoutes: settled(hostRoutes, false),
    files: Object.fromEntries(
      networks.map((name) => [
        name,
        Object.entries(node.files(name)).map(([file, content]) => [
          file,
          // One that tuning has changed; what it was before is random.
          content.replaceAll(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, "MAC"),
        ]),
      ]),
    ),
    hostName: hostName?.replace(/[0-9a-f]{8}$/, ""),
  };

  /** The links' settings in /proc/sys, by a path in which the first link of the host's is `host`. */
  async function settingsOf(namespace: Namespace, names: readonly string[]): Promise<Json> {
    const directories = names.flatMap((name) =>
      ["ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"].map((kind) => `/proc/sys/net/${kind}/${name}`),
    );
    const { stdout } = await namespace.run(["grep", "-r", "", ...directories]);
    return Object.fromEntries(
      stdout
        .toString()
        .split("\n")
        .map((line) => line.replace(hostName ?? "\0", "host").split(/:(.*)/)),
    );
  }
}
