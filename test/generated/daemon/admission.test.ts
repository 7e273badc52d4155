import { setImmediate as immediately } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import { Admission, type LaneName, type Turn } from "../../../src/daemon/admission.ts";

const commands = ["ADD", "DEL", "CHECK", "STATUS", "GC"] as const;

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("enter" as const),
      command: fc.constantFrom(...commands),
      containerId: fc.constantFrom("", "", "a", "b", "c"),
      share: fc.constantFrom("", "x", "y", "z"),
    }),
  },
  // One of those that are there, whether it waits, runs or pauses.
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave" as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pause" as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("answer" as const), which: fc.nat(30) }) },
);

interface Entry {
  readonly number: number;
  readonly command: (typeof commands)[number];
  readonly containerId: string;
  readonly share: string;
  state: "waiting" | "running" | "paused" | "back" | "gone";
  turn: Turn | undefined;
  leave: () => void;
  answer: () => void;
}

/** A model beside the real one: what each request was told. */
class Model {
  readonly admission: Admission;
  readonly entries: Entry[] = [];

  constructor(limit: number) {
    this.admission = new Admission(limit);
  }

  in(...states: Entry["state"][]): Entry[] {
    return this.entries.filter(({ state }) => states.includes(state));
  }

  enter(command: Entry["command"], containerId: string, share: string): void {
    const nothing = () => {};
    const entry: Entry = {
      number: this.entries.length,
      command,
      containerId,
      share,
      state: "waiting",
      turn: undefined,
      leave: nothing,
      answer: nothing,
    };
    this.entries.push(entry);
    entry.leave = this.admission.enter({ command, containerId, share, bytes: 1 }, (turn) => {
      expect(entry.state).toBe("waiting");
      entry.turn = turn;
      entry.state = "running";
      this.#checkOrder(entry);
    });
  }

  leave(entry: Entry): void {
    entry.state = "gone";
    entry.leave();
  }

  pause(entry: Entry): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    entry.state = "paused";
    entry.answer = () => {
      entry.state = "back";
      resolve();
    };
    entry.turn?.pause(promise).then(() => {
      if (entry.state === "back") entry.state = "running";
    });
  }

  /** Never two of a container, and each container in order. */
  #checkOrder(entry: Entry): void {
    if (entry.containerId === "") return;
    const others = this.in("waiting", "running", "paused", "back").filter(
      (other) => other.containerId === entry.containerId && other.number < entry.number,
    );
    expect(others).toEqual([]);
  }

  /** Checks the conditions that hold whenever no step is in progress. */
  check(): void {
    for (const { lane, running, waiting, paused, slots, allSlots } of this.admission.lanes) {
      const own = (...states: Entry["state"][]) => this.in(...states).filter((entry) => isIn(entry, lane));
      expect([running, waiting, paused]).toEqual([
        own("running").length,
        own("waiting", "back").length,
        own("paused").length,
      ]);
      expect(running).toBeLessThanOrEqual(allSlots);
      for (const share of ["", "x", "y", "z"]) {
        const ofShare = own("running").filter((entry) => entry.share === share).length;
        expect(ofShare).toBeLessThanOrEqual(slots);
        // A namespace that could run waits for nothing but the slots of its own lane; with none of its own it gets the last one.
        const ready = own("waiting", "back").filter(
          (entry) => entry.share === share && (entry.state === "back" || this.#isFirst(entry)),
        );
        if (ready.length > 0) expect(running === allSlots || ofShare > 0).toBe(true);
        // Nothing waits while fewer are worked on than one namespace alone may have.
        if (ready.length > 0) expect(running).toBeGreaterThanOrEqual(slots);
      }
    }
  }

  #isFirst(entry: Entry): boolean {
    return this.in("waiting", "running", "paused", "back").every(
      (other) =>
        entry.containerId === "" || other.containerId !== entry.containerId || other.number >= entry.number,
    );
  }
}

function isIn({ command }: Entry, lane: LaneName): boolean {
  return command.toLowerCase() === lane;
}

test("lanes do not wait for each other, bounds are kept, never two of a container, each container in order, no namespace starves", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(step, { maxLength: 60 }),
      async (limit, steps) => {
        const model = new Model(limit);
        for (const next of steps) {
          if (next.kind === "enter") model.enter(next.command, next.containerId, next.share);
          else {
            const there =
              next.kind === "leave"
                ? model.in("running", "waiting")
                : model.in(next.kind === "pause" ? "running" : "paused");
            const entry = there[next.which % Math.max(there.length, 1)];
            if (entry === undefined) continue;
            if (next.kind === "leave") model.leave(entry);
            else if (next.kind === "pause") model.pause(entry);
            else entry.answer();
            await immediately();
            await immediately();
          }
          model.check();
        }
        // Every waiting entry has its turn once those before it are done.
        for (const entry of model.in("paused")) entry.answer();
        for (;;) {
          await immediately();
          model.check();
          const running = model.in("running");
          if (running.length === 0) break;
          for (const entry of running) model.leave(entry);
        }
        expect(model.in("waiting", "paused", "back")).toEqual([]);
        expect([model.admission.running, model.admission.waiting]).toEqual([0, 0]);
      },
    ),
    { numRuns: 300 },
  );
});

test("the queue is bounded, and no namespace can take the places of others", () => {
  const share = fc.constantFrom("x", "y", "z");
  const entrant = fc.record({ share, bytes: fc.integer({ min: 0, max: 4 * 1024 * 1024 }) });
  fc.assert(
    fc.property(fc.array(entrant, { maxLength: 80 }), (entrants) => {
      const admission = new Admission(1);
      const held = new Map<string, number>();
      const total = () => Array.from(held.values()).reduce((sum, bytes) => sum + bytes, 0);
      const most = 24 * 1024 * 1024;
      for (const { share, bytes } of entrants) {
        const own = held.get(share) ?? 0;
        const fits = own + bytes <= most - total();
        try {
          admission.enter({ command: "ADD", containerId: "", share, bytes }, () => {});
          expect(fits).toBe(true);
          held.set(share, own + bytes);
        } catch (error) {
          if (!(error instanceof CniError)) throw error;
          expect([fits, error.code]).toEqual([false, 11]);
        }
        expect(total()).toBeLessThanOrEqual(most);
      }
      // One that has nothing yet always finds room for an ordinary request.
      admission.enter({ command: "ADD", containerId: "", share: "new", bytes: 1024 }, () => {});
    }),
  );
});
