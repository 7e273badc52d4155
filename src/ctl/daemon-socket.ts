/** The daemon's socket as commands see it: HTTP, and what it means where nobody answers. */

import { request } from "node:http";
import { join } from "node:path";
import { isJsonObject, type JsonObject } from "../cni/json.ts";
import type { ClusterState } from "../kube/cluster-state.ts";
import { errorText } from "../log/error-text.ts";
import type { DaemonStatus as Status } from "../multus/daemon-status.ts";
import { socketName } from "../multus/socket-directory.ts";
import { UserError } from "./user-error.ts";

export type DaemonStatus = Status<ClusterState>;

export interface SocketAnswer {
  readonly status: number;
  readonly body: string;
}

/** No answer on the daemon's socket. */
export class NoAnswer extends UserError {
  /** `absent`: nobody serves it; `forbidden`: this user may not ask; `silent`: somebody has it, and does not answer. */
  readonly state: "absent" | "forbidden" | "silent";

  constructor(state: NoAnswer["state"], message: string, advice: string, cause: unknown) {
    super(message, advice, { cause });
    this.state = state;
  }
}

const withinMs = 5_000;
const maxBytes = 4 << 20;

export function socketPath(socketDir: string): string {
  return join(socketDir, socketName);
}

/** One GET. @throws {NoAnswer} with what to do about it */
export function askDaemon(socketDir: string, path: string): Promise<SocketAnswer> {
  const socket = socketPath(socketDir);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(noAnswer(socket, error));
    const asked = request(
      { socketPath: socket, path, agent: false, signal: AbortSignal.timeout(withinMs) },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (text: string) => {
          body += text;
          if (body.length > maxBytes) asked.destroy(new Error(`more than ${maxBytes} bytes`));
        });
        answer.on("error", fail);
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      },
    );
    asked.on("error", fail);
    asked.end();
  });
}

/** GET /status. @throws {NoAnswer} @throws {UserError} where there is no daemon of ours that has it */
export async function daemonStatusOf(socketDir: string): Promise<DaemonStatus> {
  const { status, body } = await askDaemon(socketDir, "/status");
  const page = status === 200 ? parsed(body) : undefined;
  if (page === undefined || typeof page.version !== "string" || !isJsonObject(page.requests)) {
    throw new UserError(
      `${socketPath(socketDir)} is served by something that has no status (HTTP ${status})`,
      "it is Go multus's daemon, or a multusd of an earlier release: multusctl doctor says which",
    );
  }
  return page as unknown as DaemonStatus;
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function noAnswer(socket: string, error: unknown): NoAnswer {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EACCES" || code === "EPERM") {
    return new NoAnswer("forbidden", `${socket} may not be opened by this user`, "run it with sudo", error);
  }
  if (code === "ECONNREFUSED") {
    return new NoAnswer(
      "absent",
      `nobody serves ${socket}: a daemon that was killed has left it`,
      "start multusd, or look why it ended: kubectl -n kube-system logs --previous daemonset/kube-multus-ds",
      error,
    );
  }
  if (code === "ENOENT") {
    return new NoAnswer(
      "absent",
      `there is no ${socket}: no multusd runs here, or its socket is elsewhere`,
      "start multusd (one that the plugin starts, by daemonCommand, runs only while it is needed); --socket-dir names another directory (socketDir of its configuration)",
      error,
    );
  }
  // Of a request that is aborted the reason is the cause.
  const isLate =
    error instanceof Error && error.cause instanceof Error && error.cause.name === "TimeoutError";
  return isLate
    ? new NoAnswer(
        "silent",
        `${socket} takes connections, and there is no answer within ${withinMs / 1000} s`,
        "the daemon hangs, is stopped (SIGSTOP), or the machine has no time for it: look at its log and at the node's load, then restart it",
        error,
      )
    : new NoAnswer(
        "silent",
        `${socket}: ${errorText(error)}`,
        "see the daemon's log; restart it where it hangs",
        error,
      );
}
