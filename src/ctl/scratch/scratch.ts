/** A scratch node and its pods: network namespaces and a directory, so that nothing of the machine changes. */

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ip, namespaceNames } from "./iproute.ts";
import { noteOwner } from "./owner.ts";

/** iproute2's directory of named network namespaces. */
export const namespaceDirectory = "/run/netns";

/** Directory of plugins' state (such as host-local's reservations). The scratch node has its own directory there. */
const pluginStateDirectory = "/var/lib/cni";

/** Names of scratch directories begin so; those of their namespaces do too. */
export const scratchPrefix = "multusctl-";

/** The configuration of a scratch node's daemon. @param directory the scratch node's */
export function daemonConfiguration(directory: string): string {
  return join(directory, "daemon-config.json");
}

export interface ScratchOptions {
  /** How many pods; default 1. */
  readonly pods?: number;
  /** Delegates run in this machine's own network namespace: for links that are nowhere else, such as VFs. */
  readonly inHostNetwork?: boolean;
}

export class ScratchNode {
  /** All files are below it. */
  readonly directory: string;
  /** Name of the namespace in which delegates run: bridges, masters and the host's ends of veth pairs are in it. "": this machine's own. */
  readonly nodeNamespace: string;
  /** Names of the namespaces that play the pods. */
  readonly podNamespaces: readonly string[];

  private constructor(directory: string, { pods = 1, inHostNetwork = false }: ScratchOptions) {
    this.directory = directory;
    const name = basename(directory);
    this.nodeNamespace = inHostNetwork ? "" : `${name}-node`;
    this.podNamespaces = Array.from({ length: pods }, (_, index) =>
      index === 0 ? `${name}-pod` : `${name}-pod${index + 1}`,
    );
  }

  /**
   * Makes directory and namespaces; lo is up in all.
   * @throws {Error} where a namespace cannot be made; nothing is left then
   */
  static async create(options: ScratchOptions = {}): Promise<ScratchNode> {
    const scratch = new ScratchNode(mkdtempSync(join(tmpdir(), scratchPrefix)), options);
    try {
      noteOwner(scratch.directory);
      for (const namespace of scratch.namespaces) {
        await ip("netns", "add", namespace);
        await ip("-n", namespace, "link", "set", "lo", "up");
      }
    } catch (error) {
      await scratch.remove();
      throw error;
    }
    return scratch;
  }

  get namespaces(): readonly string[] {
    return [...(this.nodeNamespace === "" ? [] : [this.nodeNamespace]), ...this.podNamespaces];
  }

  /** Name of the first pod's namespace. */
  get podNamespace(): string {
    return this.podNamespaces[0] ?? "";
  }

  /** Path of a pod's namespace: CNI_NETNS. @param pod its index */
  podNetns(pod = 0): string {
    return join(namespaceDirectory, this.podNamespaces[pod] ?? "");
  }

  /** The scratch node's /var/lib/cni. */
  get pluginState(): string {
    return join(this.directory, "state", "cni");
  }

  /** Makes a directory below the scratch directory, if it is not there. @returns its path */
  makeDirectory(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Writes a file below the scratch directory. @returns its path */
  writeFile(name: string, content: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  /** Gives the scratch node a link `name` that is up and has a peer: a master for macvlan, vlan and host-device. Not in the host's network. */
  async addUplink(name: string): Promise<void> {
    const peer = `peer-${name}`.slice(0, 15);
    await ip("-n", this.nodeNamespace, "link", "add", name, "type", "veth", "peer", "name", peer);
    for (const link of [name, peer]) await ip("-n", this.nodeNamespace, "link", "set", link, "up");
  }

  /**
   * The command that runs `command` on the scratch node: in its network namespace, with its own plugin state.
   * `ip netns exec` gives the process a mount namespace as well: no other process sees the mount, and it ends with the process.
   */
  command(command: readonly string[]): string[] {
    mkdirSync(this.pluginState, { recursive: true });
    const [from, to] = existsSync(pluginStateDirectory)
      ? [this.pluginState, pluginStateDirectory]
      : [join(this.pluginState, ".."), join(pluginStateDirectory, "..")];
    const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
    const inside = ["sh", "-c", script, "sh", from, to, ...command];
    return this.nodeNamespace === ""
      ? ["unshare", "--mount", "--propagation", "slave", ...inside]
      : ["ip", "netns", "exec", this.nodeNamespace, ...inside];
  }

  /** Removes namespaces (with their links) and directory. Missing ones are no error. */
  async remove(): Promise<void> {
    const present = await namespaceNames();
    for (const namespace of this.namespaces) {
      if (present.includes(namespace)) await ip("netns", "delete", namespace);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
