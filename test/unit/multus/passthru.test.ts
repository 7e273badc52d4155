import { expect, test } from "vitest";
import type { PluginRun } from "../../../src/agent/executor.ts";
import { PassthruExecutor } from "../../../src/multus/plan/passthru.ts";
import { PretendedPlugins } from "../../support/pretended-plugins.ts";

const run = (command: string, stdin: unknown, more: Partial<PluginRun> = {}): PluginRun => ({
  plugin: "passthru",
  path: "/opt/cni/bin",
  env: { CNI_COMMAND: command },
  stdin: Buffer.from(JSON.stringify(stdin)),
  timeoutMs: 0,
  ...more,
});

async function stdoutOf(order: PluginRun): Promise<string> {
  const { exitCode, stdout } = await new PassthruExecutor(new PretendedPlugins()).runPlugin(order);
  expect(exitCode).toBe(0);
  return Buffer.from(stdout).toString("utf8");
}

test("ADD gives prevResult back as it came, byte for byte", async () => {
  const prevResult = '{"cniVersion":"1.0.0",  "id": 18446744073709551615}';
  const stdin = Buffer.from(`{"cniVersion":"1.0.0","type":"passthru","prevResult":${prevResult}}`);
  expect(await stdoutOf(run("ADD", {}, { stdin }))).toBe(prevResult);
});

test("ADD without prevResult is an empty result of the configuration's version", async () => {
  expect(await stdoutOf(run("ADD", { cniVersion: "0.4.0", type: "passthru" }))).toBe(
    '{"cniVersion":"0.4.0"}',
  );
  expect(await stdoutOf(run("ADD", { type: "passthru" }))).toBe("{}");
});

test.each(["DEL", "CHECK", "STATUS", "GC"])("%s says nothing", async (command) => {
  expect(await stdoutOf(run(command, { cniVersion: "1.1.0" }))).toBe("");
});

test("ADD is refused where the interface is there already", async () => {
  const plugins = new PretendedPlugins();
  plugins.links.add("net1");
  const order = run("ADD", {}, { absentLink: { netns: "/run/netns/pod", ifName: "net1" } });
  await expect(new PassthruExecutor(plugins).runPlugin(order)).rejects.toMatchObject({ code: "link-exists" });
});

test("every other plugin, and every other order, goes on to the executor", async () => {
  const plugins = new PretendedPlugins();
  plugins.links.add("eth0");
  const executor = new PassthruExecutor(plugins);
  await executor.runPlugin(run("DEL", {}, { plugin: "bridge" }));
  await executor.setDefaultRoutes("/run/netns/pod", "eth0", [4], ["10.0.0.1"]);
  expect(await executor.linkExists("/run/netns/pod", "eth0")).toBe(true);
  expect(plugins.trace).toEqual(["DEL bridge "]);
  expect(plugins.routes).toEqual([["eth0", [4], ["10.0.0.1"]]]);
});

test("runs after each other go in order, whichever of them is passthru", async () => {
  const tokens = Array.from({ length: 4 }, (_, place) => Symbol(`run ${place}`));
  const plugins = new PretendedPlugins();
  const ends: (() => void)[] = [];
  plugins.behaviour = () => new Promise((resolve) => ends.push(() => resolve(undefined)));
  const executor = new PassthruExecutor(plugins);
  const ended: string[] = [];
  const runs = ["bridge", "passthru", "macvlan", "passthru"].map(async (plugin, place) => {
    await executor.runPlugin(
      run("ADD", { cniVersion: "1.0.0" }, { plugin, token: tokens[place], after: tokens[place - 1] }),
    );
    ended.push(plugin);
  });
  await new Promise(setImmediate);
  expect([plugins.trace, ended]).toEqual([["ADD bridge "], []]);
  ends[0]?.();
  await new Promise(setImmediate);
  expect([plugins.trace, ended]).toEqual([
    ["ADD bridge ", "ADD macvlan "],
    ["bridge", "passthru"],
  ]);
  ends[1]?.();
  await Promise.all(runs);
  expect(ended).toEqual(["bridge", "passthru", "macvlan", "passthru"]);
});

test("passthru is not started after a plugin that has failed, nor is the plugin after that", async () => {
  const [first, second] = [Symbol("first"), Symbol("second")];
  const plugins = new PretendedPlugins();
  plugins.behaviour = () => ({ exitCode: 1 });
  const executor = new PassthruExecutor(plugins);
  const failed = executor.runPlugin(run("ADD", {}, { plugin: "bridge", token: first }));
  const own = executor.runPlugin(run("ADD", {}, { token: second, after: first }));
  const last = executor.runPlugin(run("ADD", {}, { plugin: "macvlan", after: second }));
  expect(await failed).toMatchObject({ exitCode: 1 });
  await expect(own).rejects.toMatchObject({ code: "not-started" });
  await expect(last).rejects.toMatchObject({ code: "not-started" });
  expect(plugins.trace).toEqual(["ADD bridge "]);
});
