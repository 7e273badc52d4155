/** A scratch node and a scratch pod: two network namespaces and a directory, so that nothing of the machine changes. */

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ip, namespaceNames } from "./iproute.ts";

/** iproute2's directory of named network namespaces. */
export const namespaceDirectory = "/run/netns";

/** Directory of plugins' state (such as host-local's reservations). The scratch node has its own directory there. */
const pluginStateDirectory = "/var/lib/cni";

export class ScratchNode {
  /** All files are below it. */
  readonly directory: string;
  /** Name of the namespace in which delegates run: bridges, masters and the host's ends of veth pairs are in it. */
  readonly nodeNamespace: string;
  /** Name of the namespace that plays the pod. */
  readonly podNamespace: string;

  private constructor(directory: string) {
    this.directory = directory;
    const name = basename(directory);
    this.nodeNamespace = `${name}-node`;
    this.podNamespace = `${name}-pod`;
  }

  /**
   * Makes directory and namespaces; lo is up in both.
   * @throws {Error} where a namespace cannot be made; nothing is left then
   */
  static async create(): Promise<ScratchNode> {
    const scratch = new ScratchNode(mkdtempSync(join(tmpdir(), "multusctl-")));
    try {
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
    return [this.nodeNamespace, this.podNamespace];
  }

  /** Path of the pod's namespace: CNI_NETNS. */
  get podNetns(): string {
    return join(namespaceDirectory, this.podNamespace);
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

  /** Gives the scratch node a link `name` that is up and has a peer: a master for macvlan, vlan and host-device. */
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
    return ["ip", "netns", "exec", this.nodeNamespace, "sh", "-c", script, "sh", from, to, ...command];
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
