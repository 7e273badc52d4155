import { describe, expect, test } from "vitest";
import {
  formatTraceparent,
  newSpanId,
  newTraceId,
  parseTraceparent,
} from "../../../src/telemetry/trace-context.ts";
import { spanId, traceId } from "../../support/traced-request.ts";

describe("a traceparent", () => {
  test.each([
    [`00-${traceId}-${spanId}-01`, true],
    [`00-${traceId}-${spanId}-00`, false],
    // Flags that are not known here do not change the one that is.
    [`00-${traceId}-${spanId}-ff`, true],
    [`00-${traceId}-${spanId}-02`, false],
    // Versions to come may have more behind it.
    [`01-${traceId}-${spanId}-01`, true],
    [`cc-${traceId}-${spanId}-01-what-the-future-brings`, true],
  ])("%s is one", (text, sampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId, spanId, sampled });
  });

  test.each([
    "",
    "00",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-01-`,
    `01-${traceId}-${spanId}-01.more`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-0A`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.slice(1)}-${spanId}-01`,
    `00-${traceId}-${spanId}0-01`,
    `00-${traceId}-${spanId}-1`,
    ` 00-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01\n`,
    `0-${traceId}-${spanId}-01`,
    `00-${traceId.replace("0", "g")}-${spanId}-01`,
    `00_${traceId}_${spanId}_01`,
  ])("%j is none", (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  test("is written as version 00", () => {
    expect(formatTraceparent({ traceId, spanId, sampled: true })).toBe(`00-${traceId}-${spanId}-01`);
    expect(formatTraceparent({ traceId, spanId, sampled: false })).toBe(`00-${traceId}-${spanId}-00`);
  });
});

test("ids are what they have to be, and never the same", () => {
  const ids = new Set<string>();
  for (let count = 0; count < 5_000; count++) {
    const context = { traceId: newTraceId(), spanId: newSpanId(), sampled: true };
    expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
    ids.add(context.traceId).add(context.spanId);
  }
  expect(ids.size).toBe(10_000);
});
