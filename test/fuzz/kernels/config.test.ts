/** A configuration kernel ends for any bytes with valid JSON or with an error that says where; and it accepts what JSON.parse accepts. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KernelError } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { configText, pluginText } from "../../generated/arbitraries/config.ts";
import { jsonText } from "../../generated/arbitraries/json.ts";
import { isJson } from "../../support/is-json.ts";

const kernels = loadKernels();
const encoder = new TextEncoder();
const runs = { numRuns: 4000 };

/** Codes of errors that say "not JSON". */
const syntaxCodes = new Set([
  "unexpected-end",
  "expected-value",
  "expected-comma-or-brace",
  "expected-comma-or-bracket",
  "expected-key",
  "expected-colon",
  "bad-number",
  "bad-escape",
  "control-character",
  "bad-utf8",
  "trailing-bytes",
]);

/** A text damaged on its way: bytes changed, inserted, repeated, lost, cut off. */
function mutated(text: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  const position = fc.double({ min: 0, max: 1, noNaN: true });
  const interesting = fc.constantFrom(
    ...encoder.encode('{}[]",:\\tfn0-.eEu \n\t\u007f'),
    0,
    0x1f,
    0x80,
    0xc3,
    0xed,
    0xff,
  );
  const edit = fc.record({
    kind: fc.constantFrom("change", "insert", "remove", "repeat", "cut"),
    at: position,
    to: position,
    byte: fc.oneof(interesting, fc.nat({ max: 255 })),
  });
  return fc.tuple(text, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([written, edits]) => {
    let bytes = [...encoder.encode(written)];
    for (const { kind, at, to, byte } of edits) {
      const start = Math.floor(at * bytes.length);
      const end = Math.min(start + Math.ceil(to * 8), bytes.length);
      if (kind === "change") bytes[start] = byte;
      if (kind === "insert") bytes.splice(start, 0, byte);
      if (kind === "remove") bytes.splice(start, end - start);
      if (kind === "repeat") bytes.splice(start, 0, ...bytes.slice(start, end));
      if (kind === "cut") bytes = bytes.slice(0, start);
    }
    return Uint8Array.from(bytes);
  });
}

/**
 * Runs a kernel.
 * @param inputs by the names that errors call them
 * @returns its error's code, "" if there is none
 */
function codeOf(inputs: Readonly<Record<string, Uint8Array>>, work: () => Uint8Array | undefined): string {
  let result: Uint8Array | undefined;
  try {
    result = work();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    expect(Object.keys(inputs)).toContain(error.input);
    expect(error.offset).toBeGreaterThanOrEqual(0);
    expect(error.offset).toBeLessThanOrEqual(inputs[error.input]?.length ?? 0);
    expect(error.message).toMatch(/ at byte \d+ \(line \d+, column \d+\)$/);
    return error.code;
  }
  if (result !== undefined) expect(isJson(result)).toBe(true);
  return "";
}

const anything = fc.oneof(fc.uint8Array({ maxLength: 80 }), mutated(configText), mutated(jsonText));

describe("any bytes", () => {
  it("split, or are refused", () => {
    fc.assert(
      fc.property(anything, (config) => {
        const code = codeOf({ config }, () => {
          for (const plugin of kernels.splitConfig(config).plugins) expect(isJson(plugin.bytes)).toBe(true);
          return undefined;
        });
        expect(syntaxCodes.has(code)).toBe(!isJson(config));
      }),
      runs,
    );
  });

  it("are adjusted, or refused", () => {
    const someArgs = fc.oneof(
      { weight: 3, arbitrary: jsonText.map((text) => encoder.encode(text)) },
      anything,
    );
    fc.assert(
      fc.property(anything, someArgs, fc.string(), (config, cniArgs, deviceId) => {
        codeOf({ config, cniArgs }, () =>
          kernels.adjustConfig({ config, cniArgs, deviceId, defaultName: "net" }),
        );
        const code = codeOf({ config }, () => kernels.adjustConfig({ config }));
        expect(syntaxCodes.has(code)).toBe(!isJson(config));
      }),
      runs,
    );
  });

  it("are merged, or refused", () => {
    const plugins = fc.oneof(
      anything,
      pluginText.map((text) => encoder.encode(text)),
      mutated(pluginText),
    );
    const optional = fc.option(anything, { nil: undefined });
    fc.assert(
      fc.property(
        plugins,
        optional,
        optional,
        optional,
        (plugin, prevResult, runtimeConfig, validAttachments) => {
          const given = { prevResult, runtimeConfig, validAttachments };
          const inputs = Object.fromEntries(
            Object.entries({ plugin, ...given }).filter(
              (entry): entry is [string, Uint8Array] => entry[1] !== undefined,
            ),
          );
          codeOf(inputs, () => kernels.mergeConfig({ plugin, name: "n", cniVersion: "1.1.0", ...given }));
          const code = codeOf({ plugin }, () =>
            kernels.mergeConfig({ plugin, name: "n", cniVersion: "1.1.0" }),
          );
          expect(syntaxCodes.has(code)).toBe(!isJson(plugin));
        },
      ),
      runs,
    );
  });
});

describe("every grammar rule", () => {
  // Around each, so that the scanner meets it in a window of its own and in the middle of others.
  const surroundings = (value: string) => [
    value,
    `{"a":${value}}`,
    `{"a":"b","c":${value},"d":"e"}`,
    `[1,${value}]`,
    `{"long":"${"x".repeat(60)}","k": ${value} ,"l":{"m":[${value}]}}`,
  ];

  it.each([
    ...[
      "0",
      "-0",
      "1.5",
      "1e9",
      "1E-9",
      "0.0e+0",
      "true",
      "null",
      '""',
      '"\\u00e9\\n"',
      '"é"',
      '"\\ud800"',
      '"😀"',
    ],
    ...[
      "01",
      "1.",
      ".5",
      "-",
      "+1",
      "1e",
      "1e+",
      "--1",
      "0x1",
      "1.2.3",
      "NaN",
      "Infinity",
      "tru",
      "truee",
      "nul",
      "falsE",
    ],
    ...[
      '"',
      '"a',
      '"\\',
      '"\\x"',
      '"\\u12"',
      '"\\u12g4"',
      '"\n"',
      '"\u0000"',
      "'a'",
      "{,}",
      "[,]",
      "[1,]",
      '{"a":1,}',
    ],
    ...[
      '{"a"}',
      '{"a":}',
      "{a:1}",
      '{"a":1 "b":2}',
      "[1 2]",
      "[1}",
      '{"a":1]',
      "]",
      "}",
      "",
      "\u00a0",
      "\ufeff1",
      "/**/1",
    ],
  ])("agrees with JSON.parse on %j", (value) => {
    for (const text of surroundings(value)) {
      const bytes = encoder.encode(text);
      const code = codeOf({ config: bytes }, () => kernels.adjustConfig({ config: bytes }));
      expect([text, syntaxCodes.has(code)]).toEqual([text, !isJson(bytes)]);
    }
  });

  it.each([
    ["an overlong form", [0xc0, 0xaf]],
    ["an overlong form of three bytes", [0xe0, 0x80, 0xaf]],
    ["an overlong form of four bytes", [0xf0, 0x80, 0x80, 0xaf]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["more than U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
    ["a continuation alone", [0x80]],
    ["a sequence cut short", [0xe2, 0x82]],
    ["a byte that is never valid", [0xff]],
  ])("refuses %s", (_, sequence) => {
    const config = Uint8Array.from([...encoder.encode('{"a":"é'), ...sequence, ...encoder.encode('"}')]);
    expect(() => kernels.splitConfig(config)).toThrow(
      expect.objectContaining({ code: "bad-utf8", input: "config", offset: 8 }),
    );
  });

  it("finds the stop of a string at any distance from its start", () => {
    for (let length = 0; length < 300; length++) {
      for (const stop of ['"', "\\n", "é", "\u0001"]) {
        const config = encoder.encode(`{"a":"b","c":"${"x".repeat(length)}${stop}"`);
        const wanted =
          stop === "\u0001"
            ? "control-character"
            : stop === '"'
              ? "expected-comma-or-brace"
              : "unexpected-end";
        expect(codeOf({ config }, () => kernels.adjustConfig({ config }))).toBe(wanted);
      }
    }
  });
});
