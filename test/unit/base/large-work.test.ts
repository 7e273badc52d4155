/** Large texts leave most of the time to everything else. */

import { describe, expect, test } from "vitest";
import { LargeWork, largeText, largeTurnsOf } from "../../../src/base/large-work.ts";

/** Keeps the event loop busy. */
function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason: Error) => controller.abort(reason) };
}

describe("work on large texts", () => {
  test("takes no more than its share of the time, whoever has it done", async () => {
    const work = new LargeWork({ share: 0.1, burstMs: 0 });
    const begin = performance.now();
    let busy = 0;
    await Promise.all(
      Array.from({ length: 30 }, () =>
        work.run("", largeText, () => {
          const since = process.threadCpuUsage().user;
          block(3);
          busy += (process.threadCpuUsage().user - since) / 1_000;
        }),
      ),
    );
    // After the last one nobody waits.
    expect(busy / (performance.now() - begin)).toBeLessThan(0.13);
  });

  test("is done one after the other, in the order in which it came, and others in between", async () => {
    const work = new LargeWork({ share: 0.5, burstMs: 0 });
    const done: string[] = [];
    const large = ["a", "b", "c"].map((name) =>
      work.run("", largeText, () => {
        block(5);
        done.push(name);
      }),
    );
    const small = work.run("", largeText - 1, () => done.push("small"));
    await Promise.all([...large, small]);
    expect(done).toEqual(["small", "a", "b", "c"]);
  });

  test("waits for nothing after a quiet time, as long as the burst lasts", async () => {
    const work = new LargeWork({ share: 0.001, burstMs: 1_000 });
    const begin = performance.now();
    for (let piece = 0; piece < 4; piece++) await work.run("", largeText, () => block(5));
    // With no burst each of them would have to be made up for by five seconds.
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  test("of a group with much of it leaves every second turn to another", async () => {
    const work = new LargeWork({ share: 1, burstMs: 0 });
    const done: string[] = [];
    const run = (group: string, name: string) => work.run(group, largeText, () => done.push(name));
    const flood = Array.from({ length: 20 }, (_, index) => run("flood", `flood ${index}`));
    await Promise.all([run("other", "other 0"), run("other", "other 1"), run("", "alone")]);
    expect(done.filter((name) => name.startsWith("flood")).length).toBeLessThanOrEqual(2);
    await Promise.all(flood);
    expect(done.length).toBe(23);
  });

  test("that nobody wants any more is not done, and costs the others nothing", async () => {
    const work = new LargeWork({ share: 0.5, burstMs: 0 });
    const { signal, abort } = abortable();
    const done: string[] = [];
    const first = work.run("", largeText, () => done.push("first"));
    const unwanted = work.run("", largeText, () => done.push("unwanted"), signal);
    const last = work.run("", largeText, () => done.push("last"));
    abort(new Error("gone"));
    await expect(unwanted).rejects.toThrow("gone");
    await Promise.all([first, last]);
    expect(done).toEqual(["first", "last"]);
    await expect(work.run("", 1, () => done.push("small"), signal)).rejects.toThrow("gone");
    expect(done).toEqual(["first", "last"]);
  });

  test("of a DEL does not wait for that of ADDs", async () => {
    const done: string[] = [];
    const adds = Array.from({ length: 50 }, () =>
      largeTurnsOf("ADD", "one").run(largeText, () => done.push("ADD")),
    );
    await largeTurnsOf("DEL", "one").run(largeText, () => done.push("DEL"));
    expect(done.indexOf("DEL")).toBeLessThan(3);
    await Promise.all(adds);
  });

  test("gives what it gives, and what it throws goes to who has it done alone", async () => {
    const work = new LargeWork({ share: 1, burstMs: 0 });
    const failing = work.run("", largeText, () => {
      throw new Error("no");
    });
    const next = work.run("", largeText, () => 7);
    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe(7);
    expect(await work.run("", largeText, async () => "later")).toBe("later");
  });

  test("does not hold the line while a promise that it returns is waited for", async () => {
    const work = new LargeWork({ share: 1, burstMs: 0 });
    const { promise, resolve } = Promise.withResolvers<string>();
    const first = work.run("", largeText, () => promise);
    expect(await work.run("", largeText, () => "second")).toBe("second");
    resolve("first");
    expect(await first).toBe("first");
  });
});
