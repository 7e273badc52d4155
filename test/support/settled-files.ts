/** A file that has just changed has no state that can be kept, as its time stamp may not tell the next change: it is read each time. */

import { expect, vi } from "vitest";
import { fileState } from "../../src/base/file-state.ts";

/** Waits until what was read of the files can be kept. @param paths of files that are there */
export async function untilSettled(...paths: readonly string[]): Promise<void> {
  await vi.waitFor(() => {
    for (const path of paths) expect(fileState(path)).toMatchObject({ identity: expect.stringMatching(/./) });
  }, 30_000);
}
