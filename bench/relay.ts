/** Relays a port of this machine's loopback to the loopback of a node's namespace, for peers that run there and talk to the API server. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Server, type Socket } from "node:net";
import type { Namespace } from "../test/support/namespace.ts";

/** A socket stays in the namespace in which it was made: a process there makes the one that listens, and hands it over. */
const listener = `
  const server = require("node:net").createServer();
  server.listen(Number(process.argv[1]), "127.0.0.1", () => process.send("listening", server, () => process.exit()));
`;

/**
 * Passes connections on, byte by byte. One more hop costs some hundredths of a millisecond per segment.
 * @param port the same on both sides
 * @throws {Error} where it can't be listened on
 */
export async function relay(namespace: Namespace, port: number): Promise<AsyncDisposable> {
  const [command = "", ...args] = namespace.enter(process.execPath, "-e", listener, String(port));
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const server = await Promise.race([
    once(child, "message").then(([, handle]) => handle as Server),
    once(child, "exit").then(([code]) => {
      throw new Error(`nothing listens on port ${port} of ${namespace.name}: exit code ${code}`);
    }),
  ]);
  const open = new Set<Socket>();
  server.on("connection", (inside: Socket) => {
    const outside = connect({ port, host: "127.0.0.1", noDelay: true });
    inside.setNoDelay(true);
    for (const [one, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
