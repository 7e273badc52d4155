/** Ports of the loopback that stay a server's own while it is stopped and started again. */

import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Outside of the range from which the kernel takes ports for connections and for whoever listens on port 0. */
const range = [20_000, 32_000] as const;

const given = new Set<number>();

function canBeListenedOn(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** @returns a port of 127.0.0.1 that nobody listens on, and that this process has not given away before */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...range);
    if (!given.has(port) && (await canBeListenedOn(port))) {
      given.add(port);
      return port;
    }
  }
}
