/** The collection with which a daemon begins is a full one, and leaves nothing behind. */

import { constants, PerformanceObserver } from "node:perf_hooks";
import { afterEach, expect, test, vi } from "vitest";
import { collectAfterStart, collectGarbage } from "../../../src/daemon/first-collection.ts";

/** @returns the kind of the next forced collection */
function nextForcedCollection(): Promise<number | undefined> {
  return new Promise((resolve) => {
    const observer = new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries() as { detail?: { kind?: number; flags?: number } }[]) {
        if (((detail?.flags ?? 0) & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) === 0) continue;
        observer.disconnect();
        resolve(detail?.kind);
      }
    });
    observer.observe({ entryTypes: ["gc"] });
  });
}

afterEach(() => {
  vi.useRealTimers();
});

test("collects the old generation, and leaves the function to nobody", async () => {
  const collection = nextForcedCollection();
  collectGarbage();
  expect(await collection).toBe(constants.NODE_PERFORMANCE_GC_MAJOR);
  expect(globalThis).not.toHaveProperty("gc");
});

test("comes once after the start, not with it", async () => {
  vi.useFakeTimers();
  const collection = nextForcedCollection();
  collectAfterStart();
  expect(vi.getTimerCount()).toBe(1);
  vi.runOnlyPendingTimers();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  expect(await collection).toBe(constants.NODE_PERFORMANCE_GC_MAJOR);
});
