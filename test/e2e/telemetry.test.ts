/** Metrics and traces of the real daemon: fetched over HTTP, taken by a collector, and seen by delegates in their environment. */

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { parseTraceparent } from "../../src/telemetry/trace-context.ts";
import { freePort } from "../support/cluster/ports.ts";
import { badBehaviour, installDelegate } from "../support/delegates.ts";
import { samples } from "../support/samples.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { SpanCollector } from "../support/span-collector.ts";
import { TestNode } from "../support/test-node.ts";
import { spanId, traceId, traceparent } from "../support/traced-request.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = { timeout: 30_000, interval: 50 };

interface Seen {
  readonly command: string;
  readonly TRACEPARENT: string;
  readonly TRACESTATE: string;
}

/** Gives a node a plugin `telling`, which notes what it is told of its trace, and `burning`, which fails. */
function equip(started: TestNode) {
  const file = join(started.directory, "environments");
  const note = `printf '%s|%s|%s\\n' "$CNI_COMMAND" "$TRACEPARENT" "$TRACESTATE" >> '${file}'\ncat > /dev/null`;
  const result = '{"cniVersion":"1.0.0","interfaces":[{"name":"x","sandbox":"y"}]}';
  installDelegate(started, "telling", `${note}\necho '${result}'`, note);
  installDelegate(started, "burning", badBehaviour.error);
  started.writeNetwork("default/second", { cniVersion: "1.0.0", name: "second", type: "telling" });
  started.writeNetwork("default/third", { cniVersion: "1.0.0", name: "third", type: "burning" });
  const netconf = started.netconf({ cniVersion: "1.0.0", name: "cluster", type: "telling" });
  /** Calls of plugins with their trace contexts, since the last look. */
  const seen = (): Seen[] => {
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, "utf8").trim().split("\n");
    rmSync(file);
    return lines.map((line) => {
      const [command = "", TRACEPARENT = "", TRACESTATE = ""] = line.split("|");
      return { command, TRACEPARENT, TRACESTATE };
    });
  };
  return { netconf, seen };
}

describe.concurrent("delegates find in TRACEPARENT", () => {
  test("the runtime's, where nothing is exported, and one of the request's own where it has none", async () => {
    await using at = await TestNode.start();
    const { netconf, seen } = equip(at);
    await using pod = await at.pod("traced", "second");
    const env = { TRACEPARENT: traceparent, TRACESTATE: "vendor=1" };
    (await at.call("ADD", pod, netconf, { env })).expectSuccess();
    const told = { command: "ADD", ...env };
    expect(seen()).toEqual([told, told]);
    await vi.waitFor(
      () => expect(at.daemon.output).toMatch(new RegExp(`ADD done .*trace=${traceId} `)),
      patience,
    );

    (await at.call("DEL", pod, netconf)).expectSuccess();
    const [first, second] = seen();
    expect(parseTraceparent(first?.TRACEPARENT ?? "")).toMatchObject({ sampled: false });
    expect(second).toEqual(first);
    const done = () => at.daemon.output.split("\n").filter((line) => line.includes("DEL done"));
    await vi.waitFor(() => expect(done()).toEqual([expect.not.stringContaining("trace=")]), patience);

    const bad = { TRACEPARENT: traceparent.toUpperCase(), TRACESTATE: "vendor=1" };
    (await at.call("ADD", pod, netconf, { env: bad })).expectSuccess();
    for (const { TRACEPARENT, TRACESTATE } of seen()) {
      expect(parseTraceparent(TRACEPARENT)?.traceId).not.toBe(traceId);
      expect(parseTraceparent(TRACEPARENT)).toBeDefined();
      expect(TRACESTATE).toBe("");
    }
  });

  test("the span of their own run, where spans are exported; a collector gets all of a request's", async () => {
    await using collector = await SpanCollector.start();
    await using at = await TestNode.start({
      daemonConfig: { tracing: { endpoint: collector.url } },
      daemonSurroundings: { environment: { OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test" } },
    });
    const { netconf, seen } = equip(at);
    await using pod = await at.pod("traced", "second,third");
    const answer = await at.call("ADD", pod, netconf, { env: { TRACEPARENT: traceparent } });
    expect(answer.error.code).toBe(123);
    const told = seen().map(({ TRACEPARENT }) => parseTraceparent(TRACEPARENT));
    expect(await at.daemon.stop()).toBe(0);

    expect(collector.paths.every((path) => path === "/v1/traces")).toBe(true);
    const { spans } = collector;
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
    const nameOf = (id: string) => spans.find((span) => span.spanId === id)?.name ?? id;
    const tree = spans.map((span) => `${nameOf(span.parentSpanId)} > ${span.name}`);
    expect(tree).toEqual([
      `${spanId} > CNI ADD`,
      "CNI ADD > queue",
      "CNI ADD > netconf",
      "CNI ADD > plan",
      "CNI ADD > plan-file",
      "CNI ADD > delegates",
      "CNI ADD > undo",
      "delegates > network cluster",
      "delegates > network default/second",
      "delegates > network default/third",
      "network cluster > telling ADD",
      "network default/second > telling ADD",
      "network default/third > burning ADD",
      "undo > burning DEL",
      "undo > telling DEL",
      "undo > telling DEL",
    ]);
    expect(told.map((context) => nameOf(context?.spanId ?? ""))).toEqual([
      "telling ADD",
      "telling ADD",
      "telling DEL",
      "telling DEL",
    ]);
    expect(spans[0]).toMatchObject({
      kind: "SPAN_KIND_SERVER",
      error: expect.stringContaining("the switch is on fire"),
      attributes: {
        "service.name": "multusd",
        "deployment.environment": "test",
        "cni.command": "ADD",
        "k8s.pod.name": "traced",
        "k8s.namespace.name": "default",
        "k8s.pod.uid": pod.uid,
        "container.id": pod.containerId,
        "cni.error.code": "123",
      },
    });
    const burning = spans.find(({ name }) => name === "burning ADD");
    expect(burning).toMatchObject({
      error: "failed",
      attributes: { "cni.plugin": "burning", "cni.interface": "net2", "error.type": "failed" },
    });
    for (const { start, end } of spans) expect(end).toBeGreaterThanOrEqual(start);
    const now = BigInt(Date.now()) * 1_000_000n;
    expect(now - (spans[0]?.start ?? 0n)).toBeLessThan(120_000_000_000n);
  });

  test("exports nothing if the runtime does not sample", async () => {
    await using collector = await SpanCollector.start();
    await using at = await TestNode.start({
      daemonSurroundings: { environment: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } },
    });
    const { netconf, seen } = equip(at);
    await using pod = await at.pod("quiet");
    const unsampled = `00-${traceId}-${spanId}-00`;
    (await at.call("ADD", pod, netconf, { env: { TRACEPARENT: unsampled } })).expectSuccess();
    expect(seen().map(({ TRACEPARENT }) => TRACEPARENT)).toEqual([unsampled]);
    (await at.call("DEL", pod, netconf)).expectSuccess();
    await at.daemon.stop();
    expect(collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
    expect(collector.spans.map(({ name }) => name)).toContain("CNI DEL");
  });
});

test.concurrent("a collector that never answers keeps no pod waiting, and the end not long", async () => {
  await using collector = await SpanCollector.start();
  collector.answer = "never";
  await using at = await TestNode.start({ daemonConfig: { tracing: { endpoint: collector.url } } });
  const { netconf } = equip(at);
  await using pod = await at.pod("hasty");
  for (let round = 0; round < 3; round++) {
    (await at.call("ADD", pod, netconf)).expectSuccess();
    (await at.call("DEL", pod, netconf)).expectSuccess();
  }
  const begun = performance.now();
  expect(await at.daemon.stop()).toBe(0);
  // The collector's own time limit is 10 s.
  expect(performance.now() - begun).toBeLessThan(9_000);
});

test.concurrent("metrics say what was done, by plugin as well; without metricsPort none are served", async () => {
  const port = await freePort();
  using cniDir = new ScratchDirectory("metrics");
  mkdirSync(join(cniDir.path, ".spool"));
  // As a plugin names its record of a DEL.
  cniDir.write(".spool/1700000000000000-00-abc", "{}");
  await using at = await TestNode.start({
    daemonConfig: { metricsPort: port, metricsAddress: "127.0.0.1", cniDir: cniDir.path },
  });
  const { netconf } = equip(at);
  await using pod = await at.pod("counted", "second");
  (await at.call("ADD", pod, netconf)).expectSuccess();
  (await at.call("DEL", pod, netconf)).expectSuccess();
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.status).toBe(200);
  const figures = await samples(response.text());
  expect(figures("multus_requests_total")).toEqual({
    'code="0",command="ADD"': 1,
    'code="0",command="DEL"': 1,
  });
  expect(figures("multus_server_request_total")).toEqual({ 'code="200",handler="/cni",method="post"': 2 });
  expect(figures("multus_delegate_runs_total")).toEqual({
    'command="ADD",outcome="ok",plugin="telling"': 2,
    'command="DEL",outcome="ok",plugin="telling"': 2,
  });
  expect(figures("multus_attachments_total")).toEqual({
    'command="ADD",way="executed"': 2,
    'command="DEL",way="executed"': 2,
  });
  expect(figures("multus_request_phase_duration_seconds_count")).toMatchObject({
    'command="ADD",phase="delegates"': 1,
    'command="ADD",phase="plan-file"': 1,
    'command="DEL",phase="delegates"': 1,
  });
  expect(figures("multus_requests_in_flight")).toEqual({ "": 0 });
  expect(figures("multus_ready")).toEqual({ "": 1 });
  expect(figures("multus_spool_records")).toMatchObject({ 'state="waiting"': 1, 'state="failed"': 0 });
  expect(figures("multus_spool_oldest_age_seconds")[""]).toBeGreaterThan(50_000_000);
  expect(figures("process_resident_memory_bytes")[""]).toBeGreaterThan(20_000_000);
  expect(at.daemon.memory().resident).toBeLessThan(75_000);
  await at.daemon.stop();
  await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow("fetch failed");
});
