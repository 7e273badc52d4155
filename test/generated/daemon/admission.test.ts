import fc from "fast-check";
import { expect, test } from "vitest";
import { Admission } from "../../../src/daemon/admission.ts";

const step = fc.oneof(
  fc.record({
    kind: fc.constant("enter" as const),
    command: fc.constantFrom("ADD", "DEL", "CHECK", "STATUS", "GC"),
    containerId: fc.constantFrom("", "a", "b", "c"),
  }),
  // One of those that are there, whether it waits or runs.
  fc.record({ kind: fc.constant("leave" as const), which: fc.nat(30) }),
);

interface Entry {
  readonly number: number;
  readonly command: string;
  readonly containerId: string;
  leave: () => void;
}

/** Those of the container that came earlier, and are there. */
function earlier(entry: Entry, entries: Iterable<Entry>): Entry[] {
  return [...entries].filter(
    (other) =>
      other.containerId === entry.containerId && entry.containerId !== "" && other.number < entry.number,
  );
}

test("never more than the bound, never two of a container, each container in order, DEL before all that could start, nobody left out", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
      const admission = new Admission(limit);
      const waiting = new Set<Entry>();
      const running = new Set<Entry>();

      const start = (entry: Entry) => {
        expect(earlier(entry, [...waiting, ...running])).toEqual([]);
        if (entry.command !== "DEL") {
          const couldStart = [...waiting].filter(
            (other) => other.command === "DEL" && earlier(other, [...waiting, ...running]).length === 0,
          );
          expect(couldStart).toEqual([]);
        }
        waiting.delete(entry);
        running.add(entry);
        expect(running.size).toBeLessThanOrEqual(limit);
      };

      const leave = (entry: Entry) => {
        waiting.delete(entry);
        running.delete(entry);
        entry.leave();
        // Nobody waits who could run.
        const idle = [...waiting].filter((other) => earlier(other, [...waiting, ...running]).length === 0);
        expect(running.size === limit || idle.length === 0).toBe(true);
        expect([admission.running, admission.waiting]).toEqual([running.size, waiting.size]);
      };

      for (const [number, next] of steps.entries()) {
        if (next.kind === "enter") {
          const entry: Entry = { ...next, number, leave: () => {} };
          waiting.add(entry);
          entry.leave = admission.enter(next.command, next.containerId, () => start(entry));
        } else {
          const there = [...running, ...waiting];
          const entry = there[next.which % Math.max(there.length, 1)];
          if (entry !== undefined) leave(entry);
        }
      }
      for (const entry of running) leave(entry);
      expect([admission.running, admission.waiting]).toEqual([0, 0]);
    }),
    { numRuns: 1000 },
  );
});
