/** In which order recorded DELs are done, whatever is recorded and however it ends. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Turns, type Waiting } from "../../../../src/multus/spool/turns.ts";

interface Record extends Waiting {
  readonly fails: boolean;
}

const records = fc
  .array(
    fc.record({
      containerId: fc.constantFrom("a", "b", "c", "d", "e", "f"),
      tries: fc.constantFrom(0, 0, 1, 2),
      isDue: fc.boolean(),
      triedAt: fc.integer({ min: 1, max: 20 }),
      fails: fc.boolean(),
    }),
    { maxLength: 25 },
  )
  .map((all) =>
    all.map(
      (one, index): Record => ({
        ...one,
        name: String(index).padStart(4, "0"),
        // Containers of a namespace stay in it.
        share: "abc".includes(one.containerId) ? "one" : "two",
        triedAt: one.tries === 0 ? 0 : one.triedAt,
        isDue: one.isDue || one.tries === 0,
      }),
    ),
  );

/** Does all of them. @returns in which order */
function done(all: readonly Record[]): Record[] {
  const turns = new Turns(all);
  const order: Record[] = [];
  for (let next = turns.next(); next !== undefined; next = turns.next()) {
    order.push(next);
    turns.note(next, !next.fails, 1_000 + order.length);
  }
  return order;
}

/** Those that may be done: due, and behind none of their container that is left. */
function expected(all: readonly Record[]): Record[] {
  const left = new Set<string>();
  return all.filter((record) => {
    if (left.has(record.containerId)) return false;
    if (!record.isDue || record.fails) left.add(record.containerId);
    return record.isDue;
  });
}

describe("turns", () => {
  test("come to each record once that is due and behind none that is left, and to no other", () => {
    fc.assert(
      fc.property(records, (all) => {
        const names = done(all).map(({ name }) => name);
        expect(names.toSorted()).toEqual(expected(all).map(({ name }) => name));
      }),
    );
  });

  test("keep the order of names within a container", () => {
    fc.assert(
      fc.property(records, (all) => {
        for (const container of new Set(all.map(({ containerId }) => containerId))) {
          const names = done(all).filter(({ containerId }) => containerId === container);
          expect(names).toEqual(names.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
        }
      }),
    );
  });

  test("go to the namespace that was served longest ago among those that have something to do", () => {
    fc.assert(
      fc.property(records, (all) => {
        const served = new Map<string, number>();
        for (const { share, triedAt } of all) served.set(share, Math.max(served.get(share) ?? 0, triedAt));
        const order = done(all);
        for (const [index, record] of order.entries()) {
          const rest = new Set(order.slice(index).map(({ share }) => share));
          const longest = Math.min(...Array.from(rest, (share) => served.get(share) ?? 0));
          expect(served.get(record.share)).toBe(longest);
          if (record.fails) served.set(record.share, 1_000 + index + 1);
        }
      }),
    );
  });

  test("within a namespace go first to records that were never tried", () => {
    fc.assert(
      fc.property(records, (all) => {
        // Of one container each, so that none waits for another; of one namespace.
        const each = all.map((record, index) => ({ ...record, containerId: `c${index}`, share: "one" }));
        const order = done(each.map((record) => ({ ...record, fails: false })));
        const tried = order.map(({ tries }) => tries > 0);
        expect(tried).toEqual(tried.toSorted((a, b) => Number(a) - Number(b)));
      }),
    );
  });

  test("of one that fails each time come only after each other namespace had one", () => {
    const evil = Array.from({ length: 6 }, (_, index) => ({ id: `evil${index + 1}`, share: "evil" }));
    const good = Array.from({ length: 3 }, (_, index) => ({ id: `good${index + 1}`, share: `good${index}` }));
    const all = [...evil, ...good].map(
      ({ id, share }, index): Record => ({
        name: String(index),
        containerId: id,
        tries: 0,
        isDue: true,
        share,
        triedAt: 0,
        fails: share === "evil",
      }),
    );
    expect(done(all).map(({ containerId }) => containerId)).toEqual([
      "evil1",
      "good1",
      "good2",
      "good3",
      "evil2",
      "evil3",
      "evil4",
      "evil5",
      "evil6",
    ]);
  });
});
