/** The daemon's socket as commands see it: HTTP, and what it means where nobody answers. */

import { lstatSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { isMissingFile } from "../cni/errors.ts";
import { isJsonObject, type JsonObject } from "../cni/json.ts";
import type { ClusterState } from "../kube/cluster-state.ts";
import { errorText } from "../log/error-text.ts";
import type { DaemonStatus as Status } from "../multus/daemon-status.ts";
import { UserError } from "./user-error.ts";

export type DaemonStatus = Status<ClusterState>;

export interface SocketAnswer {
  readonly status: number;
  readonly body: string;
}

const withinMs = 5_000;
const maxBytes = 4 << 20;

export function socketPath(socketDir: string): string {
  return join(socketDir, "multus.sock");
}

/** One GET. @throws {UserError} where there is no answer, with what to do about it */
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

/** GET /status. @throws {UserError} where there is no daemon of ours that has it */
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

function noAnswer(socket: string, error: unknown): UserError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EACCES" || code === "EPERM") {
    return new UserError(`${socket} may not be opened by this user`, "run it with sudo");
  }
  if (code === "ECONNREFUSED") {
    return new UserError(
      `nobody serves ${socket}: a daemon that was killed has left it`,
      "start multusd, or look why it ended: kubectl -n kube-system logs --previous daemonset/kube-multus-ds",
    );
  }
  if (code === "ENOENT" || isMissingFile(error)) {
    const isHidden = lstatSync(socket, { throwIfNoEntry: false }) !== undefined;
    if (!isHidden) {
      return new UserError(
        `there is no ${socket}: no multusd runs here, or its socket is elsewhere`,
        "start multusd; --socket-dir names another directory (socketDir of its configuration)",
      );
    }
  }
  const reason =
    error instanceof Error && error.name === "TimeoutError"
      ? `no answer within ${withinMs / 1000} s`
      : errorText(error);
  return new UserError(`${socket}: ${reason}`, "see the daemon's log; restart it where it hangs");
}
