/** All metrics of the daemon, by prom-client: what is counted as it happens, and what is looked up when they are fetched. docs/metrics.md has them for people. */

import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Histogram from "prom-client/lib/histogram.js";
import Registry from "prom-client/lib/registry.js";
import type { Observer } from "../observer.ts";
import { Few } from "./few.ts";
import type { BuildInfo, DaemonState } from "./state.ts";

export interface Metrics {
  readonly observer: Observer;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Seconds. From what an ADD without a delegate's work takes, to what a kubelet waits for. */
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
/** Seconds. Phases are from a tenth of a millisecond (a file) to as long as all delegates. */
const phaseBuckets = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 60];
const delegateBuckets = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 90];

/** Anybody who may make a NetworkAttachmentDefinition can name plugins. */
const mostPlugins = 50;
const commands = new Few(["ADD", "DEL", "CHECK", "GC", "STATUS"], 0);
const methods = new Few(["get", "post", "head", "put", "delete"], 0);
/** Up to here codes are the spec's (section 5); others are the plugins' own, whatever they are, but for 999, which is everybody's. */
const lastSpecCode = 99;
const internalCode = 999;

/** @param state of now */
export function createMetrics(build: BuildInfo, state: () => DaemonState): Metrics {
  const registry = new Registry();
  const registers = [registry];

  const requests = new Counter({
    name: "multus_requests_total",
    help: "CNI requests answered, by command and CNI error code (0: none; plugin: a code that a plugin made up).",
    labelNames: ["command", "code"],
    registers,
  });
  const requestDuration = new Histogram({
    name: "multus_request_duration_seconds",
    help: "Time from a CNI request's arrival to its answer.",
    labelNames: ["command"],
    buckets: requestBuckets,
    registers,
  });
  const phaseDuration = new Histogram({
    name: "multus_request_phase_duration_seconds",
    help: "Time of the parts of a CNI request's work.",
    labelNames: ["command", "phase"],
    buckets: phaseBuckets,
    registers,
  });
  const queueDuration = new Histogram({
    name: "multus_queue_wait_seconds",
    help: "Time that CNI requests waited for their turn.",
    buckets: requestBuckets,
    registers,
  });
  const delegateRuns = new Counter({
    name: "multus_delegate_runs_total",
    help: "Runs of delegate plugins, by plugin type, command and outcome.",
    labelNames: ["plugin", "command", "outcome"],
    registers,
  });
  const delegateDuration = new Histogram({
    name: "multus_delegate_duration_seconds",
    help: "Time from the order to run a delegate plugin to its answer.",
    labelNames: ["plugin", "command"],
    buckets: delegateBuckets,
    registers,
  });
  const httpRequests = new Counter({
    name: "multus_server_request_total",
    help: "Requests to the daemon's socket as Go multus counts them: CNI requests of every plugin count as HTTP.",
    labelNames: ["handler", "code", "method"],
    registers,
  });
  /** Looked at once for all metrics that are fetched together. */
  let seen: DaemonState | undefined;
  addStateMetrics(registry, () => seen ?? state());
  addProcessMetrics(registry);
  new Gauge({
    name: "multus_build_info",
    help: "Always 1; its labels say what runs.",
    labelNames: ["version", "node_version", "protocol"],
    registers,
  }).set({ version: build.version, node_version: process.versions.node, protocol: build.protocol }, 1);

  const plugins = new Few([], mostPlugins);
  const count = (command: string, code: number) => requests.inc({ command, code: codeLabel(code) });
  const afterwards = new Afterwards();
  return {
    contentType: registry.contentType,
    text() {
      afterwards.now();
      seen = state();
      return registry.metrics();
    },
    observer: {
      answered: (sent, { error, report }, { queue, total }) =>
        afterwards.add(() => {
          const command = commands.label(sent);
          count(command, error?.code ?? 0);
          requestDuration.observe({ command }, total / 1000);
          queueDuration.observe(queue / 1000);
          for (const [phase, milliseconds] of report.phases) {
            phaseDuration.observe({ command, phase }, milliseconds / 1000);
          }
        }),
      refused: (command, code) => afterwards.add(() => count(commands.label(command), code)),
      delegateRan: (run) =>
        afterwards.add(() => {
          const plugin = plugins.label(run.plugin);
          const command = commands.label(run.command);
          delegateRuns.inc({ plugin, command, outcome: run.outcome });
          delegateDuration.observe({ plugin, command }, (run.end - run.start) / 1000);
        }),
      httpAnswered: (handler, method, status) =>
        afterwards.add(() => {
          httpRequests.inc({ handler, code: status, method: methods.label(method.toLowerCase()) });
        }),
    },
  };
}

/** Work that no request waits for: counting takes some microseconds for each delegate, and none of them is the pod's. */
class Afterwards {
  #work: (() => void)[] = [];

  /** To be done when what is under way has been sent. */
  add(work: () => void): void {
    if (this.#work.push(work) === 1) setImmediate(() => this.now());
  }

  /** Does what is to be done. */
  now(): void {
    const work = this.#work;
    this.#work = [];
    for (const one of work) one();
  }
}

function codeLabel(code: number): string {
  const isSpecs = Number.isInteger(code) && code >= 0 && code <= lastSpecCode;
  return isSpecs || code === internalCode ? String(code) : "plugin";
}

/** Values that are only read when metrics are fetched. */
function addStateMetrics(registry: Registry, state: () => DaemonState): void {
  const gauge = (name: string, help: string, read: (now: DaemonState) => number | undefined) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const value = read(state());
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  /** One figure of each of many things. */
  const figures = <Label extends string>(
    kind: typeof Gauge | typeof Counter,
    name: string,
    help: string,
    labelNames: Label[],
    read: (now: DaemonState) => Iterable<readonly [Record<Label, string>, number | undefined]>,
  ) =>
    new kind<Label>({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of read(state())) if (value !== undefined) this.inc(labels, value);
      },
    });

  gauge("multus_requests_waiting", "CNI requests in the lines.", ({ waiting }) => waiting);
  gauge("multus_requests_in_flight", "CNI requests that are worked on.", ({ running }) => running);
  gauge(
    "multus_requests_limit",
    "CNI requests of one kind and one namespace that are worked on at once, at most.",
    ({ limit }) => limit,
  );
  figures(
    Gauge,
    "multus_lane_requests",
    "CNI requests by kind: running (have a slot), waiting (for one, or for their container), paused (wait for the API or a file without one).",
    ["lane", "state"],
    function* ({ lanes }) {
      for (const { lane, running, waiting, paused } of lanes) {
        yield [{ lane, state: "running" }, running];
        yield [{ lane, state: "waiting" }, waiting];
        yield [{ lane, state: "paused" }, paused];
      }
    },
  );
  figures(
    Gauge,
    "multus_lane_slots",
    "CNI requests of a kind that are worked on at once, at most: of one namespace (one) and of all (all).",
    ["lane", "of"],
    function* ({ lanes }) {
      for (const { lane, slots, allSlots } of lanes) {
        yield [{ lane, of: "one" }, slots];
        yield [{ lane, of: "all" }, allSlots];
      }
    },
  );
  gauge("multus_ready", "1 while the daemon is ready: the runtime's file is in place.", ({ isReady }) =>
    Number(isReady),
  );
  gauge("multus_stopping", "1 once the daemon has been told to stop.", ({ isStopping }) =>
    Number(isStopping),
  );
  figures(Gauge, "multus_cache_entries", "What is kept in memory.", ["cache"], function* (now) {
    yield [{ cache: "config-files" }, now.configFiles];
    for (const { watches } of now.clusters) {
      for (const { resource, size } of watches) yield [{ cache: resource }, size];
    }
  });

  gauge(
    "multus_pods_networks_missing",
    "Pods of the node that run without the networks that they select, as they were started while Multus was not called.",
    ({ missingNetworks }) => missingNetworks.length,
  );

  const ofWatches = (
    read: (watch: DaemonState["clusters"][number]["watches"][number]) => number | undefined,
  ) =>
    function* (now: DaemonState) {
      for (const { server, watches } of now.clusters) {
        for (const watch of watches) yield [{ server, resource: watch.resource }, read(watch)] as const;
      }
    };
  const watchLabels: ("server" | "resource")[] = ["server", "resource"];
  const watch = figures<"server" | "resource">;
  watch(
    Gauge,
    "multus_watch_connected",
    "1 while the watch of a cluster's objects is open.",
    watchLabels,
    ofWatches(({ connected }) => Number(connected)),
  );
  watch(
    Gauge,
    "multus_watch_synced",
    "1 once there was a complete list of a cluster's objects.",
    watchLabels,
    ofWatches(({ synced }) => Number(synced)),
  );
  watch(
    Gauge,
    "multus_watch_last_heard_timestamp_seconds",
    "When a watch last brought anything, bookmarks included, which come about once a minute.",
    watchLabels,
    ofWatches(({ heardAt }) => (heardAt === undefined ? undefined : heardAt / 1000)),
  );
  watch(
    Counter,
    "multus_watch_opened_total",
    "Watches that were opened: the first one, and one more after each end.",
    watchLabels,
    ofWatches(({ watches }) => watches),
  );
  watch(
    Counter,
    "multus_watch_lists_total",
    "Complete lists that were made.",
    watchLabels,
    ofWatches(({ lists }) => lists),
  );
  watch(
    Counter,
    "multus_watch_failures_total",
    "Lists and watches that failed.",
    watchLabels,
    ofWatches(({ failures }) => failures),
  );
  watch(
    Gauge,
    "multus_watch_memory_bytes",
    "Memory that a watch's objects take, as it is counted against its limit.",
    watchLabels,
    ofWatches(({ memory }) => memory.bytes),
  );
  watch(
    Gauge,
    "multus_watch_memory_limit_bytes",
    "Memory that a watch's objects may take.",
    watchLabels,
    ofWatches(({ memory }) => memory.limit),
  );
  watch(
    Gauge,
    "multus_watch_left_out",
    "Objects that memory has no room for, or only for their names: the API is asked for them when a pod needs them.",
    watchLabels,
    ofWatches(({ memory }) => memory.leftOut),
  );

  const deliveryLabels: ("server" | "kind")[] = ["server", "kind"];
  figures(
    Gauge,
    "multus_deliveries_pending",
    "Network-statuses and events that the API has not taken yet.",
    deliveryLabels,
    function* ({ clusters }) {
      for (const { server, deliveries } of clusters) {
        for (const { kind, pending } of deliveries) yield [{ server, kind }, pending] as const;
      }
    },
  );
  figures<"server" | "kind" | "outcome">(
    Counter,
    "multus_deliveries_total",
    "Network-statuses and events that the API has taken, or that were given up.",
    [...deliveryLabels, "outcome"],
    function* ({ clusters }) {
      for (const { server, deliveries } of clusters) {
        for (const { kind, delivered, givenUp } of deliveries) {
          yield [{ server, kind, outcome: "delivered" }, delivered] as const;
          yield [{ server, kind, outcome: "given-up" }, givenUp] as const;
        }
      }
    },
  );

  figures(
    Gauge,
    "multus_spool_records",
    "Recorded DELs, as no daemon was there or as they fail: waiting, failed for good, and files that are no records.",
    ["state"],
    function* ({ spool }) {
      yield [{ state: "waiting" }, spool?.waiting];
      yield [{ state: "failed" }, spool?.failed];
      yield [{ state: "broken" }, spool?.broken];
    },
  );
  figures(
    Gauge,
    "multus_failed_dels",
    "Containers whose DEL has failed: the runtime was told (failing), it was told success and they are tried in the background (recorded), given up after a day (given-up).",
    ["state"],
    function* ({ failedDels }) {
      for (const [state, count] of Object.entries(failedDels)) yield [{ state }, count];
    },
  );
  gauge(
    "multus_spool_oldest_age_seconds",
    "Age of the oldest DEL that waits in the spool; 0: none does.",
    ({ spool }) => (spool === undefined ? undefined : (spool.oldestMs ?? 0) / 1000),
  );

  figures(
    Counter,
    "multus_trace_spans_total",
    "Spans that a collector has taken, has not taken, or that were too many for the queue.",
    ["outcome"],
    function* ({ spans }) {
      yield [{ outcome: "exported" }, spans?.exported];
      yield [{ outcome: "failed" }, spans?.failed];
      yield [{ outcome: "dropped" }, spans?.dropped];
    },
  );
}

/** The names that every Prometheus client has for these, as far as they cost nothing between two fetches. */
function addProcessMetrics(registry: Registry): void {
  const registers = [registry];
  new Gauge({
    name: "process_start_time_seconds",
    help: "Start time of the process, in seconds since 1970.",
    registers,
  }).set(performance.timeOrigin / 1000);
  new Counter({
    name: "process_cpu_seconds_total",
    help: "User and system time, in seconds.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  const memory: readonly [string, string, () => number][] = [
    ["process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss()],
    ["nodejs_heap_size_used_bytes", "JavaScript heap that is in use.", () => process.memoryUsage().heapUsed],
    [
      "nodejs_external_memory_bytes",
      "Memory of buffers and WebAssembly.",
      () => process.memoryUsage().external,
    ],
  ];
  for (const [name, help, read] of memory) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
}
