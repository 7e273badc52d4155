/** Programs that are no agent of this release, in an agent's place. */

import { chmodSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { AgentProcess } from "../../../src/agent/agent-process.ts";
import { encodeFrame, FrameType } from "../../../src/agent/frames.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

function program(directory: ScratchDirectory, script: string): string {
  const path = directory.write("multus", `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const start = (binary: string) => AgentProcess.start({ binary, directories: [], onStderr: () => {} });

test("one of another release is refused, and ended even where it does not end with its stream", async () => {
  using directory = new ScratchDirectory();
  const hello = directory.write(
    "hello",
    encodeFrame(FrameType.hello, 0, { protocol: 9, version: "9.0.0", role: "agent" }),
  );
  const pidFile = directory.write("pid", "");
  const binary = program(directory, `echo $$ > ${pidFile}\ncat ${hello} >&3\nexec sleep 600`);
  await expect(start(binary)).rejects.toThrow("agent 9.0.0 speaks protocol 9, not 1");
  const pid = Number(readFileSync(pidFile, "utf8"));
  expect(pid).toBeGreaterThan(1);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("one that ends at once is refused with what it said", async () => {
  using directory = new ScratchDirectory();
  const binary = program(directory, "echo 'no such command: agent' >&2\nexit 4");
  await expect(start(binary)).rejects.toThrow(
    `the agent ${binary} ended with exit code 4: no such command: agent`,
  );
});

test("one that is not there is refused", async () => {
  await expect(start("/nowhere/multus")).rejects.toThrow("ENOENT");
});
