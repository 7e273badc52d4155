/** The directory of the daemon's socket: what is in it, and whether somebody serves it. */

import { connect } from "node:net";
import { systemErrorCode } from "../base/system-error.ts";

export const socketName = "multus.sock";
/** File with the output of a daemon that the shim has started. */
export const printedFileName = "multusd.stderr";
/** Beside the socket, from the shim where it starts the daemon (shim/on_demand_directory.c). */
const namesOfShim = ["multus.lock", printedFileName];

/** Of a name in it: is it the daemon's, or the shim's for it? */
export function isDaemonFile(name: string): boolean {
  return name.startsWith(socketName) || namesOfShim.includes(name);
}

/** Does somebody listen to a socket? */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Any other error (a full backlog, say) is no sign that nobody is there.
    socket.on("error", (error) =>
      resolve(!["ECONNREFUSED", "ENOENT"].includes(systemErrorCode(error) ?? "")),
    );
  });
}
