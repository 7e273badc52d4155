import { once } from "node:events";
import { request as httpRequest, type Server } from "node:http";
import { afterEach, describe, expect, test, vi } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import { Admission } from "../../../src/daemon/admission.ts";
import { Few } from "../../../src/daemon/metrics/few.ts";
import { createMetrics } from "../../../src/daemon/metrics/registry.ts";
import { MetricsServer } from "../../../src/daemon/metrics/server.ts";
import type { DaemonState } from "../../../src/daemon/metrics/state.ts";
import { type Answer, type RequestHandler, RequestLine } from "../../../src/daemon/request-line.ts";
import { RequestLoggers } from "../../../src/daemon/request-loggers.ts";
import { Loggers } from "../../../src/log/loggers.ts";
import type { HandledRequest } from "../../../src/multus/request/report.ts";
import { newReport } from "../../../src/multus/request/report.ts";
import { freePort } from "../../support/cluster/ports.ts";
import { busyState, quietState } from "../../support/daemon-state.ts";
import { PretendedPlugins } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { samples } from "../../support/samples.ts";
import { requestIn, traceId, traceparent } from "../../support/traced-request.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

function newMetrics(state: () => DaemonState = () => quietState) {
  return createMetrics({ version: "1.2.3", protocol: 1 }, state);
}

function handled(code?: number): HandledRequest {
  const report = newReport();
  report.phases.set("plan", 2).set("delegates", 30);
  const error = code === undefined ? undefined : new CniError(code, "no");
  return { exitCode: code === undefined ? 0 : 1, stdout: Buffer.of(), report, error };
}

const times = { queue: 4, total: 40 };

describe("counters", () => {
  test("requests, by command and code, and as Go multus counts them", async () => {
    const { observer, text } = newMetrics();
    observer.answered("ADD", handled(), times);
    observer.answered("ADD", handled(), times);
    observer.answered("ADD", handled(7), times);
    observer.answered("DEL", handled(123), times);
    // A plugin may say whatever it likes.
    for (const code of [-1, 0.5, 1e9]) observer.answered("DEL", handled(code), times);
    observer.answered("CHECK", handled(999), times);
    observer.answered("whatever a client sends", handled(4), times);
    observer.refused("ADD", 11);
    observer.httpAnswered("/cni", "POST", 400);
    observer.httpAnswered("/healthz", "GET", 200);
    observer.httpAnswered("NotFound", "BREW", 404);
    const at = await samples(text());
    expect(at("multus_requests_total")).toEqual({
      'code="0",command="ADD"': 2,
      'code="7",command="ADD"': 1,
      'code="11",command="ADD"': 1,
      'code="plugin",command="DEL"': 4,
      'code="999",command="CHECK"': 1,
      'code="4",command="other"': 1,
    });
    expect(at("multus_server_request_total")).toEqual({
      'code="400",handler="/cni",method="post"': 1,
      'code="200",handler="/healthz",method="get"': 1,
      'code="404",handler="NotFound",method="other"': 1,
    });
  });

  test("networks, by command and by the way in which they were worked on", async () => {
    const { observer, text } = newMetrics();
    const one = { name: "default/a", ifName: "net1", start: 0, milliseconds: 1 };
    const native = { ...one, isNative: true } as const;
    for (const [command, networks] of [
      ["ADD", [one, native, native]],
      ["DEL", [native]],
      ["STATUS", []],
      ["made up", [one]],
    ] as const) {
      const { report, ...request } = handled();
      observer.answered(command, { ...request, report: { ...report, networks: [...networks] } }, times);
    }
    const at = await samples(text());
    expect(at("multus_attachments_total")).toEqual({
      'command="ADD",way="executed"': 1,
      'command="ADD",way="native"': 2,
      'command="DEL",way="native"': 1,
      'command="other",way="executed"': 1,
    });
  });

  test("how long they took, in seconds: whole, in the line, by phase", async () => {
    const { observer, text } = newMetrics();
    observer.answered("ADD", handled(), times);
    const at = await samples(text());
    expect(at("multus_request_duration_seconds_sum")).toEqual({ 'command="ADD"': 0.04 });
    expect(at("multus_request_duration_seconds_bucket")).toMatchObject({
      'command="ADD",le="0.025"': 0,
      'command="ADD",le="0.05"': 1,
      'command="ADD",le="+Inf"': 1,
    });
    expect(at("multus_queue_wait_seconds_sum")).toEqual({ "": 0.004 });
    expect(at("multus_request_phase_duration_seconds_sum")).toEqual({
      'command="ADD",phase="plan"': 0.002,
      'command="ADD",phase="delegates"': 0.03,
    });
  });

  test("plugins, of which others choose the names: so many and no more", async () => {
    const { observer, text } = newMetrics();
    const run = {
      command: "ADD",
      ifName: "net1",
      start: 1000,
      end: 1250,
      outcome: "ok",
      processMilliseconds: 1,
      spanId: "",
    } as const;
    observer.delegateRan({ ...run, plugin: "macvlan" });
    observer.delegateRan({ ...run, plugin: "macvlan", outcome: "timeout" });
    for (let number = 0; number < 100; number++) observer.delegateRan({ ...run, plugin: `p${number}` });
    const at = await samples(text());
    expect(at("multus_delegate_runs_total")).toMatchObject({
      'command="ADD",outcome="ok",plugin="macvlan"': 1,
      'command="ADD",outcome="timeout",plugin="macvlan"': 1,
      'command="ADD",outcome="ok",plugin="p48"': 1,
      'command="ADD",outcome="ok",plugin="other"': 51,
    });
    expect(at("multus_delegate_duration_seconds_sum")).toMatchObject({
      'command="ADD",plugin="macvlan"': 0.5,
    });
  });

  test("the metrics say what state the daemon is in when it is asked", async () => {
    let state: DaemonState = quietState;
    const { text } = newMetrics(() => state);
    expect((await samples(text()))("multus_spool_oldest_age_seconds")).toEqual({});
    state = busyState;
    const at = await samples(text());
    const cluster = 'server="https://10.0.0.1"';
    expect(
      [
        "multus_requests_waiting",
        "multus_requests_in_flight",
        "multus_requests_limit",
        "multus_ready",
        "multus_stopping",
        "multus_spool_oldest_age_seconds",
      ].map((name) => at(name)[""]),
    ).toEqual([3, 16, 16, 0, 1, 90]);
    expect(at("multus_lane_requests")).toEqual({
      'lane="add",state="running"': 16,
      'lane="add",state="waiting"': 3,
      'lane="add",state="paused"': 5,
    });
    expect(at("multus_lane_slots")).toEqual({ 'lane="add",of="one"': 16, 'lane="add",of="all"': 24 });
    expect(at("multus_cache_entries")).toEqual({ 'cache="config-files"': 4, 'cache="pods"': 250 });
    const watch = `resource="pods",${cluster}`;
    expect(at("multus_watch_connected")).toEqual({ [watch]: 1 });
    expect(at("multus_watch_synced")).toEqual({ [watch]: 1 });
    expect(at("multus_watch_last_heard_timestamp_seconds")).toEqual({ [watch]: 1_700_000_000.5 });
    expect(at("multus_watch_lists_total")).toEqual({ [watch]: 1 });
    expect(at("multus_watch_opened_total")).toEqual({ [watch]: 2 });
    expect(at("multus_watch_failures_total")).toEqual({ [watch]: 3 });
    expect(at("multus_deliveries_pending")).toEqual({ [`kind="status",${cluster}`]: 5 });
    expect(at("multus_deliveries_total")).toEqual({
      [`kind="status",outcome="delivered",${cluster}`]: 6,
      [`kind="status",outcome="given-up",${cluster}`]: 7,
    });
    expect(at("multus_spool_records")).toEqual({
      'state="waiting"': 1,
      'state="failed"': 2,
      'state="broken"': 3,
    });
    expect(at("multus_failed_dels")).toEqual({
      'state="failing"': 21,
      'state="recorded"': 22,
      'state="given-up"': 23,
    });
    expect(at("multus_trace_spans_total")).toEqual({
      'outcome="exported"': 10,
      'outcome="failed"': 11,
      'outcome="dropped"': 12,
    });
    expect(at("process_resident_memory_bytes")[""]).toBeGreaterThan(1e6);
    expect(at("process_cpu_seconds_total")[""]).toBeGreaterThan(0);
    const start = at("process_start_time_seconds")[""] ?? 0;
    expect(Math.abs(Date.now() / 1000 - process.uptime() - start)).toBeLessThan(5);
    expect(Object.keys(at("multus_build_info"))).toEqual([
      `node_version="${process.versions.node}",protocol="1",version="1.2.3"`,
    ]);
  });
});

test("a label has as many values as it may", () => {
  const few = new Few(["a"], 1);
  expect(["b", "c", "a", "b", "d"].map((value) => few.label(value))).toEqual([
    "b",
    "other",
    "a",
    "b",
    "other",
  ]);
});

test("a request is counted with its plugins and its wait in the line, and belongs to its trace", async () => {
  const { observer, text } = newMetrics();
  const loggers = new RequestLoggers(new Loggers(() => {}), {});
  const line = new RequestLine({ admission: new Admission(1), loggers, observer });
  const executor = new PretendedPlugins();
  executor.behaviour = () => ({ stdout: "ok" });
  const request = requestIn(traceparent);
  const serve = (handle: RequestHandler) =>
    new Promise<Answer>((answer) => {
      line.serve({ request, executor, handle, answer, isGone: () => false });
    });
  vi.useFakeTimers({ toFake: ["performance"] });
  const first = Promise.withResolvers<HandledRequest>();
  const before = serve(() => first.promise);
  const answer = handled();
  const after = serve(async (_, seen) => {
    const run = {
      plugin: "bridge",
      path: "/p",
      env: { CNI_COMMAND: "ADD" },
      stdin: Buffer.from("{}"),
      timeoutMs: 0,
    };
    expect(String((await seen.runPlugin(run)).stdout)).toBe("ok");
    return answer;
  });
  vi.advanceTimersByTime(100);
  first.resolve(handled());
  await before;
  expect(await after).toBe(answer);
  vi.useRealTimers();
  expect(answer.report.trace).toBe(traceId);
  const at = await samples(text());
  expect(at("multus_delegate_runs_total")).toEqual({ 'command="ADD",outcome="ok",plugin="bridge"': 1 });
  expect(at("multus_queue_wait_seconds_sum")[""]).toBeGreaterThan(0.09);
});

describe("GET /metrics", () => {
  const servers: MetricsServer[] = [];

  afterEach(() => {
    vi.useRealTimers();
    for (const server of servers.splice(0)) server.close();
  });

  function serve(port: number, log = new RecordingLogger()): RecordingLogger {
    const server = new MetricsServer(newMetrics(), "127.0.0.1", port, log);
    servers.push(server);
    server.listen();
    return log;
  }

  async function get(port: number, path = "/metrics", method = "GET") {
    const request = httpRequest({ host: "127.0.0.1", port, path, method });
    request.end();
    const [response] = await once(request, "response");
    let text = "";
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode, type: response.headers["content-type"], text };
  }

  test("answers in Prometheus' text format, and nothing else is there", async () => {
    const port = await freePort();
    serve(port);
    const { status, type, text } = await vi.waitFor(() => get(port), patience);
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(text).toContain("# TYPE multus_requests_total counter\n");
    expect(await get(port, "/metrics?x=1", "HEAD")).toMatchObject({ status: 200, text: "" });
    expect((await get(port, "/metrics", "POST")).status).toBe(405);
    expect((await get(port, "/debug/pprof/")).status).toBe(404);
  });

  test("comes when the port is free, and says once that it is not", async () => {
    const port = await freePort();
    serve(port);
    await vi.waitFor(() => get(port), patience);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const log = serve(port);
    const tries = () => vi.waitFor(() => expect(vi.getTimerCount()).toBe(1), patience);
    await tries();
    vi.advanceTimersByTime(5_000);
    await tries();
    expect(log.errors).toEqual(["metrics are not served"]);
    expect(log.causes[0]).toContain("EADDRINUSE");
    servers.shift()?.close();
    vi.advanceTimersByTime(5_000);
    await vi.waitFor(() => get(port), patience);
    expect(log.errors).toHaveLength(1);
  });

  test("goes on where a connection could not be taken: the machine has no descriptors left", async () => {
    // Made by the server itself: what the kernel's accept() says comes as its error.
    const http = process.getBuiltinModule("node:http");
    const made = vi.spyOn(http, "createServer");
    const port = await freePort();
    const log = serve(port);
    const server: Server = made.mock.results[0]?.value;
    made.mockRestore();
    await vi.waitFor(() => get(port), patience);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    for (let time = 0; time < 3; time++) server.emit("error", new Error("accept ENFILE"));
    expect(log.causes).toEqual([expect.stringContaining("ENFILE")]);
    vi.advanceTimersByTime(10_000);
    expect((await get(port)).status).toBe(200);
  });
});
