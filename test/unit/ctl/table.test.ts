/** Tables line up whatever is in their cells. */
import { describe, expect, it } from "vitest";
import { formatMilliseconds } from "../../../src/ctl/text/quantities.ts";
import { formatTable } from "../../../src/ctl/text/table.ts";

describe("formatTable", () => {
  it("makes a column as wide as its longest cell", () => {
    const columns = ["INTERFACE", { heading: "MS", align: "right" as const }, "MAC"];
    expect(
      formatTable(columns, [
        ["eth0", "10.25", "02:00"],
        ["a-long-interface", "1.50"],
      ]),
    ).toBe(
      ["INTERFACE            MS  MAC", "eth0              10.25  02:00", "a-long-interface   1.50", ""].join(
        "\n",
      ),
    );
  });

  it("gives a row as many lines as its highest cell", () => {
    expect(formatTable(["IF", "IPS", "N"], [["eth0", "1.2.3.4/8\nfd00::1/64", "x"]])).toBe(
      ["IF    IPS         N", "eth0  1.2.3.4/8   x", "      fd00::1/64", ""].join("\n"),
    );
  });

  it("prints the headings of an empty table", () => {
    expect(formatTable(["A", "B"], [])).toBe("A  B\n");
  });
});

describe("formatMilliseconds", () => {
  it.each([
    [0.123, "0.12"],
    [9.5, "9.50"],
    [10, "10.0"],
    [123.46, "123.5"],
  ])("%d is %s", (milliseconds, text) => {
    expect(formatMilliseconds(milliseconds)).toBe(text);
  });
});

it("takes more lines than a call takes arguments", () => {
  const rows = Array.from({ length: 100_000 }, () => ["a", "b\nc\nd"]);
  expect(formatTable(["A", "B"], rows).length).toBeGreaterThan(rows.length * 3);
});
