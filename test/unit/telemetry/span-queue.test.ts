import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type SpanExport, SpanQueue } from "../../../src/telemetry/span-queue.ts";
import type { FinishedSpan } from "../../../src/telemetry/spans.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

const span: FinishedSpan = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  parentSpanId: "",
  isParentRemote: false,
  name: "CNI ADD",
  kind: "server",
  start: 0,
  end: 1,
  attributes: {},
  error: undefined,
};
const spans = (count: number) => Array.from({ length: count }, () => span);

let log: RecordingLogger;

beforeEach(() => {
  vi.useFakeTimers();
  log = new RecordingLogger();
});

afterEach(() => vi.useRealTimers());

describe("spans on their way out", () => {
  test("go in batches, one at a time, some seconds later or when a batch is full", async () => {
    const batches: number[] = [];
    let finish = () => {};
    const queue = new SpanQueue((batch) => {
      batches.push(batch.length);
      return new Promise((resolve) => {
        finish = resolve;
      });
    }, log);
    queue.add(spans(3));
    queue.add(spans(4));
    expect(batches).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(batches).toEqual([7]);
    queue.add(spans(600));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(batches).toEqual([7]);
    finish();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(batches).toEqual([7, 512]);
    finish();
    await vi.advanceTimersByTimeAsync(5_000);
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(batches).toEqual([7, 512, 88]);
    expect(queue.counts).toEqual({ exported: 607, failed: 0, dropped: 0 });
  });

  test("that a collector never takes are held up to a bound, counted beyond, and said once a minute", async () => {
    const queue = new SpanQueue(() => Promise.reject(new Error("connect ECONNREFUSED")), log);
    for (let round = 0; round < 100; round++) {
      queue.add(spans(100));
      await vi.advanceTimersByTimeAsync(100);
    }
    const { failed, dropped, exported } = queue.counts;
    expect(exported).toBe(0);
    expect(failed + dropped).toBeGreaterThan(10_000 - 2_048 - 1);
    expect(log.errors).toEqual(["spans could not be exported"]);
    expect(log.causes[0]).toContain("ECONNREFUSED");
  });

  test("wait for nobody where the collector does not answer", async () => {
    const queue = new SpanQueue(() => new Promise(() => {}), log);
    queue.add(spans(600));
    await vi.advanceTimersByTimeAsync(0);
    for (let round = 0; round < 50; round++) queue.add(spans(100));
    expect(queue.counts).toEqual({ exported: 0, failed: 0, dropped: 600 - 512 + 5_000 - 2_048 });
    expect(log.errors).toEqual(["spans could not be exported"]);
    expect(log.causes[0]).toContain("2048 wait for the collector");
    const flushed = queue.flush(3_000);
    await vi.advanceTimersByTimeAsync(3_000);
    await flushed;
  });

  test("are sent at once when the daemon ends", async () => {
    const sent: number[] = [];
    const take: SpanExport = async (batch) => {
      sent.push(batch.length);
    };
    const queue = new SpanQueue(take, log);
    queue.add(spans(700));
    await queue.flush(5_000);
    expect(sent).toEqual([512, 188]);
    expect(queue.counts.exported).toBe(700);
  });
});
