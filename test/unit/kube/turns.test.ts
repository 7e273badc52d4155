/** So much at once, and room for every group. */

import { describe, expect, test } from "vitest";
import { NoTurn, Turns } from "../../../src/kube/turns.ts";

/** Work that says when it began, and ends when it is told to. */
class Work {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  readonly of = (name: string) => (): Promise<string> => {
    this.begun.push(name);
    return new Promise((resolve) => this.#ends.set(name, () => resolve(name)));
  };

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    // Work that waits for it goes on.
    await new Promise(setImmediate);
  }
}

describe("turns", () => {
  test("a group that has much to do leaves room for the others", async () => {
    const turns = new Turns({ atOnce: 3, ofGroup: 2, waitMs: 60_000 });
    const work = new Work();
    const results = ["a1", "a2", "a3", "a4", "b1", "c1"].map((name) =>
      turns.run(name.slice(0, 1), work.of(name)),
    );
    expect(work.begun).toEqual(["a1", "a2", "b1"]);
    await work.end("a1");
    expect(work.begun).toEqual(["a1", "a2", "b1", "a3"]);
    await work.end("b1");
    expect(work.begun).toEqual(["a1", "a2", "b1", "a3", "c1"]);
    await work.end("a2");
    for (const name of ["a3", "a4", "c1"]) await work.end(name);
    expect(await Promise.all(results)).toEqual(["a1", "a2", "a3", "a4", "b1", "c1"]);
  });

  test("work that fails makes room as well", async () => {
    const turns = new Turns({ atOnce: 1, ofGroup: 1, waitMs: 60_000 });
    const work = new Work();
    const failing = turns.run("a", () => Promise.reject(new Error("no")));
    const next = turns.run("b", work.of("b"));
    await expect(failing).rejects.toThrow("no");
    await new Promise(setImmediate);
    await work.end("b");
    expect(await next).toBe("b");
  });

  test("work that waits for too long is given up, and takes no turn later", async () => {
    const turns = new Turns({ atOnce: 1, ofGroup: 1, waitMs: 20 });
    const work = new Work();
    const first = turns.run("a", work.of("a"));
    await expect(turns.run("b", work.of("b"))).rejects.toBeInstanceOf(NoTurn);
    await work.end("a");
    expect(await first).toBe("a");
    expect(work.begun).toEqual(["a"]);
    const third = turns.run("c", work.of("c"));
    await work.end("c");
    expect(await third).toBe("c");
  });
});
