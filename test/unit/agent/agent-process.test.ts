/** Programs that are no agent of this release, in an agent's place. */

import { chmodSync, readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { AgentProcess } from "../../../src/agent/agent-process.ts";
import { encodeFrame, FrameType, protocolVersion } from "../../../src/agent/frames.ts";
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

test("one that does not end with its stream is killed some time later", async () => {
  using directory = new ScratchDirectory();
  const hello = { protocol: protocolVersion, version: "1.0.0", role: "agent" };
  const helloFile = directory.write("hello", encodeFrame(FrameType.hello, 0, hello));
  const pidFile = directory.write("pid", "");
  const agent = await start(program(directory, `echo $$ > ${pidFile}\ncat ${helloFile} >&3\nexec sleep 600`));
  const isThere = () => process.kill(Number(readFileSync(pidFile, "utf8")), 0);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const closed = agent.close();
    await vi.advanceTimersByTimeAsync(7_000);
    expect(isThere()).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    await closed;
    expect(isThere).toThrow("ESRCH");
  } finally {
    vi.useRealTimers();
  }
});

test("one that breaks the protocol is killed, and its orders fail when it is gone, not before", async () => {
  using directory = new ScratchDirectory();
  const hello = { protocol: protocolVersion, version: "1.0.0", role: "agent" };
  const helloFile = directory.write("hello", encodeFrame(FrameType.hello, 0, hello));
  const orderFile = directory.write("order", encodeFrame(FrameType.linkExists, 7, {}));
  const pidFile = directory.write("pid", "");
  const script = `echo $$ > ${pidFile}\ncat ${helloFile} >&3\nhead -c 1 <&3 > /dev/null\ncat ${orderFile} >&3\nexec sleep 600`;
  await using agent = await start(program(directory, script));
  await expect(agent.executor.linkExists("/n", "i")).rejects.toMatchObject({
    code: "gone",
    neverArrived: false,
    message: expect.stringMatching(/^the agent broke the protocol \(frame of type 17 has no place here\)/),
  });
  expect(() => process.kill(Number(readFileSync(pidFile, "utf8")), 0)).toThrow("ESRCH");
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
