/** Summary of the node's files: attachments by network, and recorded DELs. */

import { join } from "node:path";
import type { Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import { spoolDirectory } from "../../multus/input/cni-dir.ts";
import { readSpool } from "../../multus/spool/spool.ts";
import { type NodeAttachments, readAttachments } from "../node/attachments.ts";

export interface NodeSummary {
  readonly cniDir: string;
  readonly containers: number;
  readonly attachments: number;
  /** Attachments by network, the most used first. */
  readonly networks: readonly { readonly network: string; readonly attachments: number }[];
  /** Recorded DELs, waiting and given up; undefined: the spool cannot be read. */
  readonly spool:
    | { readonly waiting: number; readonly failed: number; readonly oldestSeconds?: number }
    | undefined;
  /** Files that cannot be read whole, and directories. */
  readonly problems: readonly string[];
}

/** Never throws: failures to read are listed in `problems`. */
export async function summarizeNode(cniDir: string, kernels: Kernels): Promise<NodeSummary> {
  /** A set, as the spool is read for the attachments as well and would report a problem twice. */
  const problems = new Set<string>();
  const { attachments, problems: ofFiles } = await attempt<Pick<NodeAttachments, "attachments" | "problems">>(
    () => readAttachments(cniDir, kernels),
    { attachments: [], problems: [] },
    (problem) => problems.add(problem),
  );
  for (const { file, problem } of ofFiles) problems.add(`${file}: ${problem}`);
  const byNetwork = Map.groupBy(attachments, ({ network }) => network);
  const spool = await attempt(
    () => readSpool(cniDir),
    undefined,
    (problem) => problems.add(`${join(cniDir, spoolDirectory)}: ${problem}`),
  );
  return {
    cniDir,
    containers: new Set(attachments.map(({ containerId }) => containerId)).size,
    attachments: attachments.length,
    networks: Array.from(byNetwork, ([network, { length }]) => ({ network, attachments: length })).sort(
      (left, right) => right.attachments - left.attachments || (left.network < right.network ? -1 : 1),
    ),
    spool: spool && {
      waiting: spool.waiting,
      failed: spool.failed,
      ...(spool.oldestMs === undefined ? {} : { oldestSeconds: Math.round(spool.oldestMs / 1000) }),
    },
    problems: [...problems],
  };
}

async function attempt<Value>(
  read: () => Promise<Value>,
  otherwise: Value,
  onProblem: (problem: string) => void,
): Promise<Value> {
  try {
    return await read();
  } catch (error) {
    onProblem(errorText(error));
    return otherwise;
  }
}
