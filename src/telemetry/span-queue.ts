/** Spans on their way out: a bounded queue that no request waits for. Spans that a collector does not accept in time are dropped and counted. */

import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import type { FinishedSpan } from "./spans.ts";

/** Sends a batch. Rejects where it was not taken; how often it tries is its own matter. */
export type SpanExport = (spans: readonly FinishedSpan[]) => Promise<void>;

export interface SpanCounts {
  /** Taken by the collector. */
  readonly exported: number;
  /** Not taken by it. */
  readonly failed: number;
  /** There was no room for. */
  readonly dropped: number;
}

/** As OpenTelemetry's own batches have it (OTEL_BSP_MAX_QUEUE_SIZE and its like); an ADD of four networks has some 20 spans. */
const mostWaiting = 2_048;
const batchSize = 512;
const delayMs = 5_000;
/** A collector that is away, or too slow, is worth one line in so long. */
const complaintEveryMs = 60_000;

/** Not OpenTelemetry's BatchSpanProcessor: it does not tell how many spans it drops, and its flush neither waits for the batch under way nor sends one at a time. */
export class SpanQueue {
  readonly #export: SpanExport;
  readonly #failures: OnceLog;
  #waiting: FinishedSpan[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #counts = { exported: 0, failed: 0, dropped: 0 };

  constructor(spanExport: SpanExport, log: Logger) {
    this.#export = spanExport;
    this.#failures = new OnceLog(log, complaintEveryMs);
  }

  get counts(): SpanCounts {
    return this.#counts;
  }

  /** Takes spans, as far as there is room for them. */
  add(spans: readonly FinishedSpan[]): void {
    const room = mostWaiting - this.#waiting.length;
    this.#waiting.push(...spans.slice(0, room));
    if (spans.length > room) {
      this.#counts.dropped += spans.length - room;
      this.#complain(`${mostWaiting} wait for the collector, and there is no room for more`);
    }
    if (this.#sending !== undefined) return;
    if (this.#waiting.length >= batchSize) this.#sendSoon(0);
    else if (this.#timer === undefined) this.#sendSoon(delayMs);
  }

  /** Sends what waits. @param limitMs milliseconds, at most */
  async flush(limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, limitMs);
    while ((this.#waiting.length > 0 || this.#sending !== undefined) && performance.now() < deadline) {
      this.#send();
      await Promise.race([this.#sending, limit.promise]);
    }
    clearTimeout(timer);
    clearTimeout(this.#timer);
  }

  #sendSoon(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), milliseconds).unref();
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending !== undefined || this.#waiting.length === 0) return;
    const batch = this.#waiting.splice(0, batchSize);
    this.#sending = this.#export(batch).then(
      () => this.#sent(batch.length),
      (error: unknown) => this.#failed(batch.length, error),
    );
  }

  #sent(count: number): void {
    this.#counts.exported += count;
    this.#next();
  }

  #failed(count: number, error: unknown): void {
    this.#counts.failed += count;
    this.#complain(errorText(error));
    this.#next();
  }

  #complain(error: string): void {
    const { failed, dropped } = this.#counts;
    this.#failures.error("spans could not be exported", { failed, dropped, error });
  }

  #next(): void {
    this.#sending = undefined;
    if (this.#waiting.length > 0) this.#sendSoon(this.#waiting.length >= batchSize ? 0 : delayMs);
  }
}
