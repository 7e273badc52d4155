/** Connections to the daemon's socket that bring nothing, or never all of it, use up no descriptors: runtimes are served beside them. */

import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setImmediate as immediately } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { systemErrorCode } from "../../src/base/system-error.ts";
import { installDelegate } from "../support/delegates.ts";
import { TestNode } from "../support/test-node.ts";

const patience = 60_000;
const descriptors = 800;

function open(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.on("connect", () => resolve(socket)).on("error", reject);
  });
}

/** The kernel's queue of connections may be full for a moment. */
async function opened(socketPath: string): Promise<Socket> {
  for (;;) {
    try {
      return await open(socketPath);
    } catch (error) {
      if (systemErrorCode(error) !== "EAGAIN") throw error;
      await immediately();
    }
  }
}

test.each([
  ["nothing", ""],
  ["a part of a frame", "\0\0\x40\0\x93"],
  ["a part of an HTTP request", "POST /cni HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx"],
])("1,000 that bring %s leave room for a pod's calls", async (_, bytes) => {
  await using node = await TestNode.start({
    daemonSurroundings: { through: ["prlimit", `--nofile=${descriptors}:${descriptors}`] },
  });
  installDelegate(node, "quick", `cat > /dev/null\necho '{"cniVersion":"1.0.0"}'`);
  const netconf = node.netconf({ cniVersion: "1.0.0", name: "cluster", type: "quick" });
  const socketPath = join(node.socketDir, "multus.sock");
  const sockets: Socket[] = [];
  try {
    for (let index = 0; index < 1_000; index++) {
      const socket = await opened(socketPath);
      sockets.push(socket.on("error", () => {}).resume());
      socket.write(bytes);
    }
    await using pod = await node.pod("web");
    (await node.call("ADD", pod, netconf)).result;
    (await node.call("DEL", pod, netconf)).expectSuccess();
    const held = () => readdirSync(`/proc/${node.daemon.pid}/fd`).length;
    await vi.waitFor(() => expect(held()).toBeLessThan(400), { timeout: patience, interval: 100 });
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});
