import { describe, expect, test } from "vitest";
import { ExecutorError, type PluginRun } from "../../../src/agent/executor.ts";
import { CniError } from "../../../src/cni/errors.ts";
import type { HandledRequest } from "../../../src/multus/request/report.ts";
import { newReport } from "../../../src/multus/request/report.ts";
import type { DelegateRun } from "../../../src/telemetry/delegate-run.ts";
import { ObservedExecutor } from "../../../src/telemetry/observed-executor.ts";
import { RequestTrace } from "../../../src/telemetry/request-trace.ts";
import { spansOf } from "../../../src/telemetry/spans.ts";
import { parseTraceparent } from "../../../src/telemetry/trace-context.ts";
import { PretendedPlugins } from "../../support/pretended-plugins.ts";
import { traceparent as ofRuntime, requestIn, spanId, traceId } from "../../support/traced-request.ts";

const record = () => true;

const order = (plugin: string, ifName: string): PluginRun => ({
  plugin,
  path: "/opt/cni/bin",
  env: { CNI_COMMAND: "ADD", CNI_IFNAME: ifName },
  stdin: Buffer.from("{}"),
  timeoutMs: 0,
});

/** The plugin `missing` is not there, `bad` fails. */
function pretendedPlugins(): PretendedPlugins {
  const plugins = new PretendedPlugins();
  plugins.behaviour = ({ plugin }) => {
    if (plugin === "missing") throw new ExecutorError("not-found", "no such file");
    return { exitCode: plugin === "bad" ? 1 : 0 };
  };
  return plugins;
}

describe("the trace in a plugin's environment", () => {
  async function told(trace: RequestTrace): Promise<PluginRun["env"][]> {
    const plugins = pretendedPlugins();
    plugins.links.add("i");
    const executor = new ObservedExecutor(plugins, trace, undefined);
    for (const ifName of ["eth0", "net1"]) await executor.runPlugin(order("bridge", ifName));
    expect(await executor.linkExists("/n", "i")).toBe(true);
    expect(await executor.linkStates("/n", [{ ifName: "i", addresses: [] }])).toHaveLength(1);
    return plugins.calls.map(({ env }) => env);
  }

  test("where nothing is exported: the runtime's own", async () => {
    // Of a version to come, too: it is for the plugin to read.
    for (const text of [ofRuntime, `01-${traceId}-${spanId}-03-more`]) {
      expect(await told(new RequestTrace(requestIn(text), undefined))).toEqual([
        { CNI_COMMAND: "ADD", CNI_IFNAME: "eth0", TRACEPARENT: text },
        { CNI_COMMAND: "ADD", CNI_IFNAME: "net1", TRACEPARENT: text },
      ]);
    }
  });

  test("where the runtime has none, or a bad one: one of its own, that nobody records", async () => {
    const environments = await told(new RequestTrace(requestIn(undefined), undefined));
    const [first] = environments;
    expect(parseTraceparent(first?.TRACEPARENT ?? "")).toMatchObject({ sampled: false });
    expect(environments[1]?.TRACEPARENT).toBe(first?.TRACEPARENT);
    expect(first).not.toHaveProperty("TRACESTATE");
    const [bad] = await told(new RequestTrace(requestIn("00-bad"), undefined));
    expect(parseTraceparent(bad?.TRACEPARENT ?? "")?.traceId).not.toBe(traceId);
    expect(bad?.TRACESTATE).toBe("");
  });

  test("where it is recorded: the span of their own run, in the runtime's trace", async () => {
    const trace = new RequestTrace(requestIn(ofRuntime), record);
    const contexts = (await told(trace)).map(({ TRACEPARENT = "" }) => parseTraceparent(TRACEPARENT));
    expect(contexts.map((context) => [context?.traceId, context?.sampled])).toEqual([
      [traceId, true],
      [traceId, true],
    ]);
    const ids = [spanId, trace.context.spanId, ...contexts.map((context) => context?.spanId)];
    expect(new Set(ids).size).toBe(4);
    expect(trace.runs.map((run) => run.spanId)).toEqual(ids.slice(2));
  });
});

test("runs are told of with their outcome, whether they are recorded or not", async () => {
  for (const sampler of [undefined, record]) {
    const seen: DelegateRun[] = [];
    const executor = new ObservedExecutor(
      pretendedPlugins(),
      new RequestTrace(requestIn(undefined), sampler),
      (run) => seen.push(run),
    );
    await executor.runPlugin(order("bridge", "eth0"));
    await executor.runPlugin(order("bad", "net1"));
    await expect(executor.runPlugin(order("missing", "net2"))).rejects.toThrow("no such file");
    expect(seen.map(({ plugin, command, ifName, outcome }) => [plugin, command, ifName, outcome])).toEqual([
      ["bridge", "ADD", "eth0", "ok"],
      ["bad", "ADD", "net1", "failed"],
      ["missing", "ADD", "net2", "not-found"],
    ]);
    for (const { start, end } of seen) expect(end).toBeGreaterThanOrEqual(start);
    expect(seen.map(({ processMilliseconds }) => typeof processMilliseconds)).toEqual([
      "number",
      "number",
      "undefined",
    ]);
  }
});

test("the time of a run after another one begins where that one ends; one that is not started is not told of", async () => {
  const seen: DelegateRun[] = [];
  const trace = new RequestTrace(requestIn(ofRuntime), record);
  const executor = new ObservedExecutor(pretendedPlugins(), trace, (run) => seen.push(run));
  const [first, second, third] = [Symbol("first"), Symbol("second"), Symbol("third")];
  const runs = await Promise.allSettled([
    executor.runPlugin({ ...order("bridge", "eth0"), token: first }),
    executor.runPlugin({ ...order("bridge", "net1"), token: second, after: first }),
    executor.runPlugin({ ...order("bad", "net2"), token: third, after: second }),
    executor.runPlugin({ ...order("bridge", "net3"), after: third }),
  ]);
  expect(runs.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  expect(seen.map(({ ifName, outcome }) => [ifName, outcome])).toEqual([
    ["eth0", "ok"],
    ["net1", "ok"],
    ["net2", "failed"],
  ]);
  expect(seen.slice(1).map(({ start }) => start)).toEqual(seen.slice(0, -1).map(({ end }) => end));
  expect(trace.runs).toEqual(seen);
});

test("a network's span holds that of a plugin which was ordered ahead, and started before the network before was done", () => {
  const trace = new RequestTrace(requestIn(ofRuntime), record);
  const began = trace.began.monotonic;
  const report = newReport();
  report.timeline.push({ phase: "delegates", start: began, end: began + 30 });
  report.networks.push({ name: "cluster", ifName: "eth0", start: began, milliseconds: 12 });
  const ahead = { ordered: began + 5 };
  report.networks.push({ name: "default/mv", ifName: "net1", start: began + 12, milliseconds: 18, ...ahead });
  report.networks.push({ name: "default/mv", ifName: "net2", start: began + 30, milliseconds: 0, ...ahead });
  const run = { command: "ADD", outcome: "ok", processMilliseconds: 1, plugin: "macvlan" } as const;
  const [first, second, third] = ["1".repeat(16), "2".repeat(16), "3".repeat(16)];
  // Of an earlier DEL of the container, say.
  trace.runs.push({ ...run, ifName: "net1", start: began + 1, end: began + 4, spanId: "4".repeat(16) });
  trace.runs.push({ ...run, ifName: "eth0", start: began + 1, end: began + 10, spanId: first });
  trace.runs.push({ ...run, ifName: "net1", start: began + 10, end: began + 20, spanId: second });
  trace.runs.push({ ...run, ifName: "net2", start: began + 20, end: began + 28, spanId: third });
  const handled = { exitCode: 0, stdout: Buffer.of(), report, error: undefined };
  const spans = spansOf(trace, requestIn(ofRuntime), handled, began, began + 31);
  const timeOf = (name: string) =>
    spans
      .filter((span) => span.name === name)
      .map(({ start, end }) => [start, end].map((at) => Math.round(at - trace.began.epoch)));
  expect(timeOf("network cluster")).toEqual([[0, 12]]);
  expect(timeOf("network default/mv")).toEqual([
    [10, 30],
    [20, 30],
  ]);
  const parents = spans
    .filter(({ name }) => name === "macvlan ADD")
    .map(({ parentSpanId }) => spans.find(({ spanId: id }) => id === parentSpanId)?.name);

  expect(parents).toEqual(["delegates", "network cluster", "network default/mv", "network default/mv"]);
});

test("a request becomes spans: itself, its phases, its networks in them, its plugins in those", () => {
  const trace = new RequestTrace(requestIn(ofRuntime), record);
  const began = trace.began.monotonic;
  const report = newReport();
  Object.assign(report, { podNamespace: "default", podName: "web", podUid: "u1" });
  report.timeline.push({ phase: "plan", start: began, end: began + 2 });
  report.timeline.push({ phase: "delegates", start: began + 2, end: began + 30 });
  report.timeline.push({ phase: "undo", start: began + 30, end: began + 40 });
  report.networks.push({ name: "cluster", ifName: "eth0", start: began + 2, milliseconds: 10 });
  report.networks.push({ name: "default/mv", ifName: "net1", start: began + 12, milliseconds: 18 });
  const run = { command: "ADD", outcome: "ok", processMilliseconds: 1 } as const;
  trace.runs.push({
    ...run,
    plugin: "bridge",
    ifName: "eth0",
    start: began + 3,
    end: began + 9,
    spanId: "1".repeat(16),
  });
  trace.runs.push({
    ...run,
    plugin: "macvlan",
    ifName: "net1",
    start: began + 13,
    end: began + 29,
    outcome: "timeout",
    spanId: "2".repeat(16),
  });
  trace.runs.push({
    ...run,
    command: "DEL",
    plugin: "bridge",
    ifName: "eth0",
    start: began + 31,
    end: began + 39,
    spanId: "3".repeat(16),
  });
  const handled: HandledRequest = {
    exitCode: 1,
    stdout: Buffer.of(),
    report,
    error: new CniError(11, "too slow"),
  };
  const spans = spansOf(trace, requestIn(ofRuntime), handled, began - 5, began + 41);
  const names = new Map(spans.map((span) => [span.spanId, span.name]));
  expect(spans.every((span) => span.traceId === traceId)).toBe(true);
  expect(
    spans.map(({ name, parentSpanId, kind, start, end }) => [
      name,
      names.get(parentSpanId) ?? parentSpanId,
      kind,
      Math.round(start - trace.began.epoch),
      Math.round(end - start),
    ]),
  ).toEqual([
    ["CNI ADD", spanId, "server", -5, 46],
    ["queue", "CNI ADD", "internal", -5, 5],
    ["plan", "CNI ADD", "internal", 0, 2],
    ["delegates", "CNI ADD", "internal", 2, 28],
    ["undo", "CNI ADD", "internal", 30, 10],
    ["network cluster", "delegates", "internal", 2, 10],
    ["network default/mv", "delegates", "internal", 12, 18],
    ["bridge ADD", "network cluster", "client", 3, 6],
    ["macvlan ADD", "network default/mv", "client", 13, 16],
    ["bridge DEL", "undo", "client", 31, 8],
  ]);
  expect(spans[0]).toMatchObject({
    error: "too slow",
    attributes: {
      "cni.command": "ADD",
      "cni.interface": "eth0",
      "container.id": "abc",
      "k8s.namespace.name": "default",
      "k8s.pod.name": "web",
      "k8s.pod.uid": "u1",
      "cni.error.code": 11,
    },
  });
  expect(spans[6]?.attributes).toEqual({ "cni.network.name": "default/mv", "cni.interface": "net1" });
  expect(spans[8]).toMatchObject({
    error: "timeout",
    attributes: { "cni.plugin": "macvlan", "error.type": "timeout" },
  });
});
