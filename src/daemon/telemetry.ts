/** Metrics and traces, as the daemon's configuration asks for them. Code that is not asked for is not loaded. */

import { protocolVersion } from "../agent/frames.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { readSpool } from "../multus/spool/spool.ts";
import { type TracingKey, tracingSettings } from "../telemetry/settings.ts";
import { SpanQueue } from "../telemetry/span-queue.ts";
import { type TraceExport, Tracer } from "../telemetry/tracer.ts";
import type { OwnState, SpoolFigures } from "./metrics/state.ts";
import type { Observer } from "./observer.ts";

export interface TelemetryOptions {
  /** undefined: no metrics are served. */
  readonly metricsPort: number | undefined;
  /** "": every address of the host. */
  readonly metricsAddress: string;
  readonly tracing: TracingKey;
  /** Of the daemon. */
  readonly version: string;
  /** "" if it is not known. */
  readonly nodeName: string;
  /** Where the daemon looks for recorded DELs: the netconf's `cniDir`. */
  readonly cniDir: string;
  /** The daemon as it is now; not asked before the daemon serves. */
  readonly state: () => OwnState;
  readonly log: Logger;
}

export interface Telemetry {
  readonly tracer: Tracer;
  /** undefined: nothing is counted. */
  readonly observer: Observer | undefined;
  /** Sends the spans that wait, and ends all. @param limitMs milliseconds, at most */
  close(limitMs: number): Promise<void>;
}

export async function openTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const traceExport = await openTracing(options);
  const metrics = await openMetrics(options, traceExport?.queue);
  return {
    tracer: new Tracer(traceExport),
    observer: metrics?.observer,
    async close(limitMs) {
      await traceExport?.queue.flush(limitMs);
      metrics?.close();
    },
  };
}

async function openTracing(options: TelemetryOptions): Promise<TraceExport | undefined> {
  const { tracing, version, nodeName, log } = options;
  const settings = tracingSettings(tracing, process.env);
  if (settings === undefined) return undefined;
  for (const problem of settings.problems) log.error("tracing: invalid environment variable", { problem });
  const { otlpExport } = await import("../telemetry/otlp.ts");
  log.verbose("spans are exported", { to: settings.url ?? "as OTEL_EXPORTER_OTLP_… say" });
  return {
    sampler: settings.sampler,
    queue: new SpanQueue(otlpExport(settings.url, { version, nodeName }), log),
  };
}

async function openMetrics(
  { metricsPort, metricsAddress, version, cniDir, state, log }: TelemetryOptions,
  queue: SpanQueue | undefined,
): Promise<{ readonly observer: Observer; close(): void } | undefined> {
  if (metricsPort === undefined) return undefined;
  const [{ createMetrics }, { MetricsServer }] = await Promise.all([
    import("./metrics/registry.ts"),
    import("./metrics/server.ts"),
  ]);
  const metrics = createMetrics({ version, protocol: protocolVersion }, async () => ({
    ...state(),
    spool: await spoolFigures(cniDir, log),
    spans: queue?.counts,
  }));
  const server = new MetricsServer(metrics, metricsAddress, metricsPort, log);
  server.listen();
  return { observer: metrics.observer, close: () => server.close() };
}

async function spoolFigures(cniDir: string, log: Logger): Promise<SpoolFigures | undefined> {
  try {
    return await readSpool(cniDir);
  } catch (error) {
    log.error("recorded DELs cannot be counted", { error: errorText(error) });
    return undefined;
  }
}
