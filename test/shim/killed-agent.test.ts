/** An agent that is killed: another one carries out the orders that cannot have begun, or may be repeated; the others end with an error. */

import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AgentExecutor } from "../../src/agent/agent-executor.ts";
import { AgentPool } from "../../src/agent/agent-pool.ts";
import { AgentProcess } from "../../src/agent/agent-process.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { shims } from "./support/binaries.ts";
import { isRunning } from "./support/process-state.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = { timeout: 30_000, interval: 10 };
const binary = shims[0]?.binary ?? "";

let directory: ScratchDirectory;
let pool: AgentPool;
let executor: AgentExecutor;

const callsFile = () => join(directory.path, "calls");
const releaseFile = () => join(directory.path, "release");

beforeEach(() => {
  directory = new ScratchDirectory("killed");
  // Says whose child it is, and ends when it may.
  const script = `#!/bin/sh\ncat > /dev/null\necho $PPID >> ${callsFile()}\nuntil [ -e ${releaseFile()} ]; do sleep 0.02; done\n`;
  writeFileSync(join(directory.path, "held"), script);
  chmodSync(join(directory.path, "held"), 0o755);
  pool = new AgentPool({
    idleMs: 60_000,
    start: (directories) => AgentProcess.start({ binary, directories }),
  });
  executor = new AgentExecutor(pool, { environment: {}, path: directory.path });
});

afterEach(async () => {
  await pool.close();
  directory[Symbol.dispose]();
});

const run = (command: string) =>
  executor.runPlugin({
    plugin: "held",
    path: directory.path,
    env: { CNI_COMMAND: command },
    stdin: Buffer.from("{}"),
    timeoutMs: 60_000,
  });

/** The agents that ran the plugin, one for each call. */
const calls = () =>
  existsSync(callsFile()) ? readFileSync(callsFile(), "utf8").split("\n").filter(Boolean).map(Number) : [];

async function untilCalled(times: number): Promise<number> {
  await vi.waitFor(() => expect(calls()).toHaveLength(times), patience);
  return calls().at(-1) ?? 0;
}

test.each(["ADD", "DEL"])("before an %s that it never got: another one does it, once", async (command) => {
  writeFileSync(releaseFile(), "");
  await run("CHECK");
  const killed = await untilCalled(1);
  process.kill(killed, "SIGKILL");
  // Without giving way: this process has not noticed when it sends the order.
  while (isRunning(killed));
  expect((await run(command)).exitCode).toBe(0);
  expect(calls()).toEqual([killed, expect.any(Number)]);
  expect(calls()[1]).not.toBe(killed);
});

test("while its plugin does an ADD: it is not done again, and said to be begun", async () => {
  const adding = run("ADD");
  const refused = expect(adding).rejects.toMatchObject({
    code: "gone",
    neverArrived: false,
    message: `the agent ${binary} ended by SIGKILL before it answered EXEC, which may be done, in part or as a whole`,
  });
  process.kill(await untilCalled(1), "SIGKILL");
  await refused;
  expect(calls()).toHaveLength(1);
});

test.each(["DEL", "CHECK"])("while its plugin does a %s: another one does it again", async (command) => {
  const done = run(command);
  const killed = await untilCalled(1);
  process.kill(killed, "SIGKILL");
  expect(await untilCalled(2)).not.toBe(killed);
  writeFileSync(releaseFile(), "");
  expect((await done).exitCode).toBe(0);
});

test("each time: it is tried twice, no more", async () => {
  const deleting = run("DEL");
  const refused = expect(deleting).rejects.toMatchObject({ code: "gone" });
  process.kill(await untilCalled(1), "SIGKILL");
  process.kill(await untilCalled(2), "SIGKILL");
  await refused;
  expect(calls()).toHaveLength(2);
});
