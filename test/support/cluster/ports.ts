/** Ports of the loopback that stay a server's own while it is stopped and started again. */

import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** Outside of the range from which the kernel takes ports for connections and for whoever listens on port 0. */
const range = [20_000, 32_000] as const;

function listen(where: { readonly path: string } | { readonly port: number; readonly host: string }) {
  const server = createServer();
  return new Promise<Server | undefined>((resolve) => {
    server.on("error", () => resolve(undefined));
    server.listen(where, () => resolve(server));
  });
}

async function canBeListenedOn(port: number): Promise<boolean> {
  const server = await listen({ port, host: "127.0.0.1" });
  server?.close();
  return server !== undefined;
}

/**
 * Marks the port as given away for as long as this process lives, with a socket that has a name in no file system (unix(7), abstract).
 * @returns false where it is given away already, by whatever process
 */
async function reserve(port: number): Promise<boolean> {
  const mark = await listen({ path: `\0multus-wasm-test-port-${port}` });
  mark?.unref();
  return mark !== undefined;
}

/** @returns a port of 127.0.0.1 that nobody listens on, and that no running test process was given before */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...range);
    if ((await reserve(port)) && (await canBeListenedOn(port))) return port;
  }
}
