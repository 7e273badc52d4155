import { describe, expect, test } from "vitest";
import { tracingSettings } from "../../../src/telemetry/settings.ts";
import { newTraceId } from "../../../src/telemetry/trace-context.ts";

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
const parent = (sampled: boolean) => ({ traceId: newTraceId(), spanId: "00f067aa0ba902b7", sampled });

/** Share of traces that are recorded. */
function share(environment: Readonly<Record<string, string>>, samplingRatio?: number): number {
  const key = samplingRatio === undefined ? {} : { samplingRatio };
  const sampler = tracingSettings(key, { ...endpoint, ...environment })?.sampler;
  const traces = Array.from({ length: 4_000 }, newTraceId);
  return traces.filter((traceId) => sampler?.(traceId, undefined)).length / traces.length;
}

describe("spans are exported", () => {
  test("where key or variables say where to, and nowhere else", () => {
    expect(tracingSettings({}, {})).toBeUndefined();
    expect(tracingSettings({ samplingRatio: 1 }, { OTEL_SERVICE_NAME: "x" })).toBeUndefined();
    expect(tracingSettings({}, { OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBeUndefined();
    expect(tracingSettings({}, endpoint)).toMatchObject({ url: undefined, problems: [] });
    expect(tracingSettings({}, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c/v1/traces" })).toBeDefined();
    expect(tracingSettings({}, { ...endpoint, OTEL_SDK_DISABLED: "TRUE" })).toBeUndefined();
    expect(tracingSettings({}, { ...endpoint, OTEL_TRACES_EXPORTER: "none" })).toBeUndefined();
  });

  test.each(["http://c:4318", "http://c:4318/", "http://c:4318//"])(
    "to %s and the path of traces",
    (base) => {
      expect(tracingSettings({ endpoint: base }, endpoint)?.url).toBe("http://c:4318/v1/traces");
    },
  );
});

describe("of all traces are recorded", () => {
  test.each([
    [{}, undefined, 1],
    [{ OTEL_TRACES_SAMPLER: "always_off" }, undefined, 0],
    [{ OTEL_TRACES_SAMPLER: "parentbased_always_off" }, undefined, 0],
    [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" }, undefined, 0.25],
    [{ OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.75" }, undefined, 0.75],
    [{ OTEL_TRACES_SAMPLER: "always_off" }, 0.5, 0.5],
    [{}, 0, 0],
  ])("with %j and ratio %s: %s", (environment, ratio, expected) => {
    expect(Math.abs(share(environment, ratio) - expected)).toBeLessThan(expected % 1 === 0 ? 1e-9 : 0.06);
  });

  test("those that the runtime records, whatever the ratio; but always and never mean it", () => {
    const decide = (name: string) =>
      [true, false].map((sampled) =>
        tracingSettings(
          {},
          { ...endpoint, OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: "0" },
        )?.sampler(newTraceId(), parent(sampled)),
      );
    expect(decide("parentbased_traceidratio")).toEqual([true, false]);
    expect(decide("parentbased_always_on")).toEqual([true, false]);
    expect(decide("always_on")).toEqual([true, true]);
    expect(decide("always_off")).toEqual([false, false]);
    expect(decide("traceidratio")).toEqual([false, false]);
  });

  test("an invalid setting is logged, and its default used", () => {
    const settings = tracingSettings(
      {},
      {
        ...endpoint,
        OTEL_TRACES_SAMPLER: "jaeger_remote",
        OTEL_TRACES_SAMPLER_ARG: "many",
        OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      },
    );
    expect(settings?.problems).toEqual([
      expect.stringContaining("OTEL_EXPORTER_OTLP_PROTOCOL=grpc"),
      expect.stringContaining("OTEL_TRACES_SAMPLER_ARG=many"),
      expect.stringContaining("OTEL_TRACES_SAMPLER=jaeger_remote"),
    ]);
    expect(settings?.sampler(newTraceId(), undefined)).toBe(true);
  });
});
