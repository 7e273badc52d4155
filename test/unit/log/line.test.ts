import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatFields, formatLine } from "../../../src/log/line.ts";

const time = new Date("2026-11-23T12:34:56.789Z");

describe("a line", () => {
  test("has time, level, message and fields", () => {
    const fields = formatFields({
      pod: "default/web-1",
      count: 3,
      milliseconds: 1.23456,
      gone: true,
      no: undefined,
    });
    expect(formatLine(time, "verbose", "ADD done", fields)).toBe(
      "2026-11-23T12:34:56.789Z [verbose] ADD done pod=default/web-1 count=3 milliseconds=1.23 gone=true\n",
    );
  });

  test.each([
    ["", '""'],
    ["two words", '"two words"'],
    ['say "hi"', String.raw`"say \"hi\""`],
    ["a=b", '"a=b"'],
    [String.raw`back\slash`, String.raw`"back\\slash"`],
    ["line\nbreak\ttab\r", String.raw`"line\nbreak\ttab\r"`],
    ["\u001b[31mred\u007f\u0085", String.raw`"\u001b[31mred\u007f\u0085"`],
    ["\u2028end", String.raw`"\u2028end"`],
    ["ünïcode", "ünïcode"],
  ])("has the value %j as %s", (value, written) => {
    expect(formatFields({ key: value })).toBe(` key=${written}`);
  });

  test("ends a value at 200 characters, and says how long it was", () => {
    const long = "\u0001".repeat(240_000);
    expect(formatFields({ pod: "p".repeat(201) })).toBe(` pod="${"p".repeat(200)}… (201 characters)"`);
    expect(formatFields({ pod: long })).toBe(` pod="${"\\u0001".repeat(200)}… (240000 characters)"`);
    expect(formatFields({ error: "e".repeat(4096) })).toBe(` error=${"e".repeat(4096)}`);
    const fields = formatFields({ pod: long, error: long, networks: long, file: long, other: long });
    const line = formatLine(time, "error", long, fields);
    expect(line).toContain("error=");
    // The time, a message, three fields that are messages, two values: each character is six at most.
    expect(line.length).toBeLessThan(6 * (4 * 4096 + 2 * 200) + 1000);
  });

  test("is one line of printable characters, whatever message and values are, and values can be read back", () => {
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(text, text, (message, value) => {
        const line = formatLine(time, "error", message, formatFields({ key: value }));
        expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
        expect(line.endsWith("\n")).toBe(true);
        const written = formatFields({ key: value }).slice(" key=".length);
        expect(written.startsWith('"') ? JSON.parse(written) : written).toBe(value);
      }),
      { numRuns: 1000 },
    );
  });
});
