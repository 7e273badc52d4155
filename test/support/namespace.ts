/** Scratch network namespaces: a pod's, or that of a whole pretended node, so that nothing of the machine is touched. */

import { execFileSync } from "node:child_process";
import { type CommandOptions, type CommandOutcome, runCommand, runOrThrow } from "./command.ts";
import { uniqueName } from "./session.ts";

/** A link as `ip -j -d addr show` prints it, as much as tests look at. */
export interface Link {
  readonly ifname: string;
  readonly ifindex: number;
  readonly address: string;
  readonly mtu: number;
  readonly operstate: string;
  readonly link_netnsid?: number;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info: readonly {
    readonly family: "inet" | "inet6";
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** A route as `ip -j route show` prints it. */
export interface Route {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly metric?: number;
}

const open = new Set<string>();

// A worker that is told to end has no time for promises.
process.on("exit", () => {
  for (const name of open) {
    try {
      execFileSync("ip", ["netns", "del", name], { stdio: "ignore" });
    } catch {
      // the next run's sweep finds it
    }
  }
});

/** A namespace with nothing in it that is not the caller's: for calls of a plugin that leave it so. Made and removed at once, for what is no promise. */
export class EmptyNamespace implements Disposable {
  readonly #name = uniqueName("empty");
  /** Value of CNI_NETNS. */
  readonly path = `/run/netns/${this.#name}`;

  constructor() {
    open.add(this.#name);
    execFileSync("ip", ["netns", "add", this.#name]);
  }

  [Symbol.dispose](): void {
    execFileSync("ip", ["netns", "del", this.#name]);
    open.delete(this.#name);
  }
}

export class Namespace implements AsyncDisposable {
  readonly name: string;
  /** Value of CNI_NETNS. */
  readonly path: string;

  private constructor(name: string) {
    this.name = name;
    this.path = `/run/netns/${name}`;
  }

  /** Makes a namespace with its loopback up. @param role a word for the name */
  static async create(role: string): Promise<Namespace> {
    const namespace = new Namespace(uniqueName(role));
    open.add(namespace.name);
    await runOrThrow(["ip", "netns", "add", namespace.name]);
    await namespace.ip("link", "set", "lo", "up");
    return namespace;
  }

  /** Runs `ip` on this namespace. @returns its output @throws {Error} with ip's message */
  ip(...args: string[]): Promise<string> {
    return runOrThrow(["ip", "-n", this.name, ...args]);
  }

  /** Every link but `lo`, with its addresses. */
  async links(): Promise<Link[]> {
    const links: Link[] = JSON.parse(await this.ip("-j", "-d", "addr", "show"));
    return links.filter(({ ifname }) => ifname !== "lo");
  }

  /** The link of that name. @throws {Error} */
  async link(ifName: string): Promise<Link> {
    const links = await this.links();
    const link = links.find(({ ifname }) => ifname === ifName);
    if (link === undefined) {
      throw new Error(
        `${this.name}: no link ${ifName} among ${links.map(({ ifname }) => ifname).join(", ")}`,
      );
    }
    return link;
  }

  async routes(family: 4 | 6 = 4): Promise<Route[]> {
    return JSON.parse((await this.ip(`-${family}`, "-j", "route", "show")) || "[]");
  }

  /** The words that run a command in this namespace and nothing else changed (mounts, /sys stay the machine's). */
  enter(...argv: string[]): string[] {
    return ["nsenter", `--net=${this.path}`, "--", ...argv];
  }

  run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandOutcome> {
    return runCommand(this.enter(...argv), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!open.delete(this.name)) return;
    await runCommand(["ip", "netns", "del", this.name]);
  }
}

/** A CIDR's address with its prefix, as tests like to compare: `10.1.2.3/24`. */
export function cidrs(link: Link, family: "inet" | "inet6" = "inet"): string[] {
  return link.addr_info
    .filter((address) => address.family === family && address.scope !== "link")
    .map((address) => `${address.local}/${address.prefixlen}`);
}
