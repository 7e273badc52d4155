/** Plugin chains do what libcni does: which plugins, in which order, with what, and what becomes of their failures. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ExecutorError, type ExecutorErrorCode, type PluginRun } from "../../../src/agent/executor.ts";
import { ForwardingExecutor } from "../../../src/agent/forwarding-executor.ts";
import { largeTurnsOf } from "../../../src/base/large-work.ts";
import { ResultCache } from "../../../src/cni/cache.ts";
import {
  addNetworkList,
  type ChainContext,
  checkNetworkList,
  deleteNetworkList,
  gcNetworkList,
  statusNetworkList,
} from "../../../src/cni/chain.ts";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import { CniErrorCode } from "../../../src/cni/errors.ts";
import { executorErrorCode } from "../../../src/cni/plugin-failure.ts";
import { PluginVersions } from "../../../src/cni/plugin-versions.ts";
import type { NetworkConfigList, RuntimeConf } from "../../../src/cni/types.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { type PluginAnswer, PretendedPlugins } from "../../support/pretended-plugins.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const kernels = loadKernels();

/** A plugin's answer: stdout of a success, or how it fails. */
type Answer = string | PluginAnswer | ExecutorError;

const failing = (exitCode: number, stdout: string, stderrTail = ""): PluginAnswer => ({
  exitCode,
  stdout,
  stderrTail,
});

function network(cniVersion: string, ...types: string[]): NetworkConfigList {
  const plugins = types.map((type) => ({ type, own: type, capabilities: { mac: type === "b" } }));
  const text = JSON.stringify({ cniVersion, name: "n", plugins });
  return parseNetworkConfig(Buffer.from(text), "n.conflist", kernels);
}

const runtime: RuntimeConf = {
  containerId: "c0ffee",
  netns: "/run/netns/x",
  ifName: "net1",
  args: [
    ["IgnoreUnknown", "true"],
    ["A", "b=c"],
  ],
  capabilityArgs: Buffer.from('{"mac":"02:11:22:33:44:55","ips":["10.0.0.1"]}'),
};

const resultOf = (address: string, cniVersion = "1.0.0") =>
  JSON.stringify({ cniVersion, ips: [{ address }] });
const parsed = (bytes: Uint8Array | undefined) => JSON.parse(Buffer.from(bytes ?? []).toString());

class Setup implements Disposable {
  readonly directory = new ScratchDirectory();
  readonly cache = new ResultCache(this.directory.path, silentLogger);
  readonly plugins = new PretendedPlugins();
  readonly context: ChainContext;

  /** @param answers by plugin, or plugin and command; without one it prints nothing */
  constructor(answers: Readonly<Record<string, Answer>> = {}) {
    this.plugins.behaviour = ({ plugin, command }) => {
      const answer = answers[`${plugin} ${command}`] ?? answers[plugin] ?? "";
      if (answer instanceof ExecutorError) throw answer;
      return typeof answer === "string" ? { stdout: answer } : answer;
    };
    this.context = {
      executor: this.plugins,
      kernels,
      path: "/opt/cni/bin:/usr/lib/cni",
      cache: this.cache,
      timeoutOf: () => 5000,
      refusal: ({ type }) => (type === "refused" ? `type "${type}" is never run` : undefined),
      versions: new PluginVersions(),
      largeWork: largeTurnsOf("ADD", ""),
      log: silentLogger,
    };
  }

  get commands(): string[] {
    return this.plugins.calls.map(({ command, plugin }) => `${command} ${plugin}`);
  }

  /** Command, plugin and stdin of each run. */
  get orders(): unknown[] {
    return this.plugins.calls.map(({ command, plugin, stdin }) => [`${command} ${plugin}`, stdin]);
  }

  get cached(): string[] {
    return readdirSync(join(this.directory.path, "results"));
  }

  /** Puts a result into the cache, as an ADD would. */
  remember(list: NetworkConfigList, result: string, containerId = runtime.containerId): void {
    this.cache.write({
      ...runtime,
      containerId,
      networkName: list.name,
      config: list.bytes,
      result: Buffer.from(result),
    });
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }
}

describe("ADD", () => {
  it("runs the plugins in order, hands each the result of the one before, and caches the last", async () => {
    using setup = new Setup({
      a: resultOf("10.0.0.1/24"),
      b: resultOf("10.0.0.2/24"),
      c: resultOf("10.0.0.3/24"),
    });
    const list = network("1.0.0", "a", "b", "c");
    const result = await addNetworkList(setup.context, list, runtime);
    expect(parsed(result)).toMatchObject({ ips: [{ address: "10.0.0.3/24" }] });
    expect(setup.orders).toEqual([
      ["ADD a", { name: "n", cniVersion: "1.0.0", type: "a", own: "a" }],
      [
        "ADD b",
        {
          name: "n",
          cniVersion: "1.0.0",
          type: "b",
          own: "b",
          prevResult: expect.objectContaining({ ips: [{ address: "10.0.0.1/24" }] }),
          runtimeConfig: { mac: "02:11:22:33:44:55" },
        },
      ],
      [
        "ADD c",
        {
          name: "n",
          cniVersion: "1.0.0",
          type: "c",
          own: "c",
          prevResult: expect.objectContaining({ ips: [{ address: "10.0.0.2/24" }] }),
        },
      ],
    ]);
    const cached = setup.cache.read({ networkName: "n", containerId: "c0ffee", ifName: "net1" });
    expect(cached).toMatchObject({
      netns: "/run/netns/x",
      args: runtime.args,
      config: Buffer.from(list.bytes),
    });
    expect(parsed(cached?.result)).toEqual(parsed(result));
    expect(parsed(cached?.capabilityArgs)).toEqual(parsed(runtime.capabilityArgs));
  });

  it("gives each plugin the parameters of the spec", async () => {
    using setup = new Setup();
    await addNetworkList(setup.context, network("1.0.0", "a", "b"), runtime, { refuseExistingLink: true });
    expect(setup.plugins.calls).toMatchObject([
      {
        plugin: "a",
        path: "/opt/cni/bin:/usr/lib/cni",
        timeoutMs: 5000,
        env: {
          CNI_COMMAND: "ADD",
          CNI_CONTAINERID: "c0ffee",
          CNI_NETNS: "/run/netns/x",
          CNI_IFNAME: "net1",
          CNI_ARGS: "IgnoreUnknown=true;A=b=c",
          CNI_PATH: "/opt/cni/bin:/usr/lib/cni",
        },
        absentLink: { netns: "/run/netns/x", ifName: "net1" },
      },
      { plugin: "b" },
    ]);
    expect(setup.plugins.calls[1]).not.toHaveProperty("absentLink");
  });

  it.each([
    ["", "1.0.0"],
    ["null", "0.3.1"],
    [" \n", "0.4.0"],
  ])("takes the answer %j for an empty result", async (answer, version) => {
    using setup = new Setup({ a: answer });
    const result = await addNetworkList(setup.context, network(version, "a"), runtime);
    expect(parsed(result)).toMatchObject({ cniVersion: version });
  });

  it("hands a plugin's answer on as it came, in the version that it says; DEL gets it in the network's, as libcni has it", async () => {
    const answer = '{ "ip4": {"ip":"10.0.0.9/24"},"cniVersion":"0.2.0", "dns":{}}';
    using setup = new Setup({ "a ADD": answer, "b ADD": answer });
    const list = network("1.0.0", "a", "b");
    expect(Buffer.from(await addNetworkList(setup.context, list, runtime)).toString()).toBe(answer);
    expect(setup.plugins.calls[1]?.stdinText).toContain(`"prevResult":${answer}`);
    await deleteNetworkList(setup.context, list, runtime);
    expect(setup.plugins.calls[2]?.stdin).toMatchObject({
      prevResult: { cniVersion: "1.0.0", ips: [{ address: "10.0.0.9/24" }] },
    });
  });

  it("says the network's version in an answer that says none", async () => {
    using setup = new Setup({ a: "{}" });
    const result = await addNetworkList(setup.context, network("1.0.0", "a"), runtime);
    expect(parsed(result)).toEqual({ cniVersion: "1.0.0" });
  });

  it("stops at the first plugin that fails, and caches nothing", async () => {
    using setup = new Setup({
      a: resultOf("10.0.0.1/24"),
      b: failing(1, '{"code":110,"msg":"no address left","details":"range x"}'),
    });
    await expect(
      addNetworkList(setup.context, network("1.0.0", "a", "b", "c"), runtime),
    ).rejects.toMatchObject({
      code: 110,
      message: 'plugin "b" (ADD) failed: no address left',
      details: "range x",
    });
    expect(setup.commands).toEqual(["ADD a", "ADD b"]);
    expect(existsSync(join(setup.directory.path, "results"))).toBe(false);
  });

  it.each([
    [{ containerId: "../x" }, CniErrorCode.invalidEnvironment],
    [{ containerId: "" }, CniErrorCode.invalidEnvironment],
    [{ ifName: "a/b" }, CniErrorCode.invalidEnvironment],
    [{ args: [["A", "b;C=d"]] as const }, CniErrorCode.invalidEnvironment],
  ])("runs nothing for %j", async (bad, code) => {
    using setup = new Setup();
    await expect(
      addNetworkList(setup.context, network("1.0.0", "a"), { ...runtime, ...bad }),
    ).rejects.toMatchObject({ code });
    expect(setup.plugins.calls).toEqual([]);
  });

  it("says why an answer is no result", async () => {
    using setup = new Setup({ a: '{"cniVersion":"1.0.0",\n"ips":[{"address":"nonsense"}]}' });
    await expect(addNetworkList(setup.context, network("1.0.0", "a"), runtime)).rejects.toMatchObject({
      code: CniErrorCode.decodingFailure,
      message: expect.stringMatching(
        /^plugin "a" \(ADD\) answered with no valid result: .+ \(line 2, column 19\), of ".*nonsense/,
      ),
    });
  });

  it("quotes no more than the beginning of a long answer", async () => {
    using setup = new Setup({ a: `garbage ${"x".repeat(1_000_000)}` });
    await expect(addNetworkList(setup.context, network("1.0.0", "a"), runtime)).rejects.toSatisfy(
      (error: Error) => error.message.length < 600,
    );
  });
});

describe("a plugin's failure", () => {
  it.each([
    [failing(1, '{"code":7,"msg":"bad config"}'), 7, "failed: bad config"],
    [failing(3, '{"cniVersion":"1.0.0","code":11,"msg":"later","details":"d"}'), 11, "failed: later"],
    [failing(1, '{"code":0,"msg":"odd"}'), 999, "failed: odd"],
    [failing(1, '{"msg":"no code"}'), 999, "failed: no code"],
    [failing(1, '{"code":100}'), 100, "failed: no message"],
    [failing(1, ""), 999, "failed with exit code 1: nothing on stdout"],
    [
      failing(139, "", "Segmentation\nfault\n"),
      999,
      'failed with exit code 139: nothing on stdout, on stderr "Segmentation\\nfault"',
    ],
    [failing(2, "oh no"), 999, 'failed with exit code 2: no error object on stdout but "oh no"'],
    [failing(2, "{}"), 999, 'failed with exit code 2: no error object on stdout but "{}"'],
    [
      failing(2, "[1]", "why"),
      999,
      'failed with exit code 2: no error object on stdout but "[1]", on stderr "why"',
    ],
  ])("%j is code %i", async (answer, code, message) => {
    using setup = new Setup({ a: answer });
    await expect(addNetworkList(setup.context, network("1.0.0", "a"), runtime)).rejects.toMatchObject({
      code,
      message: `plugin "a" (ADD) ${message}`,
    });
  });

  it("is cut where it is longer than anybody reads", async () => {
    const long = JSON.stringify({ code: 101, msg: "m".repeat(7_000_000), details: "d".repeat(500_000) });
    using setup = new Setup({ a: failing(1, long) });
    await expect(addNetworkList(setup.context, network("1.0.0", "a"), runtime)).rejects.toMatchObject({
      code: 101,
      message: expect.stringMatching(/^plugin "a" \(ADD\) failed: m{3000}… \(7000000 characters\)$/),
      details: expect.stringMatching(/^d{16384}… \(500000 characters\)$/),
    });
  });

  it.each<[ExecutorErrorCode, number, RegExp]>([
    [
      "not-found",
      CniErrorCode.invalidNetworkConfig,
      /^plugin "a" \(ADD\): not found in \/opt\/cni\/bin, \/usr\/lib\/cni$/,
    ],
    ["refused", CniErrorCode.invalidNetworkConfig, /^plugin "a" \(ADD\): because$/],
    [
      "link-exists",
      CniErrorCode.invalidEnvironment,
      /interface net1 \(CNI_IFNAME\) is already in \/run\/netns\/x$/,
    ],
    ["netns", CniErrorCode.invalidEnvironment, /CNI_NETNS \/run\/netns\/x: because$/],
    ["spawn", CniErrorCode.ioFailure, /because$/],
    ["timeout", CniErrorCode.internal, /killed, as it did not end within 5000 ms$/],
    ["too-large", CniErrorCode.decodingFailure, /because$/],
    ["not-started", CniErrorCode.internal, /because$/],
    ["failed", CniErrorCode.internal, /because$/],
    ["gone", CniErrorCode.tryAgainLater, /because$/],
  ])("to run at all (%s) is code %i", async (executorCode, code, message) => {
    using setup = new Setup({ a: new ExecutorError(executorCode, "because") });
    await expect(addNetworkList(setup.context, network("1.0.0", "a"), runtime)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

describe("ADD after another network's", () => {
  it("has its first plugin started after that one's last, and says when its own last one is ordered", async () => {
    using setup = new Setup({ a: resultOf("10.0.0.1/24"), b: resultOf("10.0.0.2/24") });
    const runs: PluginRun[] = [];
    const events: string[] = [];
    const gates: (() => void)[] = [];
    const { behaviour } = setup.plugins;
    setup.plugins.behaviour = async (call) => {
      events.push(`${call.plugin} ${call.ifName}`);
      await new Promise<void>((resolve) => gates.push(resolve));
      return behaviour(call);
    };
    const executor = new (class extends ForwardingExecutor {
      override runPlugin(run: PluginRun) {
        runs.push(run);
        return super.runPlugin(run);
      }
    })(setup.plugins);
    const context = { ...setup.context, executor };
    let second: Promise<unknown> = Promise.resolve();
    const first = addNetworkList(context, network("1.0.0", "a", "b"), runtime, {
      onOrder: ({ token: startAfter, isLast }) => {
        if (!isLast) return;
        events.push("last order of net1");
        second = addNetworkList(
          context,
          network("1.0.0", "a"),
          { ...runtime, ifName: "net2" },
          { startAfter },
        );
      },
    });
    await new Promise(setImmediate);
    expect(events).toEqual(["a net1"]);
    gates[0]?.();
    await new Promise(setImmediate);
    expect(events).toEqual(["a net1", "b net1", "last order of net1"]);
    expect(runs).toHaveLength(3);
    gates[1]?.();
    await first;
    await new Promise(setImmediate);
    expect(events.at(-1)).toBe("a net2");
    gates[2]?.();
    await second;
    expect(runs.map(({ token }) => typeof token)).toEqual(["symbol", "symbol", "symbol"]);
    expect(runs.map(({ after }) => after)).toEqual([undefined, undefined, runs[1]?.token]);
  });

  it("is not started where that one fails, and nothing is cached", async () => {
    using setup = new Setup({ a: failing(1, "") });
    let second: Promise<unknown> = Promise.resolve();
    const first = addNetworkList(setup.context, network("1.0.0", "a"), runtime, {
      onOrder: ({ token: startAfter }) => {
        const other = { ...runtime, ifName: "net2" };
        second = addNetworkList(setup.context, network("1.0.0", "b", "a"), other, { startAfter });
        second.catch(() => {});
      },
    });
    await expect(first).rejects.toMatchObject({ code: CniErrorCode.internal });
    const refused: unknown = await second.catch((error: unknown) => error);
    expect(executorErrorCode(refused)).toBe("not-started");
    expect(setup.commands).toEqual(["ADD a"]);
    expect(existsSync(join(setup.directory.path, "results"))).toBe(false);
  });
});

describe("DEL", () => {
  it.each([
    ["0.3.1", false],
    ["0.4.0", true],
    ["1.0.0", true],
    ["1.1.0", true],
  ])("at %s runs the plugins in reverse; with the cached result: %s", async (version, hasResult) => {
    using setup = new Setup();
    const list = network(version, "a", "b");
    setup.remember(list, resultOf("10.0.0.1/24", version));
    await deleteNetworkList(setup.context, list, runtime);
    const prevResult = hasResult ? { prevResult: expect.objectContaining({ cniVersion: version }) } : {};
    expect(setup.orders).toEqual([
      [
        "DEL b",
        {
          name: "n",
          cniVersion: version,
          type: "b",
          own: "b",
          runtimeConfig: { mac: "02:11:22:33:44:55" },
          ...prevResult,
        },
      ],
      ["DEL a", { name: "n", cniVersion: version, type: "a", own: "a", ...prevResult }],
    ]);
    expect(setup.cached).toEqual([]);
  });

  it("goes on without a result that is missing, torn or not valid", async () => {
    const list = network("1.0.0", "a");
    for (const result of [undefined, '{"cniVersion":"9.9.9"}', '{"ips":"x"}']) {
      using setup = new Setup();
      if (result === undefined) setup.directory.write("results/n-c0ffee-net1", '{"kind":"cniCac');
      else setup.remember(list, result);
      await deleteNetworkList(setup.context, list, runtime);
      expect(setup.orders).toEqual([["DEL a", { name: "n", cniVersion: "1.0.0", type: "a", own: "a" }]]);
      expect(setup.cached).toEqual([]);
    }
  });

  it("takes the result in the network's version, should that have changed", async () => {
    using setup = new Setup();
    const list = network("1.0.0", "a");
    setup.remember(list, '{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.0.0.1/24"}]}');
    await deleteNetworkList(setup.context, list, runtime);
    expect(setup.plugins.calls[0]?.stdin.prevResult).toEqual({
      cniVersion: "1.0.0",
      ips: [{ address: "10.0.0.1/24" }],
    });
  });

  it("keeps the cache entry if a plugin fails, for the next try", async () => {
    using setup = new Setup({ b: failing(1, '{"code":11,"msg":"later"}') });
    const list = network("1.0.0", "a", "b");
    setup.remember(list, resultOf("10.0.0.1/24"));
    await expect(deleteNetworkList(setup.context, list, runtime)).rejects.toMatchObject({ code: 11 });
    expect(setup.commands).toEqual(["DEL b"]);
    expect(setup.cached).toEqual(["n-c0ffee-net1"]);
  });

  it("may come again, and without a namespace", async () => {
    using setup = new Setup();
    const list = network("1.0.0", "a");
    for (let times = 0; times < 2; times++) {
      await deleteNetworkList(setup.context, list, { ...runtime, netns: "" });
    }
    expect(setup.plugins.calls.map(({ env }) => env.CNI_NETNS)).toEqual(["", ""]);
  });
});

describe("CHECK", () => {
  it("runs the plugins in order with the cached result, which stays", async () => {
    using setup = new Setup();
    const list = network("0.4.0", "a", "b");
    setup.remember(list, resultOf("10.0.0.1/24", "0.4.0"));
    await checkNetworkList(setup.context, list, runtime);
    expect(setup.commands).toEqual(["CHECK a", "CHECK b"]);
    for (const { stdin } of setup.plugins.calls) expect(stdin).toHaveProperty("prevResult.ips");
    expect(setup.cached).toEqual(["n-c0ffee-net1"]);
  });

  it.each(["0.1.0", "0.2.0", "0.3.0", "0.3.1"])("is not there at %s", async (version) => {
    using setup = new Setup();
    await expect(checkNetworkList(setup.context, network(version, "a"), runtime)).rejects.toMatchObject({
      code: CniErrorCode.incompatibleVersion,
    });
    expect(setup.plugins.calls).toEqual([]);
  });

  it("does nothing with disableCheck", async () => {
    using setup = new Setup();
    await checkNetworkList(setup.context, { ...network("1.0.0", "a"), disableCheck: true }, runtime);
    expect(setup.plugins.calls).toEqual([]);
  });

  it("stops at the first failure, or at a cached result that is not valid", async () => {
    using setup = new Setup({ a: failing(1, '{"code":100,"msg":"link is gone"}') });
    const list = network("1.0.0", "a", "b");
    await expect(checkNetworkList(setup.context, list, runtime)).rejects.toMatchObject({ code: 100 });
    expect(setup.commands).toEqual(["CHECK a"]);
    setup.remember(list, '{"cniVersion":"1.0.0","ips":5}');
    await expect(checkNetworkList(setup.context, list, runtime)).rejects.toMatchObject({
      code: CniErrorCode.decodingFailure,
      message: expect.stringContaining(
        "network n: the cached result of net1 in container c0ffee is not valid",
      ),
    });
  });
});

describe("STATUS", () => {
  it("asks each plugin from 1.1.0 on, and none before", async () => {
    using setup = new Setup();
    await statusNetworkList(setup.context, network("1.0.0", "a"));
    expect(setup.plugins.calls).toEqual([]);
    await statusNetworkList(setup.context, network("1.1.0", "a", "b"));
    expect(setup.orders).toEqual([
      ["STATUS a", { name: "n", cniVersion: "1.1.0", type: "a", own: "a" }],
      ["STATUS b", { name: "n", cniVersion: "1.1.0", type: "b", own: "b" }],
    ]);
    expect(setup.plugins.calls[0]?.env).toEqual({
      CNI_COMMAND: "STATUS",
      CNI_PATH: "/opt/cni/bin:/usr/lib/cni",
    });
  });

  it("passes a plugin's code on, and says 50 where there is no plugin", async () => {
    using setup = new Setup({
      a: failing(1, '{"code":51,"msg":"limited"}'),
      b: new ExecutorError("not-found", ""),
    });
    await expect(statusNetworkList(setup.context, network("1.1.0", "a"))).rejects.toMatchObject({
      code: 51,
    });
    await expect(statusNetworkList(setup.context, network("1.1.0", "b"))).rejects.toMatchObject({
      code: 50,
    });
  });
});

describe("GC", () => {
  const valid = [{ containerID: "c1", ifname: "net1" }];

  it("asks each plugin, with what is valid", async () => {
    using setup = new Setup();
    await gcNetworkList(setup.context, network("1.1.0", "a", "b"), valid);
    expect(setup.commands).toEqual(["GC a", "GC b"]);
    expect(setup.plugins.calls.map(({ env }) => env.CNI_CONTAINERID)).toEqual([undefined, undefined]);
    expect(setup.plugins.calls[0]?.stdin).toEqual({
      name: "n",
      cniVersion: "1.1.0",
      type: "a",
      own: "a",
      "cni.dev/valid-attachments": valid,
      "cni.dev/attachments": valid,
    });
  });

  it("asks none below 1.1.0, nor with disableGC", async () => {
    using setup = new Setup();
    await gcNetworkList(setup.context, { ...network("1.1.0", "a"), disableGC: true }, valid);
    await gcNetworkList(setup.context, network("1.0.0", "a"), valid);
    expect(setup.plugins.calls).toEqual([]);
  });

  it("tries everything, whatever fails, and then says all of it", async () => {
    using setup = new Setup({
      "a GC": failing(1, '{"code":100,"msg":"one","details":"d1"}'),
      "b GC": failing(1, '{"code":101,"msg":"two"}'),
    });
    const list = network("1.1.0", "a", "b", "c");
    await expect(gcNetworkList(setup.context, list, valid)).rejects.toMatchObject({
      code: 100,
      message: 'plugin "a" (GC) failed: one; plugin "b" (GC) failed: two',
      details: "d1",
    });
    expect(setup.commands).toEqual(["GC a", "GC b", "GC c"]);
  });

  it("says what goes into no plugin's stdin as an error of the configuration", async () => {
    using setup = new Setup();
    const many = Array.from({ length: 60_000 }, (_, index) => ({
      containerID: String(index).padStart(64, "0"),
      ifname: "net1",
    }));
    await expect(gcNetworkList(setup.context, network("1.1.0", "a"), many)).rejects.toMatchObject({
      code: 7,
      message: expect.stringMatching(/^network n: validAttachments: \d+ bytes are more than/),
    });
    expect(setup.plugins.calls).toEqual([]);
  });
});
