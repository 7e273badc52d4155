import { describe, expect, test } from "vitest";
import { Admission } from "../../../src/daemon/admission.ts";

/** Enters requests and notes in which order they start. */
class Line {
  readonly started: string[] = [];
  readonly admission: Admission;
  readonly #leave = new Map<string, () => void>();

  constructor(limit: number) {
    this.admission = new Admission(limit);
  }

  enter(name: string, command: string, containerId: string): void {
    const leave = this.admission.enter(command, containerId, () => this.started.push(name));
    this.#leave.set(name, leave);
  }

  leave(name: string): void {
    this.#leave.get(name)?.();
  }
}

describe("a request", () => {
  test("starts at once where nothing is in the way", () => {
    const line = new Line(2);
    line.enter("a", "ADD", "1");
    line.enter("b", "ADD", "2");
    expect(line.started).toEqual(["a", "b"]);
  });

  test("waits where as many as may are being worked on, and starts in the order of arrival", () => {
    const line = new Line(1);
    for (const name of ["a", "b", "c"]) line.enter(name, "ADD", name);
    expect(line.started).toEqual(["a"]);
    line.leave("a");
    expect(line.started).toEqual(["a", "b"]);
    line.leave("b");
    expect(line.started).toEqual(["a", "b", "c"]);
  });

  test("that frees something goes before those that take something, and STATUS between them", () => {
    const line = new Line(1);
    line.enter("first", "ADD", "0");
    line.enter("add", "ADD", "1");
    line.enter("check", "CHECK", "2");
    line.enter("status", "STATUS", "");
    line.enter("del", "DEL", "3");
    for (const name of ["first", "del", "status", "add"]) line.leave(name);
    expect(line.started).toEqual(["first", "del", "status", "add", "check"]);
  });

  test("waits for the earlier ones of its container, a DEL too, whatever is free", () => {
    const line = new Line(10);
    line.enter("add", "ADD", "1");
    line.enter("del", "DEL", "1");
    line.enter("again", "ADD", "1");
    line.enter("other", "ADD", "2");
    expect(line.started).toEqual(["add", "other"]);
    line.leave("add");
    expect(line.started).toEqual(["add", "other", "del"]);
    line.leave("del");
    expect(line.started).toEqual(["add", "other", "del", "again"]);
  });

  test("that belongs to no container waits for none", () => {
    const line = new Line(3);
    line.enter("gc", "GC", "");
    line.enter("status", "STATUS", "");
    expect(line.started).toEqual(["gc", "status"]);
  });

  test("that is given up while it waits never starts, and holds nobody up", () => {
    const line = new Line(1);
    line.enter("a", "ADD", "1");
    line.enter("b", "DEL", "1");
    line.enter("c", "ADD", "1");
    line.leave("b");
    line.leave("a");
    expect(line.started).toEqual(["a", "c"]);
  });

  test("leaves once, however often it says so", () => {
    const line = new Line(1);
    line.enter("a", "ADD", "1");
    line.enter("b", "ADD", "2");
    line.leave("a");
    line.leave("a");
    line.enter("c", "ADD", "3");
    expect(line.started).toEqual(["a", "b"]);
    expect([line.admission.running, line.admission.waiting]).toEqual([1, 1]);
  });

  test("may leave while it starts", () => {
    const admission = new Admission(1);
    const started: number[] = [];
    for (const number of [1, 2, 3]) {
      admission.enter("ADD", "same", (leave) => {
        started.push(number);
        leave();
      });
    }
    expect(started).toEqual([1, 2, 3]);
    expect([admission.running, admission.waiting]).toEqual([0, 0]);
  });
});
