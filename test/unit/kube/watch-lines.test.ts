/** Lines come out whole, whatever the pieces in which they come in. */

import { describe, expect, it } from "vitest";
import { WatchLines } from "../../../src/kube/watch-lines.ts";

function collector(limit = 100): { lines: WatchLines; seen: string[] } {
  const seen: string[] = [];
  return { lines: new WatchLines(limit, (line) => seen.push(line.toString("utf8"))), seen };
}

describe("lines of a watch", () => {
  it("are cut at their ends", () => {
    const { lines, seen } = collector();
    lines.push(Buffer.from("one\ntwo\nthr"));
    expect(seen).toEqual(["one", "two"]);
    expect(lines.pending).toBe(3);
    lines.push(Buffer.from("ee\n"));
    expect(seen).toEqual(["one", "two", "three"]);
    expect(lines.pending).toBe(0);
  });

  it("keep characters whole that come in pieces", () => {
    const { lines, seen } = collector();
    for (const byte of Buffer.from("päckchen 🐳\n")) lines.push(Buffer.from([byte]));
    expect(seen).toEqual(["päckchen 🐳"]);
  });

  it("that are empty are passed over", () => {
    const { lines, seen } = collector();
    lines.push(Buffer.from("\n\na\n\n"));
    expect(seen).toEqual(["a"]);
  });

  it("may be as long as the limit, and no longer", () => {
    const { lines, seen } = collector(5);
    lines.push(Buffer.from("123"));
    lines.push(Buffer.from("45\n"));
    expect(seen).toEqual(["12345"]);
    lines.push(Buffer.from("123"));
    expect(() => lines.push(Buffer.from("456"))).toThrow(RangeError);
    expect(() => collector(5).lines.push(Buffer.from("123456\n"))).toThrow(RangeError);
  });
});
