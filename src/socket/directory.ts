/** The directory of the daemon's socket: its files, and whether a daemon listens on the socket. */

import { connect } from "node:net";
import { systemErrorCode } from "../base/system-error.ts";

export const socketName = "multus.sock";
/** File with the output of a daemon that the shim has started. */
export const printedFileName = "multusd.stderr";
/** Directories beside the socket in which a daemon warms up; one that was killed meanwhile leaves its own. */
export const warmUpPrefix = `${socketName}.warm-`;
/** Beside the socket, from the shim where it starts the daemon (shim/on_demand/on_demand.c). */
const namesOfShim = ["multus.lock", printedFileName];

/** Of a name in it: is it the daemon's, or the shim's for it? */
export function isDaemonFile(name: string): boolean {
  return name.startsWith(socketName) || namesOfShim.includes(name);
}

/** Does a daemon listen on a socket? */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Any other error (a full backlog, say) does not mean that there is no listener.
    socket.on("error", (error) =>
      resolve(!["ECONNREFUSED", "ENOENT"].includes(systemErrorCode(error) ?? "")),
    );
  });
}
