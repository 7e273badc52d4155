/** A problem is logged once: until it is another one, it is over, or its time has passed. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LogFields } from "../../../src/log/logger.ts";
import { OnceLog } from "../../../src/log/once-log.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

test("the same problem is logged once, however long it lasts", () => {
  const log = new RecordingLogger();
  const once = new OnceLog(log);
  for (const port of [1, 2, 3]) {
    once.error("port in use", { error: `port ${port}` });
    vi.advanceTimersByTime(3_600_000);
  }
  expect(log.errors).toEqual(["port in use"]);
  expect(log.causes).toEqual(["port 1"]);
  expect(once.problem).toBe("port in use");
});

test("another problem is logged, and the first one again after it", () => {
  const log = new RecordingLogger();
  const once = new OnceLog(log);
  for (const error of ["a", "a", "b", "b", "a"]) once.error("not written", { error }, error);
  expect(log.causes).toEqual(["a", "b", "a"]);
  expect(once.problem).toBe("a");
});

test("a problem that is over is logged when it comes back", () => {
  const log = new RecordingLogger();
  const once = new OnceLog(log);
  once.error("away");
  once.over();
  expect(once.problem).toBeUndefined();
  once.error("away");
  once.error("away");
  expect(log.errors).toEqual(["away", "away"]);
});

test("a problem that lasts is logged again after the given time, with what is known by then", () => {
  const lines: (LogFields | undefined)[] = [];
  const log = Object.assign(new RecordingLogger(), {
    error: (_: string, fields?: LogFields) => void lines.push(fields),
  });
  const once = new OnceLog(log, 60_000);
  for (let failed = 0; failed < 4; failed++) {
    once.error("spans not exported", { failed });
    vi.advanceTimersByTime(30_000);
  }
  expect(lines).toEqual([{ failed: 0 }, { failed: 2 }]);
});
