/** A recorded DEL has one limited time for all of its plugins. */

import { expect, test, vi } from "vitest";
import type { PluginOutcome, PluginRun } from "../../../../src/agent/executor.ts";
import { RecordedExecutor } from "../../../../src/multus/spool/recorded-executor.ts";
import { PretendedPlugins } from "../../../support/pretended-plugins.ts";

const runOf = (ifName: string, further: Partial<PluginRun> = {}): PluginRun => ({
  plugin: "macvlan",
  path: "/usr/lib/cni",
  env: { CNI_COMMAND: "DEL", CNI_IFNAME: ifName },
  stdin: Buffer.from("{}"),
  timeoutMs: 90_000,
  ...further,
});

test("a run that is after another one has what that one leaves of the record's time", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const plugins = new PretendedPlugins();
    plugins.behaviour = () => {
      vi.advanceTimersByTime(100_000);
      return undefined;
    };
    const executor = new RecordedExecutor(plugins, undefined);
    const token = Symbol("first");
    const both: readonly Promise<PluginOutcome>[] = [
      executor.runPlugin(runOf("net2", { token })),
      executor.runPlugin(runOf("net1", { after: token })),
    ];
    await Promise.all(both);
    expect(plugins.calls.map(({ ifName, timeoutMs }) => [ifName, timeoutMs])).toEqual([
      ["net2", 90_000],
      ["net1", 20_000],
    ]);
    await expect(executor.runPlugin(runOf("net0"))).rejects.toMatchObject({ code: "timeout" });
  } finally {
    vi.useRealTimers();
  }
});

test("a run that is after one that has failed is not started", async () => {
  const plugins = new PretendedPlugins();
  plugins.behaviour = () => ({ exitCode: 1 });
  const executor = new RecordedExecutor(plugins, undefined);
  const token = Symbol("first");
  const first = executor.runPlugin(runOf("net2", { token }));
  const second = executor.runPlugin(runOf("net1", { after: token }));
  expect((await first).exitCode).toBe(1);
  await expect(second).rejects.toMatchObject({ code: "not-started" });
  expect(plugins.trace).toEqual(["DEL macvlan net2"]);
});
