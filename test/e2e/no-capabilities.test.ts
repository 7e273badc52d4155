/** The daemon runs as root without any capability: it only needs access to root's files, and the plugin does the privileged work. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { traces } from "../support/leaks.ts";
import { TestNode } from "../support/test-node.ts";

/** As Kubernetes starts a container with `capabilities.drop: [ALL]` and `allowPrivilegeEscalation: false`. */
const withoutCapabilities = [
  "setpriv",
  "--bounding-set=-all",
  "--inh-caps=-all",
  "--ambient-caps=-all",
  "--no-new-privs",
];

let node: TestNode;
let netconf: Readonly<Record<string, unknown>>;

beforeAll(async () => {
  node = await TestNode.start({ daemonSurroundings: { through: withoutCapabilities } });
  node.writeMacvlan("storage", "10.71.0.0/24");
  node.writeMacvlan("video", "10.72.0.0/24");
  netconf = await node.bridgeNetconf("10.70.0.0/24");
});

afterAll(() => node?.[Symbol.asyncDispose]());

/** Everything below a directory that is a file or a socket. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

test("it is root without a capability, and cannot get one", () => {
  const status = readFileSync(`/proc/${node.daemon.pid}/status`, "utf8");
  const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1];
  expect(field("Uid")).toBe("0\t0\t0\t0");
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
    expect(field(set), set).toBe("0000000000000000");
  }
  expect(field("NoNewPrivs")).toBe("1");
});

test("a pod of three networks: ADD, CHECK, DEL; what is written is root's alone; nothing is left", async () => {
  const before = await traces(node);
  await using pod = await node.pod("web", "storage, video@vid0");

  (await node.call("ADD", pod, netconf)).expectSuccess();
  expect((await pod.network.links()).map(({ ifname }) => ifname)).toEqual(["eth0", "net1", "vid0"]);
  // Plan, three results, the socket.
  const files = [...filesBelow(node.cniDir), ...filesBelow(node.socketDir)];
  expect(files.length).toBeGreaterThanOrEqual(5);
  const others = files.filter((file) => {
    const { uid, gid, mode } = statSync(file);
    return uid !== 0 || gid !== 0 || (mode & 0o777) !== 0o600;
  });
  expect(others).toEqual([]);

  (await node.call("CHECK", pod, netconf)).expectSuccess();
  (await node.call("DEL", pod, netconf)).expectSuccess();
  expect(await pod.network.links()).toEqual([]);
  expect(await traces(node)).toEqual(before);
});

test("a daemon killed and started anew so serves what it finds", async () => {
  const before = await traces(node);
  await using pod = await node.pod("web", "storage");
  (await node.call("ADD", pod, netconf)).expectSuccess();
  await node.daemon.stop("SIGKILL");
  await node.daemon.start();
  (await node.call("DEL", pod, netconf)).expectSuccess();
  expect(await traces(node)).toEqual(before);
  // Not a word of what it was not allowed.
  expect(node.daemon.output).not.toMatch(/EPERM|EACCES|not permitted|denied/);
});
