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

/** Every author of a NetworkAttachmentDefinition can name plugins. */
const mostPlugins = 50;
const commands = new Few(["ADD", "DEL", "CHECK", "GC", "STATUS"], 0);
const methods = new Few(["get", "post", "head", "put", "delete"], 0);
/** Up to here codes are the spec's (section 5); others are the plugins' own, whatever they are, but for 999, which is everybody's. */
const lastSpecCode = 99;
const internalCode = 999;

/** @param state of now; asked once for all metrics that are fetched together */
export function createMetrics(build: BuildInfo, state: () => DaemonState | Promise<DaemonState>): Metrics {
  const registry = new Registry();
  const registers = [registry];

  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers });
  const histogram = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    buckets: number[],
  ) => new Histogram({ name, help, labelNames, buckets, registers });
  const requests = counter(
    "multus_requests_total",
    "CNI requests answered, by command and CNI error code (0: none; plugin: a code that a plugin made up).",
    ["command", "code"],
  );
  const requestDuration = histogram(
    "multus_request_duration_seconds",
    "Time from a CNI request's arrival to its answer.",
    ["command"],
    requestBuckets,
  );
  const phaseDuration = histogram(
    "multus_request_phase_duration_seconds",
    "Time of the parts of a CNI request's work.",
    ["command", "phase"],
    phaseBuckets,
  );
  const queueDuration = histogram(
    "multus_queue_wait_seconds",
    "Time that CNI requests waited for their turn.",
    [],
    requestBuckets,
  );
  const attachments = counter(
    "multus_attachments_total",
    "Networks of CNI requests that were worked on, by command and way: by an order (native) or by their plugins (executed).",
    ["command", "way"],
  );
  const delegateRuns = counter(
    "multus_delegate_runs_total",
    "Runs of delegate plugins, by plugin type, command and outcome.",
    ["plugin", "command", "outcome"],
  );
  const delegateDuration = histogram(
    "multus_delegate_duration_seconds",
    "Time from the order to run a delegate plugin to its answer.",
    ["plugin", "command"],
    delegateBuckets,
  );
  const httpRequests = counter(
    "multus_server_request_total",
    "Requests to the daemon's socket as Go multus counts them: CNI requests of every plugin count as HTTP.",
    ["handler", "code", "method"],
  );
  let seen: DaemonState | undefined;
  for (const metric of stateMetrics) {
    addMetric(registry, { ...metric, read: () => (seen === undefined ? [] : metric.read(seen)) });
  }
  const { version, protocol } = build;
  addMetric(registry, {
    name: "multus_build_info",
    help: "Always 1; its labels say what runs.",
    labelNames: ["version", "node_version", "protocol"],
    read: () => [[{ version, node_version: process.versions.node, protocol: String(protocol) }, 1]],
  });

  const plugins = new Few([], mostPlugins);
  const count = (command: string, code: number) => requests.inc({ command, code: codeLabel(code) });
  const afterwards = new Afterwards();
  return {
    contentType: registry.contentType,
    async text() {
      afterwards.now();
      seen = await state();
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
          for (const { isNative } of report.networks) {
            attachments.inc({ command, way: isNative ? "native" : "executed" });
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

/** Figures of one thing each, with the labels that say of which; those that are undefined are left out. */
type Figures = Iterable<readonly [labels: Readonly<Record<string, string>>, figure: number | undefined]>;

/** A metric that is read when metrics are fetched. A name that ends in `_total` is that of a counter. */
interface ReadMetric<Source extends readonly unknown[]> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  read(...source: Source): Figures;
}

function addMetric(registry: Registry, { name, help, labelNames, read }: ReadMetric<[]>): void {
  const Kind = name.endsWith("_total") ? Counter : Gauge;
  new Kind<string>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      // Without labels there would be a 0.
      if (labelNames.length === 0) this.remove();
      for (const [labels, figure] of read()) if (figure !== undefined) this.inc(labels, figure);
    },
  });
}

/** A metric of a single figure. */
function single(
  name: string,
  help: string,
  read: (now: DaemonState) => number | undefined,
): ReadMetric<[DaemonState]> {
  return { name, help, labelNames: [], read: (now) => [[{}, read(now)]] };
}

/** A metric of the watches of all clusters. */
function ofWatches(
  name: string,
  help: string,
  read: (watch: DaemonState["clusters"][number]["watches"][number]) => number | undefined,
): ReadMetric<[DaemonState]> {
  return {
    name,
    help,
    labelNames: ["server", "resource"],
    read: ({ clusters }) =>
      clusters.flatMap(({ server, watches }) =>
        watches.map((watch) => [{ server, resource: watch.resource }, read(watch)] as const),
      ),
  };
}

/** The daemon's state, and those of the process that every Prometheus client has and that cost nothing between two fetches. */
const stateMetrics: readonly ReadMetric<[DaemonState]>[] = [
  single("multus_requests_waiting", "CNI requests in the lines.", ({ waiting }) => waiting),
  single("multus_requests_in_flight", "CNI requests that are worked on.", ({ running }) => running),
  single(
    "multus_requests_limit",
    "CNI requests of one kind and one namespace that are worked on at once, at most.",
    ({ limit }) => limit,
  ),
  {
    name: "multus_lane_requests",
    help: "CNI requests by kind: running (have a slot), waiting (for one, or for their container), paused (wait for the API or a file without one).",
    labelNames: ["lane", "state"],
    read: ({ lanes }) =>
      lanes.flatMap(({ lane, running, waiting, paused }) => [
        [{ lane, state: "running" }, running],
        [{ lane, state: "waiting" }, waiting],
        [{ lane, state: "paused" }, paused],
      ]),
  },
  {
    name: "multus_lane_slots",
    help: "CNI requests of a kind that are worked on at once, at most: of one namespace (one) and of all (all).",
    labelNames: ["lane", "of"],
    read: ({ lanes }) =>
      lanes.flatMap(({ lane, slots, allSlots }) => [
        [{ lane, of: "one" }, slots],
        [{ lane, of: "all" }, allSlots],
      ]),
  },
  single("multus_ready", "1 while the daemon is ready: the runtime's file is in place.", ({ isReady }) =>
    Number(isReady),
  ),
  single("multus_stopping", "1 once the daemon has been told to stop.", ({ isStopping }) =>
    Number(isStopping),
  ),
  {
    name: "multus_cache_entries",
    help: "What is kept in memory.",
    labelNames: ["cache"],
    read: ({ configFiles, clusters }) => [
      [{ cache: "config-files" }, configFiles],
      ...clusters.flatMap(({ watches }) =>
        watches.map(({ resource, size }) => [{ cache: resource }, size] as const),
      ),
    ],
  },
  single(
    "multus_pods_networks_missing",
    "Pods of the node that run without the networks that they select, as they were started while Multus was not called.",
    ({ missingNetworks }) => missingNetworks.length,
  ),
  ofWatches("multus_watch_connected", "1 while the watch of a cluster's objects is open.", ({ connected }) =>
    Number(connected),
  ),
  ofWatches("multus_watch_synced", "1 once there was a complete list of a cluster's objects.", ({ synced }) =>
    Number(synced),
  ),
  ofWatches(
    "multus_watch_last_heard_timestamp_seconds",
    "When a watch last brought anything, bookmarks included, which come about once a minute.",
    ({ heardAt }) => heardAt && heardAt / 1000,
  ),
  ofWatches(
    "multus_watch_opened_total",
    "Watches that were opened: the first one, and one more after each end.",
    ({ watches }) => watches,
  ),
  ofWatches("multus_watch_lists_total", "Complete lists that were made.", ({ lists }) => lists),
  ofWatches("multus_watch_failures_total", "Lists and watches that failed.", ({ failures }) => failures),
  ofWatches(
    "multus_watch_memory_bytes",
    "Memory that a watch's objects take, as it is counted against its limit.",
    ({ memory }) => memory.bytes,
  ),
  ofWatches(
    "multus_watch_memory_limit_bytes",
    "Memory that a watch's objects may take.",
    ({ memory }) => memory.limit,
  ),
  ofWatches(
    "multus_watch_left_out",
    "Objects that memory has no room for, or only for their names: the API is asked for them when a pod needs them.",
    ({ memory }) => memory.leftOut,
  ),
  {
    name: "multus_deliveries_pending",
    help: "Network-statuses and events that the API has not taken yet.",
    labelNames: ["server", "kind"],
    read: ({ clusters }) =>
      clusters.flatMap(({ server, deliveries }) =>
        deliveries.map(({ kind, pending }) => [{ server, kind }, pending] as const),
      ),
  },
  {
    name: "multus_deliveries_total",
    help: "Network-statuses and events that the API has taken, or that were given up.",
    labelNames: ["server", "kind", "outcome"],
    read: ({ clusters }) =>
      clusters.flatMap(({ server, deliveries }) =>
        deliveries.flatMap(({ kind, delivered, givenUp }) => [
          [{ server, kind, outcome: "delivered" }, delivered] as const,
          [{ server, kind, outcome: "given-up" }, givenUp] as const,
        ]),
      ),
  },
  {
    name: "multus_spool_records",
    help: "Recorded DELs, as no daemon was there or as they fail: waiting, failed for good, and files that are no records.",
    labelNames: ["state"],
    read: ({ spool }) => [
      [{ state: "waiting" }, spool?.waiting],
      [{ state: "failed" }, spool?.failed],
      [{ state: "broken" }, spool?.broken],
    ],
  },
  {
    name: "multus_failed_dels",
    help: "Containers whose DEL has failed: the runtime was told (failing), it was told success and they are tried in the background (recorded), given up after a day (given-up).",
    labelNames: ["state"],
    read: ({ failedDels }) => Object.entries(failedDels).map(([state, count]) => [{ state }, count]),
  },
  single(
    "multus_spool_oldest_age_seconds",
    "Age of the oldest DEL that waits in the spool; 0: none does.",
    ({ spool }) => spool && (spool.oldestMs ?? 0) / 1000,
  ),
  {
    name: "multus_trace_spans_total",
    help: "Spans that a collector has taken, has not taken, or that were too many for the queue.",
    labelNames: ["outcome"],
    read: ({ spans }) => Object.entries(spans ?? {}).map(([outcome, count]) => [{ outcome }, count]),
  },
  single(
    "process_start_time_seconds",
    "Start time of the process, in seconds since 1970.",
    () => performance.timeOrigin / 1000,
  ),
  single("process_cpu_seconds_total", "User and system time, in seconds.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }),
  single("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss()),
  single(
    "nodejs_heap_size_used_bytes",
    "JavaScript heap that is in use.",
    () => process.memoryUsage().heapUsed,
  ),
  single(
    "nodejs_external_memory_bytes",
    "Memory of buffers and WebAssembly.",
    () => process.memoryUsage().external,
  ),
];
