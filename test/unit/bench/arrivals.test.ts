/** The arrivals in a cluster that benchmarks wait for. */

import { expect, test } from "vitest";
import { Arrivals, statusAnnotation } from "../../../bench/arrivals.ts";

const pod = (name: string, status?: string) => ({
  metadata: { name, ...(status === undefined ? {} : { annotations: { [statusAnnotation]: status } }) },
});
const event = (name: string) => ({ regarding: { name } });

test("a status counts from when it is seen until it is taken away, an event once and for its pod alone", () => {
  const arrivals = new Arrivals();
  expect(arrivals.of("web")).toEqual({ status: undefined, events: 0 });
  arrivals.seePod(pod("web", "[]"), "MODIFIED");
  for (const type of ["ADDED", "MODIFIED", "DELETED"]) arrivals.seeEvent(event("web"), type);
  arrivals.seeEvent(event("db"), "ADDED");
  expect(arrivals.of("web")).toEqual({ status: "[]", events: 1 });
  arrivals.seePod(pod("web"), "MODIFIED");
  expect(arrivals.of("web")).toEqual({ status: undefined, events: 1 });
  arrivals.seePod(pod("web"), "DELETED");
  expect(arrivals.of("web")).toEqual({ status: undefined, events: 0 });
});

test("a wait ends with the arrival that fulfils its condition, not with an earlier one", async () => {
  const arrivals = new Arrivals();
  let isOver = false;
  const waiting = arrivals
    .until("two events", () => arrivals.of("web").events === 2)
    .then((at) => {
      isOver = true;
      return at;
    });
  arrivals.seeEvent(event("web"), "ADDED");
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  const before = performance.now();
  arrivals.seeEvent(event("web"), "ADDED");
  expect(await waiting).toBeGreaterThanOrEqual(before);
});

test("a fulfilled condition is not waited for", async () => {
  const before = performance.now();
  expect(await new Arrivals().until("nothing", () => true)).toBeGreaterThanOrEqual(before);
});
