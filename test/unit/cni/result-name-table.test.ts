/** Names of cache files by container, whatever dashes they have, and within a bound. */

import { describe, expect, test } from "vitest";
import { ResultNameTable } from "../../../src/cni/result-name-table.ts";

const tableOf = (...names: readonly string[]) => {
  const table = new ResultNameTable();
  for (const name of names) table.add(name);
  return table;
};

describe("names of a container", () => {
  test.each([
    ["c1", "cbr0-c1-eth0"],
    ["c1", "my-net-of-9-parts-c1-eth0"],
    ["c1", "net-c1-if-with-dashes"],
    ["a-b", "net-a-b-eth0"],
    ["a-", "net-a--eth0"],
    ["b", "net-a-b-eth0"],
    ["eth0", "net-c1-eth0-x"],
    ["c1", "net-c1-123456789012345"],
  ])("%s has %s", (containerId, name) => {
    expect(tableOf("other-c2-eth0", name).of(containerId)).toEqual({ names: [name], isWhole: true });
  });

  test.each([
    ["c1", "cbr0-c2-eth0"],
    ["c1", "c1-eth0"],
    ["c1", "cbr0-c1"],
    ["c1", "cbr0-xc1-eth0"],
    ["1", "cbr0-c1-eth0"],
    ["c1", "-c1-eth0"],
    ["c1", "net-c1-1234567890123456"],
    ["c1", ""],
    ["c1", "----"],
  ])("%s does not have %s", (containerId, name) => {
    expect(tableOf(name).of(containerId)).toEqual({ names: [], isWhole: true });
  });

  test("are there once, however often they are added, and gone when they are removed", () => {
    const table = tableOf("a-c1-eth0", "a-c1-eth0", "b-c1-net1");
    expect(new Set(table.of("c1").names)).toEqual(new Set(["a-c1-eth0", "b-c1-net1"]));
    table.remove("a-c1-eth0");
    table.remove("never-c1-added");
    expect(table.of("c1").names).toEqual(["b-c1-net1"]);
    table.add("a-c1-eth0");
    expect(table.of("c1").names).toHaveLength(2);
  });

  test("stay right while thousands come and go, and the room of those that went is used again", () => {
    const table = new ResultNameTable();
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 1000; index++) table.add(`net${index % 3}-r${round}c${index}-eth0`);
      expect(table.of(`r${round}c999`).names).toEqual([`net0-r${round}c999-eth0`]);
      for (let index = 0; index < 1000; index++) table.remove(`net${index % 3}-r${round}c${index}-eth0`);
      expect(table.of(`r${round}c999`).names).toEqual([]);
    }
    expect(table.size).toBeLessThan(4000);
  });

  test("that are more than a table keeps are said to be missing, and take no more room", () => {
    const table = new ResultNameTable();
    for (let index = 0; index < 5000; index++) table.add(`net${index}-c1-eth0`);
    expect(table.of("c1").isWhole).toBe(false);
    expect(table.of("c2")).toEqual({ names: [], isWhole: true });
    expect(table.size).toBeLessThan(500);
  });

  test("with more networks than a table keeps are said to be missing", () => {
    const table = new ResultNameTable();
    for (let index = 0; index < 40_000; index++) table.add(`net${index}-c${index}-eth0`);
    expect(table.of("c1")).toEqual({ names: ["net1-c1-eth0"], isWhole: true });
    expect(table.of("c39999")).toEqual({ names: [], isWhole: false });
    table.remove("net39999-c39999-eth0");
    expect(table.of("c40000")).toEqual({ names: [], isWhole: true });
  });
});
