/** W3C Trace Context, level 1: what TRACEPARENT says, and how it is written (https://www.w3.org/TR/trace-context/#traceparent-header). */

import { randomFillSync } from "node:crypto";
import { traceparentForm } from "../agent/plugin-variables.ts";

/** Where in a trace something happens: as a `traceparent` says it. */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hexadecimal digits, not all zero. */
  readonly spanId: string;
  /** Is the trace recorded where it began? */
  readonly sampled: boolean;
}

const sampledFlag = 1;
const traceIdBytes = 16;
const spanIdBytes = 8;

/** @returns undefined where it is not one by the letter of the specification: it must be ignored then */
export function parseTraceparent(text: string): TraceContext | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] = traceparentForm.exec(text) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (isZero(traceId) || isZero(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & sampledFlag) !== 0 };
}

/** As version 00 has it, without flags that it does not know. */
export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

export function newTraceId(): string {
  return randomId(traceIdBytes);
}

export function newSpanId(): string {
  return randomId(spanIdBytes);
}

/** Random bytes for many ids at once: asking for each costs more than the id. */
const pool = Buffer.alloc(1024);
let poolUsed = pool.length;

function randomId(bytes: number): string {
  for (;;) {
    if (poolUsed + bytes > pool.length) {
      randomFillSync(pool);
      poolUsed = 0;
    }
    const id = pool.toString("hex", poolUsed, poolUsed + bytes);
    poolUsed += bytes;
    if (!isZero(id)) return id;
  }
}

function isZero(id: string): boolean {
  return /^0+$/.test(id);
}
