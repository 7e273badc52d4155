/** Waits until a daemon keeps what it reads of files: those that have just changed it reads again at every look. */

import { setTimeout as sleep } from "node:timers/promises";
import { fileStates } from "../src/base/file-state.ts";
import type { TestNode } from "../test/support/test-node.ts";

/** Steps in which files are looked at. */
const stepMs = 20;

/** @param node whose networks have been written */
export async function untilFilesSettle({ nadDir }: Pick<TestNode, "nadDir">): Promise<void> {
  while (fileStates(nadDir, [".json", ".yaml", ".yml"]).some(({ identity }) => identity === ""))
    await sleep(stepMs);
}
