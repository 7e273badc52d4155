/** `multusctl ls --missing`: lists the pods of this node that run without the networks that they select, by its daemon's knowledge. */

import type { MissingPodStatus } from "../../socket/status.ts";
import { UserError } from "../command/user-error.ts";
import { daemonStatusOf, socketPath } from "../node/daemon-socket.ts";
import { formatTable } from "../text/table.ts";

/** @throws {UserError} if no daemon answers, or the daemon does not look for such pods */
export async function listMissing(socketDir: string, json: boolean): Promise<void> {
  const { missingNetworks: missing } = await daemonStatusOf(socketDir);
  if (missing === undefined) {
    throw new UserError(
      `the daemon at ${socketPath(socketDir)} does not look for pods without their networks`,
      "it is of an earlier release: multusctl validate --all-namespaces names such pods from the API",
    );
  }
  process.stdout.write(
    json ? `${JSON.stringify({ missing }, undefined, 2)}\n` : formatTable(columns, missing.map(rowOf)),
  );
}

const columns = ["POD", "CONTROLLER", "FOUND", "ACTION"];

function rowOf({ pod, controller, foundAt, action }: MissingPodStatus): string[] {
  return [pod, controller || "-", foundAt, action];
}
