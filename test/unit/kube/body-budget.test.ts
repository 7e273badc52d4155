/** Which bodies stay in memory when there is no room for all. */

import { describe, expect, test } from "vitest";
import { BodyBudget, type Budgeted, nameBytes } from "../../../src/kube/body-budget.ts";
import { cpuTime } from "../../support/cpu-time.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

const kilobyte = 1_024;

class Body implements Budgeted {
  readonly namespace: string;
  readonly name: string;
  bodyBytes: number;
  readonly #onDrop: (key: string) => void;

  constructor(key: string, bodyBytes: number, onDrop: (key: string) => void) {
    [this.namespace = "", this.name = ""] = key.split("/");
    this.bodyBytes = bodyBytes;
    this.#onDrop = onDrop;
  }

  dropBody(): void {
    this.bodyBytes = 0;
    this.#onDrop(`${this.namespace}/${this.name}`);
  }
}

class Rig {
  readonly log = new RecordingLogger();
  readonly forgotten: string[] = [];
  /** Keys of the bodies that were left out, in order. */
  readonly dropped: string[] = [];
  readonly budget: BodyBudget<Body>;
  readonly #bodies: Body[] = [];
  now = 0;

  constructor(limit: number) {
    this.budget = new BodyBudget({
      limit,
      kind: "things",
      setting: "thingBytes",
      forget: ({ namespace, name }) => this.forgotten.push(`${namespace}/${name}`),
      forgotten: () => this.forgotten.length,
      log: this.log,
      now: () => this.now,
    });
  }

  add(key: string, bodyBytes: number, { isUsed = false } = {}): Body {
    const body = new Body(key, bodyBytes, (dropped) => this.dropped.push(dropped));
    this.#bodies.push(body);
    this.budget.count(body, isUsed);
    return body;
  }

  /** Those that have their bodies. */
  get whole(): string[] {
    return this.#bodies
      .filter(({ bodyBytes }) => bodyBytes > 0)
      .map(({ namespace, name }) => `${namespace}/${name}`);
  }
}

describe("bodies beyond the budget", () => {
  test("are those of the namespace that takes the most, and never pass the limit", () => {
    const limit = 100 * kilobyte;
    const rig = new Rig(limit);
    for (let index = 0; index < 10; index++) rig.add(`small/${index}`, kilobyte);
    for (let index = 0; index < 200; index++) {
      rig.add(`large/${index}`, 20 * kilobyte);
      expect(rig.budget.state.bytes).toBeLessThanOrEqual(limit);
    }
    for (let index = 10; index < 20; index++) rig.add(`small/${index}`, kilobyte);
    expect(rig.whole.filter((key) => key.startsWith("small/"))).toHaveLength(20);
    expect(rig.budget.state.bytes).toBeLessThanOrEqual(limit);
  });

  test("leave each of two large namespaces half of it", () => {
    const rig = new Rig(500 * kilobyte);
    for (let index = 0; index < 100; index++) rig.add(`a/${index}`, 9 * kilobyte);
    for (let index = 0; index < 100; index++) rig.add(`b/${index}`, 9 * kilobyte, { isUsed: true });
    const count = (namespace: string) => rig.whole.filter((key) => key.startsWith(namespace)).length;
    expect(count("a/")).toBeGreaterThan(0);
    expect(Math.abs(count("a/") - count("b/"))).toBeLessThanOrEqual(4);
  });

  test("go largest first, those that were used on the node last and in the order of their use", () => {
    const rig = new Rig(70 * kilobyte);
    const used = rig.add("a/used", 16 * kilobyte, { isUsed: true });
    rig.add("a/used-too", 16 * kilobyte, { isUsed: true });
    rig.add("a/small", kilobyte);
    rig.add("a/large", 8 * kilobyte);
    rig.add("a/middle", 4 * kilobyte);
    rig.budget.count(used, true);
    rig.add("a/new", 60 * kilobyte, { isUsed: true });
    expect(rig.dropped).toEqual(["a/large", "a/middle", "a/small", "a/used-too", "a/used"]);
    expect(rig.whole).toEqual(["a/new"]);
  });

  test("take their names along where names alone are too many, of that namespace only", () => {
    const rig = new Rig(100 * nameBytes);
    rig.add("other/one", nameBytes);
    for (let index = 0; index < 1_000; index++) rig.add(`many/${index}`, 10);
    expect(rig.budget.state.bytes).toBeLessThanOrEqual(100 * nameBytes);
    expect(rig.forgotten.length).toBeGreaterThan(890);
    expect(rig.forgotten.every((key) => key.startsWith("many/"))).toBe(true);
    expect(rig.whole).toContain("other/one");
  });

  test("cost no more for each object when there are ten times as many", () => {
    const microseconds = (count: number) => {
      const rig = new Rig(1_000 * nameBytes);
      const begin = cpuTime();
      for (let index = 0; index < count; index++) rig.add(`many/${index}`, 1 + (index % 3_000));
      return cpuTime() - begin;
    };
    microseconds(20_000);
    const few = Math.min(microseconds(4_000), microseconds(4_000), microseconds(4_000));
    const many = Math.min(microseconds(40_000), microseconds(40_000), microseconds(40_000));
    expect(many / few).toBeLessThan(30);
  });

  test("are free again when their objects are gone", () => {
    const rig = new Rig(10 * kilobyte);
    const first = rig.add("a/first", 8 * kilobyte);
    rig.budget.release(first);
    expect(rig.budget.state).toEqual({ bytes: 0, limit: 10 * kilobyte, leftOut: 0 });
    rig.budget.release(first);
    rig.add("a/second", 8 * kilobyte);
    expect(rig.whole).toEqual(["a/first", "a/second"]);
  });
});

describe("the log", () => {
  test("says once that bodies are left out, and not for each", () => {
    const rig = new Rig(10 * kilobyte);
    for (let index = 0; index < 50; index++) rig.add(`a/${index}`, 8 * kilobyte);
    expect(rig.log.errors).toEqual([
      "things: too large to be kept in memory, some are asked of the API when a pod needs them",
    ]);
  });

  test("is not filled by objects that come and go", () => {
    const rig = new Rig(10 * kilobyte);
    for (let round = 0; round < 600; round++) {
      rig.now += 1_000;
      for (const body of [rig.add("a/1", 8 * kilobyte), rig.add("a/2", 8 * kilobyte)])
        rig.budget.release(body);
    }
    // In ten minutes, with a line a minute at most, half of them that all is well.
    expect(rig.log.errors.length).toBeLessThanOrEqual(6);
    expect(rig.log.errors.length).toBeGreaterThan(1);
  });
});
