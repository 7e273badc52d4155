/** Requests over HTTP on the daemon's socket, and errors with advice if no daemon answers. */

import { join } from "node:path";
import { isJsonObject } from "../../base/json.ts";
import { systemErrorCode } from "../../base/system-error.ts";
import type { ClusterState } from "../../kube/cluster-state.ts";
import { errorText } from "../../log/error-text.ts";
import { getFromSocket, type SocketAnswer, statusPage } from "../../socket/client.ts";
import { socketName } from "../../socket/directory.ts";
import type { DaemonStatus as Status } from "../../socket/status.ts";
import { UserError } from "../command/user-error.ts";

export type DaemonStatus = Status<ClusterState>;

/** No answer on the daemon's socket. */
export class NoAnswer extends UserError {
  /** `absent`: no process serves it; `forbidden`: this user may not connect; `silent`: a process serves it and does not answer. */
  readonly state: "absent" | "forbidden" | "silent";

  constructor(state: NoAnswer["state"], message: string, advice: string, cause: unknown) {
    super(message, advice, { cause });
    this.state = state;
  }
}

const withinMs = 5_000;

export function socketPath(socketDir: string): string {
  return join(socketDir, socketName);
}

/** One GET. @throws {NoAnswer} with advice */
export async function askDaemon(socketDir: string, path: string): Promise<SocketAnswer> {
  const socket = socketPath(socketDir);
  try {
    return await getFromSocket(socket, path, withinMs);
  } catch (error) {
    throw new NoAnswer(...explain(socket, error), error);
  }
}

/** GET /status. @throws {NoAnswer} @throws {UserError} if the server is no daemon of ours that has it */
export async function daemonStatusOf(socketDir: string): Promise<DaemonStatus> {
  const answer = await askDaemon(socketDir, "/status");
  const page = statusPage(answer);
  if (page === undefined || typeof page.version !== "string" || !isJsonObject(page.requests)) {
    throw new UserError(
      `${socketPath(socketDir)} is served by something that has no status (HTTP ${answer.status})`,
      "it is Go multus's daemon, or a multusd of an earlier release: multusctl doctor says which",
    );
  }
  return page as unknown as DaemonStatus;
}

function explain(socket: string, error: unknown): [NoAnswer["state"], message: string, advice: string] {
  const code = systemErrorCode(error);
  if (code === "EACCES" || code === "EPERM") {
    return ["forbidden", `${socket} may not be opened by this user`, "run it with sudo"];
  }
  if (code === "ECONNREFUSED") {
    return [
      "absent",
      `no daemon serves ${socket}: a daemon that was killed has left it`,
      "start multusd, or find out why it ended: kubectl -n kube-system logs --previous daemonset/kube-multus-ds",
    ];
  }
  if (code === "ENOENT") {
    return [
      "absent",
      `there is no ${socket}: no multusd runs here, or its socket is elsewhere`,
      "start multusd (one that the plugin starts, by daemonCommand, runs only while it is needed); --socket-dir names another directory (socketDir of its configuration)",
    ];
  }
  // The cause of an aborted request is its reason.
  if (error instanceof Error && error.cause instanceof Error && error.cause.name === "TimeoutError") {
    return [
      "silent",
      `${socket} accepts connections, but there is no answer within ${withinMs / 1000} s`,
      "the daemon hangs, is stopped (SIGSTOP), or gets no CPU time: look at its log and at the node's load, then restart it",
    ];
  }
  const advice = "look at the daemon's log; restart the daemon if it hangs";
  return ["silent", `${socket}: ${errorText(error)}`, advice];
}
