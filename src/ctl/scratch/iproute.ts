/** Runs `ip` (iproute2): namespaces, links and addresses of the scratch node. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { UserError } from "../command/user-error.ts";

const execute = promisify(execFile);

/** @returns its stdout @throws {UserError} with the command and its output */
export async function ip(...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute("ip", args);
    return stdout;
  } catch (error) {
    const { code, stderr = "" } = error as { code?: string | number; stderr?: string };
    if (code === "ENOENT") {
      throw new UserError("the command ip is missing", "install iproute2 (Debian: apt-get install iproute2)");
    }
    const advice = /not permitted|denied/i.test(stderr)
      ? "network namespaces need root, and in a container CAP_SYS_ADMIN and CAP_NET_ADMIN (--privileged)"
      : "";
    throw new UserError(`ip ${args.join(" ")}: ${stderr.trim() || `exit code ${code}`}`, advice, {
      cause: error,
    });
  }
}

/** A link as it is in a namespace. */
export interface NamespaceLink {
  readonly name: string;
  readonly mac: string;
  /** CIDRs, those of link scope (fe80::/10) left out. */
  readonly addresses: readonly string[];
}

/** All links of a network namespace but lo, with their addresses. */
export async function linksOf(namespace: string): Promise<NamespaceLink[]> {
  const listed = JSON.parse((await ip("-json", "-n", namespace, "address", "show")) || "[]") as {
    ifname?: string;
    address?: string;
    addr_info?: { local?: string; prefixlen?: number; scope?: string }[];
  }[];
  return listed
    .filter((link) => link.ifname !== undefined && link.ifname !== "lo")
    .map((link) => ({
      name: link.ifname ?? "",
      mac: link.address ?? "",
      addresses: (link.addr_info ?? [])
        .filter((address) => address.scope !== "link")
        .map((address) => `${address.local}/${address.prefixlen}`),
    }));
}

/** Names of the network namespaces that have one (`/run/netns`). */
export async function namespaceNames(): Promise<string[]> {
  return (await ip("netns", "list"))
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "")
    .filter((name) => name !== "");
}
