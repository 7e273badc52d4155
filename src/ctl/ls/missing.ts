/** `multusctl ls --missing`: the pods of this node that run without the networks that they select, as its daemon knows them. */

import type { MissingPodStatus } from "../../socket/status.ts";
import { daemonStatusOf, socketPath } from "../daemon-socket.ts";
import { formatTable } from "../table.ts";
import { UserError } from "../user-error.ts";

/** Pods that one line names; further ones are counted. */
const podsNamed = 5;

/** @throws {UserError} where no daemon answers, or one that does not look for such pods */
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

/** `3 pods run without their networks: a/b, c/d, e/f` @param missing at least one */
export function missingText(missing: readonly MissingPodStatus[]): string {
  const more = missing.length > podsNamed ? ` and ${missing.length - podsNamed} more` : "";
  const named = missing
    .slice(0, podsNamed)
    .map(({ pod }) => pod)
    .join(", ");
  return `${missing.length} ${missing.length === 1 ? "pod runs without the networks that it selects" : "pods run without the networks that they select"}: ${named}${more}`;
}

const columns = ["POD", "CONTROLLER", "FOUND", "ACTION"].map((heading) => ({ heading }));

function rowOf({ pod, controller, foundAt, action }: MissingPodStatus): string[] {
  return [pod, controller === "" ? "-" : controller, foundAt, action];
}
