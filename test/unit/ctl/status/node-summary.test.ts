/** `multusctl status` about the node's files. */

import { expect, test } from "vitest";
import { summarizeNode } from "../../../../src/ctl/status/node-summary.ts";
import { loadKernels } from "../../../../src/kernels/load.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

test("a spool that cannot be read is said once", async () => {
  using directory = new ScratchDirectory();
  directory.write(".spool", "no directory");
  const { spool, problems } = await summarizeNode(directory.path, loadKernels());
  expect(spool).toBeUndefined();
  expect(problems).toEqual([expect.stringMatching(/\/\.spool: ENOTDIR/)]);
});
