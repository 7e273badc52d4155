/** TRACEPARENT as anybody may set it: what is taken from it is what the specification says, and nothing else is. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { RequestTrace } from "../../../src/telemetry/request-trace.ts";
import { formatTraceparent, parseTraceparent } from "../../../src/telemetry/trace-context.ts";
import { requestIn } from "../../support/traced-request.ts";

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const wellFormed = fc
  .tuple(hex(2), hex(32), hex(16), hex(2), fc.option(fc.string(), { nil: undefined }))
  .map(([version, traceId, spanId, flags, more]) =>
    [version, traceId, spanId, flags, ...(more === undefined ? [] : [more])].join("-"),
  );
/** A good one with a character somewhere that is another, missing or too much. */
const damaged = fc
  .tuple(wellFormed, fc.nat(60), fc.nat(1), fc.string({ maxLength: 2 }))
  .map(([text, at, removed, added]) => text.slice(0, at) + added + text.slice(at + removed));
const anything = fc.oneof(fc.string(), fc.string({ unit: "binary" }), wellFormed, damaged);

/** The specification's rules, one after the other. */
function isOne(text: string): boolean {
  const parts = text.split("-");
  const isHex = (part: string | undefined, length: number) =>
    part !== undefined &&
    part.length === length &&
    [...part].every((digit) => "0123456789abcdef".includes(digit));
  const [version, traceId, spanId, flags] = parts;
  if (!isHex(version, 2) || !isHex(traceId, 32) || !isHex(spanId, 16) || !isHex(flags, 2)) return false;
  if (version === "ff" || (version === "00" && parts.length > 4)) return false;
  return traceId !== "0".repeat(32) && spanId !== "0".repeat(16);
}

test("is understood where it is one, and only there", () => {
  fc.assert(
    fc.property(anything, (text) => {
      const context = parseTraceparent(text);
      expect(context !== undefined).toBe(isOne(text));
      if (context === undefined) return;
      expect([context.traceId, context.spanId]).toEqual(text.split("-").slice(1, 3));
      expect(context.sampled).toBe((Number.parseInt(text.slice(53, 55), 16) & 1) === 1);
      expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
    }),
    { numRuns: 5_000 },
  );
});

test("whatever it is, plugins get one that is good", () => {
  fc.assert(
    fc.property(anything, fc.boolean(), (traceparent, records) => {
      const trace = new RequestTrace(requestIn(traceparent), records ? () => true : undefined);
      const { TRACEPARENT = "", TRACESTATE } = trace.environment(records ? "00f067aa0ba902b7" : "");
      const told = parseTraceparent(TRACEPARENT);
      expect(told?.traceId).toBe(parseTraceparent(traceparent)?.traceId ?? trace.context.traceId);
      // The TRACESTATE of something that was no TRACEPARENT must not be carried on.
      expect(TRACESTATE).toBe(isOne(traceparent) ? undefined : "");
    }),
    { numRuns: 2_000 },
  );
});
