/**
 * Exports spans by OTLP over HTTP, with OpenTelemetry's own exporter: it knows headers, certificates, time limits and compression by their variables
 * (OTEL_EXPORTER_OTLP_…). Loaded only where spans are exported.
 */

import { SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { SpanExport } from "./span-queue.ts";
import type { FinishedSpan } from "./spans.ts";

/** The sender of the spans. */
export interface SpanOrigin {
  readonly version: string;
  /** "" if it is not known. */
  readonly nodeName: string;
}

const scopeName = "multus-wasm";
const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };

/** @param url undefined: where the variables say */
export function otlpExport(url: string | undefined, origin: SpanOrigin): SpanExport {
  const exporter = new OTLPTraceExporter(url === undefined ? {} : { url });
  const resource = resourceOf(origin);
  const scope = { name: scopeName, version: origin.version };
  return (spans) =>
    new Promise((resolve, reject) => {
      exporter.export(
        spans.map((span) => readable(span, resource, scope)),
        ({ error, code }) => {
          // 0 is success in OpenTelemetry's ExportResultCode.
          if (code === 0) resolve();
          else reject(error ?? new Error("the collector did not take them"));
        },
      );
    });
}

/** OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win. */
function resourceOf({ version, nodeName }: SpanOrigin): Resource {
  return resourceFromAttributes({
    "service.name": "multusd",
    "service.version": version,
    ...(nodeName === "" ? {} : { "k8s.node.name": nodeName }),
  }).merge(detectResources({ detectors: [envDetector] }));
}

function readable(
  span: FinishedSpan,
  resource: Resource,
  instrumentationScope: ReadableSpan["instrumentationScope"],
): ReadableSpan {
  const { traceId, spanId, parentSpanId, name, kind, start, end, attributes, error } = span;
  const traceFlags = TraceFlags.SAMPLED;
  return {
    name,
    kind: kinds[kind],
    spanContext: () => ({ traceId, spanId, traceFlags }),
    ...(parentSpanId === ""
      ? {}
      : { parentSpanContext: { traceId, spanId: parentSpanId, traceFlags, isRemote: span.isParentRemote } }),
    startTime: timeOf(start),
    endTime: timeOf(end),
    duration: timeOf(end - start),
    ended: true,
    status:
      error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
    attributes: Object.fromEntries(
      Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
    ),
    links: [],
    events: [],
    resource,
    instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** @param milliseconds with fractions @returns seconds, and nanoseconds beyond them */
function timeOf(milliseconds: number): [number, number] {
  const seconds = Math.floor(milliseconds / 1000);
  return [seconds, Math.floor((milliseconds - seconds * 1000) * 1e6)];
}
