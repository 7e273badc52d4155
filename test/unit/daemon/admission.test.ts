import { setImmediate as immediately } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { CniError, CniErrorCode } from "../../../src/cni/errors.ts";
import { Admission, type LaneName, type Turn } from "../../../src/daemon/admission.ts";
import { refusal } from "../../support/refusal.ts";

interface Entering {
  readonly containerId?: string;
  readonly share?: string;
  readonly bytes?: number;
}

/** Enters requests and notes in which order they start. */
class Line {
  readonly started: string[] = [];
  readonly admission: Admission;
  readonly #turns = new Map<string, Turn>();
  readonly #giveUp = new Map<string, () => void>();

  constructor(limit: number) {
    this.admission = new Admission(limit);
  }

  enter(name: string, command: string, { containerId = name, share = "default", bytes = 0 }: Entering = {}) {
    const giveUp = this.admission.enter({ command, containerId, share, bytes }, (turn) => {
      this.#turns.set(name, turn);
      this.started.push(name);
    });
    this.#giveUp.set(name, giveUp);
  }

  /** @returns the names */
  enterMany(count: number, command: string, entering: Entering): string[] {
    const prefix = `${command}-${entering.share}-`;
    const names = Array.from({ length: count }, (_, index) => `${prefix}${index}`);
    for (const name of names) this.enter(name, command, entering);
    return names;
  }

  turn(name: string): Turn {
    const turn = this.#turns.get(name);
    if (turn === undefined) throw new Error(`${name} has not started`);
    return turn;
  }

  leave(name: string): void {
    this.#giveUp.get(name)?.();
  }

  startedOf(names: readonly string[]): string[] {
    return this.started.filter((name) => names.includes(name));
  }

  lane(name: LaneName) {
    return this.admission.lanes.find(({ lane }) => lane === name);
  }
}

describe("a request", () => {
  test("starts at once where nothing is in the way", () => {
    const line = new Line(2);
    line.enter("a", "ADD");
    line.enter("b", "ADD");
    expect(line.started).toEqual(["a", "b"]);
  });

  test("waits where as many of its namespace as may are being worked on, and starts in the order of arrival", () => {
    const line = new Line(1);
    for (const name of ["a", "b", "c"]) line.enter(name, "ADD");
    expect(line.started).toEqual(["a"]);
    line.leave("a");
    expect(line.started).toEqual(["a", "b"]);
    line.leave("b");
    expect(line.started).toEqual(["a", "b", "c"]);
  });

  test.each(["ADD", "DEL", "CHECK", "STATUS", "GC"])(
    "waits for none of another kind, however many %ss there are",
    (command) => {
      const line = new Line(4);
      line.enterMany(60, command, { containerId: "", share: "busy" });
      line.enterMany(60, command, { containerId: "", share: "also-busy" });
      line.started.length = 0;
      const others = ["ADD", "DEL", "CHECK", "STATUS", "GC"].filter((other) => other !== command);
      for (const other of others) line.enter(other, other, { share: "busy" });
      expect(line.started).toEqual(others);
    },
  );

  test("that is no command has its turn too", () => {
    const line = new Line(1);
    line.enter("a", "constructor");
    line.enter("b", "");
    line.leave("a");
    expect(line.started).toEqual(["a", "b"]);
  });

  test("waits for the earlier ones of its container, a DEL too, whatever is free", () => {
    const line = new Line(10);
    line.enter("add", "ADD", { containerId: "1" });
    line.enter("del", "DEL", { containerId: "1" });
    line.enter("again", "ADD", { containerId: "1" });
    line.enter("other", "ADD", { containerId: "2" });
    expect(line.started).toEqual(["add", "other"]);
    expect(line.lane("del")).toMatchObject({ running: 0, waiting: 1 });
    line.leave("add");
    expect(line.started).toEqual(["add", "other", "del"]);
    line.leave("del");
    expect(line.started).toEqual(["add", "other", "del", "again"]);
  });

  test("that belongs to no container waits for none", () => {
    const line = new Line(4);
    line.enter("a", "STATUS", { containerId: "" });
    line.enter("b", "DEL", { containerId: "" });
    expect(line.started).toEqual(["a", "b"]);
  });

  test("that is given up while it waits never starts, and holds nobody up", () => {
    const line = new Line(1);
    line.enter("a", "ADD", { containerId: "1" });
    line.enter("b", "DEL", { containerId: "1" });
    line.enter("c", "ADD", { containerId: "1" });
    line.enter("d", "ADD");
    line.leave("b");
    line.leave("d");
    line.leave("a");
    expect(line.started).toEqual(["a", "c"]);
    line.leave("c");
    expect([line.admission.running, line.admission.waiting]).toEqual([0, 0]);
  });

  test("leaves once, however often it says so", () => {
    const line = new Line(1);
    line.enter("a", "ADD");
    line.enter("b", "ADD");
    line.leave("a");
    line.leave("a");
    line.enter("c", "ADD");
    expect(line.started).toEqual(["a", "b"]);
    expect([line.admission.running, line.admission.waiting]).toEqual([1, 1]);
  });

  test("may leave while it starts", () => {
    const admission = new Admission(1);
    const started: number[] = [];
    for (const number of [1, 2, 3]) {
      admission.enter({ command: "ADD", containerId: "same", share: "", bytes: 0 }, ({ leave }) => {
        started.push(number);
        leave();
      });
    }
    expect(started).toEqual([1, 2, 3]);
    expect([admission.running, admission.waiting]).toEqual([0, 0]);
  });
});

describe("one namespace", () => {
  test.each([1, 2, 3, 5, 16, 100])(
    "has exactly maxConcurrent slots where no other wants any: %i",
    (limit) => {
      const line = new Line(limit);
      line.enterMany(3 * limit, "ADD", { containerId: "", share: "alone" });
      expect(line.started).toHaveLength(limit);
    },
  );

  test("whose requests hang leaves slots for others, and those for others again", () => {
    const line = new Line(16);
    const started = ["first", "second", "third", "fourth"].map((share) => {
      const names = line.enterMany(100, "ADD", { containerId: "", share });
      return line.startedOf(names).length;
    });
    expect(started).toEqual([16, 5, 2, 1]);
  });

  test("with fewer requests under way is served first", () => {
    const line = new Line(2);
    const many = line.enterMany(10, "DEL", { containerId: "", share: "many" });
    const few = line.enterMany(3, "DEL", { containerId: "", share: "few" });
    expect(line.started).toEqual([many[0], many[1], few[0]]);
    line.leave("DEL-many-0");
    expect(line.started.slice(3)).toEqual([]);
    line.leave("DEL-many-1");
    // It has none under way now.
    expect(line.started.slice(3)).toEqual([many[2]]);
    line.leave("DEL-few-0");
    expect(line.started.slice(4)).toEqual([few[1]]);
  });
});

describe("a request that pauses", () => {
  const entering = { containerId: "", share: "one" };

  test("gives its slot to others, and waits for one again, before those that came later", async () => {
    const line = new Line(1);
    line.enter("a", "ADD", entering);
    line.enter("b", "ADD", entering);
    line.enter("c", "ADD", entering);
    const { promise, resolve } = Promise.withResolvers<string>();
    const paused = line.turn("a").pause(promise);
    let isBack = false;
    const back = paused.then(() => {
      isBack = true;
    });
    await immediately();
    await immediately();
    expect(line.started).toEqual(["a", "b"]);
    expect(line.lane("add")).toMatchObject({ running: 1, waiting: 1, paused: 1 });
    resolve("answer");
    await immediately();
    expect(isBack).toBe(false);
    expect(line.lane("add")).toMatchObject({ running: 1, waiting: 2, paused: 0 });
    line.leave("b");
    await back;
    expect(line.started).toEqual(["a", "b"]);
    line.leave("a");
    expect(line.started).toEqual(["a", "b", "c"]);
    expect(await paused).toBe("answer");
  });

  test("keeps its slot where the answer is there, and gets what it throws", async () => {
    const line = new Line(1);
    line.enter("a", "ADD", entering);
    line.enter("b", "ADD", entering);
    await expect(line.turn("a").pause(Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await line.turn("a").pause(Promise.resolve(3))).toBe(3);
    expect(line.started).toEqual(["a"]);
    const later = line.turn("a").pause(immediately().then(() => Promise.reject(new Error("late"))));
    line.leave("b");
    await expect(later).rejects.toThrow("late");
    expect(line.lane("add")).toMatchObject({ running: 1, waiting: 0, paused: 0 });
  });

  test("holds up its container still", async () => {
    const line = new Line(1);
    line.enter("add", "ADD", { containerId: "1" });
    line.enter("del", "DEL", { containerId: "1" });
    const { promise, resolve } = Promise.withResolvers<void>();
    const paused = line.turn("add").pause(promise);
    await immediately();
    await immediately();
    expect(line.lane("add")).toMatchObject({ paused: 1 });
    expect(line.started).toEqual(["add"]);
    resolve();
    await paused;
    line.leave("add");
    expect(line.started).toEqual(["add", "del"]);
  });

  test("for what nobody waits for any more goes on at once, without an answer", async () => {
    const line = new Line(1);
    line.enter("a", "ADD", entering);
    const never = new Promise<void>(() => {});
    const paused = line.turn("a").pause(never);
    await immediately();
    await immediately();
    expect(line.lane("add")).toMatchObject({ paused: 1 });
    line.turn("a").abandon();
    await expect(paused).rejects.toThrow("the client is gone");
    await expect(line.turn("a").pause(never)).rejects.toThrow("the client is gone");
    expect(line.lane("add")).toMatchObject({ running: 0, paused: 1 });
    line.leave("a");
    expect(line.lane("add")).toMatchObject({ running: 0, paused: 0 });
  });

  test.each(["before its answer comes", "while it waits for a slot again"])(
    "and is given up %s waits for no slot, and a DEL of its container comes after it",
    async (when) => {
      const line = new Line(1);
      line.enter("add", "ADD", { containerId: "1", share: "one" });
      line.enter("hangs", "ADD", entering);
      line.enter("del", "DEL", { containerId: "1", share: "one" });
      const { promise, resolve } = Promise.withResolvers<void>();
      const paused = line.turn("add").pause(promise);
      await immediately();
      await immediately();
      expect(line.started).toEqual(["add", "hangs"]);
      if (when !== "before its answer comes") {
        resolve();
        await immediately();
        expect(line.lane("add")).toMatchObject({ running: 1, waiting: 1, paused: 0 });
      }
      let answer: unknown = "none";
      const answered = paused.catch((error: unknown) => {
        answer = error;
      });
      line.turn("add").abandon();
      await immediately();
      expect(String(answer)).toContain("the client is gone");
      await answered;
      line.leave("add");
      expect(line.started).toEqual(["add", "hangs", "del"]);
      line.leave("hangs");
      expect(line.lane("add")).toMatchObject({ running: 0, waiting: 0, paused: 0 });
    },
  );

  test("and is done meanwhile leaves nothing behind", async () => {
    const line = new Line(1);
    line.enter("a", "ADD", entering);
    const { promise, resolve } = Promise.withResolvers<void>();
    const paused = line.turn("a").pause(promise);
    await immediately();
    await immediately();
    line.leave("a");
    resolve();
    await paused;
    line.enter("b", "ADD", entering);
    expect(line.lane("add")).toMatchObject({ running: 1, waiting: 0, paused: 0 });
  });
});

describe("the queue", () => {
  const mebibyte = 1024 * 1024;

  test("is half of the room for one namespace, whatever it does, and others have theirs", async () => {
    const line = new Line(2);
    line.enterMany(512, "ADD", { containerId: "", share: "flood" });
    const { code, message } = refusal(() => line.enter("one-more", "ADD", { share: "flood" }), CniError);
    expect([code, message]).toEqual([
      CniErrorCode.tryAgainLater,
      "too many requests wait already in lane add of namespace flood; try again",
    ]);
    line.enter("other", "ADD", { share: "other" });
    line.enter("del", "DEL", { share: "flood" });
    expect(line.started.slice(2)).toEqual(["other", "del"]);
    // One that is done makes room for another.
    line.leave("ADD-flood-0");
    line.enter("one-more", "ADD", { share: "flood" });
    expect(line.lane("add")).toMatchObject({ waiting: 511 });
  });

  test("is bounded in bytes too; the largest request there can be has room", () => {
    const line = new Line(16);
    line.enter("a", "ADD", { bytes: 4 * mebibyte, share: "large" });
    line.enter("b", "ADD", { bytes: 4 * mebibyte, share: "large" });
    line.enter("c", "ADD", { bytes: 4 * mebibyte, share: "large" });
    expect(
      refusal(() => line.enter("d", "ADD", { bytes: 4 * mebibyte, share: "large" }), CniError).code,
    ).toBe(11);
    line.enter("e", "ADD", { bytes: 4 * mebibyte, share: "other" });
    line.leave("a");
    line.enter("f", "ADD", { bytes: 4 * mebibyte, share: "large" });
    expect(line.started).toEqual(["a", "b", "c", "e", "f"]);
  });

  test("of STATUS is answered as the spec wants it", () => {
    const line = new Line(16);
    line.enterMany(128, "STATUS", { containerId: "", share: "" });
    expect(refusal(() => line.enter("more", "STATUS", { share: "" }), CniError).code).toBe(
      CniErrorCode.pluginNotAvailable,
    );
  });
});
