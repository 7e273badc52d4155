import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Api, ApiError } from "../../../src/kube/api.ts";
import type { Lane } from "../../../src/kube/delivery.ts";
import { lacksRight, MissingRight } from "../../../src/kube/forbidden.ts";
import { NetworkStatusWriter } from "../../../src/kube/network-status.ts";
import { PendingEvents, usualEventBounds } from "../../../src/kube/pending-events.ts";
import { PendingStatuses, usualStatusBounds } from "../../../src/kube/pending-statuses.ts";
import { noRight } from "../../support/pretended-api-server.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { podNamed } from "./sink-rig.ts";

const forbidden = new ApiError(403, "Forbidden", noRight("patch", "pods/status"));
const unavailable = new ApiError(503, "", "not now");

/** For lanes whose parcels the test takes, and never sends. */
const noApi: Api = {
  request: () => Promise.reject(new Error("nothing is sent here")),
  watch: () => Promise.reject(new Error("nothing is watched here")),
};

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Takes the next parcel, and lets it fail. */
function fail(lane: Lane, error: unknown): void {
  const parcel = lane.take(performance.now());
  if (parcel === undefined) throw new Error("nothing to take");
  lane.putBack(parcel, error);
}

test("a right counts as missing after it has been missing for so long without a break", () => {
  const right = new MissingRight(1_000);
  const missing: boolean[] = [];
  for (const pause of [0, 600, 399, 1, 5_000, 900, 100]) {
    vi.advanceTimersByTime(pause);
    missing.push(right.missing());
  }
  // 5 s later it is another story.
  expect(missing).toEqual([false, false, false, true, false, false, true]);
  right.present();
  expect(right.missing()).toBe(false);
});

test("RBAC refusals are distinguished from other refusals", () => {
  expect(lacksRight(forbidden)).toBe(true);
  expect(lacksRight(new ApiError(403, "Forbidden", "exceeded quota: events"))).toBe(false);
  expect(lacksRight(new ApiError(401, "", noRight("patch", "pods/status")))).toBe(false);
  expect(lacksRight(new Error(noRight("patch", "pods/status")))).toBe(false);
});

test("a status that is delivered says that the right is there", () => {
  const log = new RecordingLogger();
  const writer = new NetworkStatusWriter(noApi, log);
  const statuses = new PendingStatuses(writer, log, usualStatusBounds, () => {});
  statuses.add(podNamed("web"), "[]");
  fail(statuses, forbidden);
  vi.advanceTimersByTime(29_000);
  fail(statuses, forbidden);
  const status = statuses.take(performance.now());
  if (status === undefined) throw new Error("nothing to take");
  statuses.delivered(status);
  statuses.add(podNamed("next"), "[]");
  vi.advanceTimersByTime(2_000);
  fail(statuses, forbidden);
  expect(statuses.waiting).toBe(1);
  vi.advanceTimersByTime(29_000);
  fail(statuses, forbidden);
  expect(statuses.waiting).toBe(1);
  vi.advanceTimersByTime(1_000);
  fail(statuses, forbidden);
  expect(statuses.waiting).toBe(0);
  expect(log.errors).toEqual(["network-status not written"]);
});

test("two events under way when events turn out to be forbidden: it is said once, and neither is kept", () => {
  const log = new RecordingLogger();
  const events = new PendingEvents(noApi, "node-1", log, { ...usualEventBounds, delayMs: 0 });
  const add = (index: number) =>
    events.add(podNamed("web"), { type: "Normal", reason: "AddedInterface", message: `Add net${index}` });
  for (let index = 0; index < 4; index++) add(index);
  fail(events, forbidden);
  vi.advanceTimersByTime(30_000);
  const underWay = [1, 2, 3].map(() => events.take(performance.now()));
  for (const [index, error] of [forbidden, forbidden, unavailable].entries()) {
    const event = underWay[index];
    if (event === undefined) throw new Error("nothing to take");
    events.putBack(event, error);
  }
  expect(events.waiting).toBe(0);
  expect(log.errors).toEqual(["no events are sent"]);
  add(5);
  expect(events.waiting).toBe(0);
  // A role may have been changed.
  vi.advanceTimersByTime(600_000);
  add(6);
  expect(events.waiting).toBe(1);
  events.close();
});
