/** The kernels of results give for any bytes a valid answer or an error with a place, never a trap. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KernelError } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { longestStatus } from "../../../src/multus/input/bounds.ts";
import { address, resultOf, spell, spelling, VERSIONS } from "../../generated/arbitraries/result.ts";

const kernels = loadKernels();

/** Runs a kernel; what it answers must be JSON in UTF-8, what it refuses must have a place in the input. */
function survive(run: () => Uint8Array, lengths: readonly number[]): "answered" | "refused" {
  let answer: Uint8Array;
  try {
    answer = run();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    expect(error.message).toMatch(/ at byte \d+ \(line \d+, column \d+\)$/);
    expect(error.offset).toBeGreaterThanOrEqual(0);
    expect(error.offset).toBeLessThanOrEqual(Math.max(...lengths));
    return "refused";
  }
  JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(answer));
  return "answered";
}

/** Bytes that begin as a result and were then damaged. */
const mutated = fc
  .tuple(
    fc.constantFrom(...VERSIONS).chain(resultOf),
    spelling,
    fc.array(
      fc.record({
        at: fc.nat(),
        cut: fc.nat(6),
        insert: fc.oneof(
          fc.uint8Array({ maxLength: 4 }),
          fc
            .constantFrom(
              '"',
              "\\",
              "\\u00",
              "{",
              "}",
              "[",
              "]",
              ",",
              ":",
              "null",
              "-",
              "1e9",
              '"ips":',
              '"routes":[',
            )
            .map((text) => new TextEncoder().encode(text)),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([value, style, damages]) => {
    let bytes = Buffer.from(spell(value, style));
    for (const { at, cut, insert } of damages) {
      const start = at % (bytes.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(start + cut)]);
    }
    return bytes;
  });

const anyBytes = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.json().map((text) => new TextEncoder().encode(text)) },
  { weight: 4, arbitrary: mutated },
);

const edits = fc.option(
  fc.record({
    removeIPv4: fc.boolean(),
    removeIPv6: fc.boolean(),
    add: fc.array(fc.oneof(address, fc.string()), { maxLength: 2 }),
  }),
  { nil: undefined },
);

test("convertResult survives any bytes", () => {
  const seen = { answered: 0, refused: 0 };
  fc.assert(
    fc.property(
      anyBytes,
      fc.constantFrom(...VERSIONS, "", "x"),
      fc.constantFrom(...VERSIONS),
      edits,
      (result, configVersion, targetVersion, defaultRoutes) => {
        const gateways = defaultRoutes === undefined ? 0 : JSON.stringify(defaultRoutes.add).length * 3;
        const run = () => kernels.convertResult({ result, configVersion, targetVersion, defaultRoutes });
        seen[survive(run, [result.length, gateways])]++;
      },
    ),
    { numRuns: 10_000 },
  );
  expect(seen.refused).toBeGreaterThan(1000);
  expect(seen.answered).toBeGreaterThan(300);
});

test("outlineResult survives any bytes", () => {
  const seen = { answered: 0, refused: 0 };
  fc.assert(
    fc.property(anyBytes, (result) => {
      seen[survive(() => Buffer.from(JSON.stringify(kernels.outlineResult(result))), [result.length])]++;
    }),
    { numRuns: 5000 },
  );
  expect(seen.refused).toBeGreaterThan(500);
  expect(seen.answered).toBeGreaterThan(300);
});

test("networkStatus survives any bytes", () => {
  const seen = { answered: 0, refused: 0 };
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          name: fc.string(),
          isDefault: fc.boolean(),
          ifName: fc.string(),
          result: anyBytes,
          deviceInfo: fc.option(fc.oneof(fc.constant(Buffer.from('{"a":1}')), anyBytes), { nil: undefined }),
        }),
        { maxLength: 3 },
      ),
      (inputs) => {
        const lengths = inputs.flatMap(({ result, deviceInfo }) => [result.length, deviceInfo?.length ?? 0]);
        seen[survive(() => kernels.networkStatus(inputs, longestStatus), [0, ...lengths])]++;
      },
    ),
    { numRuns: 5000 },
  );
  expect(seen.refused).toBeGreaterThan(500);
  expect(seen.answered).toBeGreaterThan(300);
});

describe("large inputs", () => {
  const size = 4 * 1024 * 1024;

  /** A result of nearly 4 MiB: a head, an element as often as it fits, a tail. */
  function large(head: string, element: string, tail: string): Uint8Array {
    const count = Math.floor((size - head.length - tail.length) / (element.length + 1));
    return Buffer.from(head + new Array<string>(count).fill(element).join(",") + tail);
  }

  const shapes = {
    interfaces: large(
      '{"cniVersion":"1.0.0","interfaces":[',
      '{"sandbox":"x"}',
      '],"ips":[{"address":"10.0.0.1/8"}]}',
    ),
    "empty interfaces": large(
      '{"cniVersion":"1.0.0","interfaces":[',
      "{}",
      '],"ips":[{"address":"10.0.0.1/8"}]}',
    ),
    ips: large(
      '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0"},{"name":"a","sandbox":"x"}],"ips":[',
      '{"address":"::1/0","interface":1}',
      "]}",
    ),
    routes: large(
      '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1/8"}],"routes":[',
      '{"dst":"0.0.0.0/0"}',
      "]}",
    ),
    "one string": large('{"cniVersion":"1.0.0","ips":[{"address":"', "1", '"}]}'),
    "unknown numbers": large('{"cniVersion":"1.0.0","x":[', "1", '],"ips":[{"address":"10.0.0.1/8"}]}'),
    "old routes": large(
      '{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.1/8","routes":[',
      '{"dst":"0.0.0.0/0"}',
      "]}}",
    ),
    blanks: large('{"cniVersion":"1.0.0","x":[', "1                              \n", "1]}"),
  };

  test.each(Object.entries(shapes))("%s: 4 MiB are converted or refused", (_name, result) => {
    const defaultRoutes = { removeIPv4: true, removeIPv6: true, add: ["10.0.0.1"] };
    for (const targetVersion of VERSIONS) {
      survive(() => kernels.convertResult({ result, configVersion: "", targetVersion }), [result.length]);
    }
    survive(
      () => kernels.convertResult({ result, configVersion: "", targetVersion: "1.0.0", defaultRoutes }),
      [result.length],
    );
    survive(
      () => kernels.networkStatus([{ name: "a", isDefault: true, ifName: "net1", result }], longestStatus),
      [result.length],
    );
  });

  test("a result above 4 MiB is refused", () => {
    const result = new Uint8Array(size + 1).fill(0x20);
    expect(() => kernels.convertResult({ result, configVersion: "", targetVersion: "1.0.0" })).toThrow(
      expect.objectContaining({ code: "too-large" }),
    );
  });

  test("a status that would be far larger than its inputs is refused", () => {
    const name = "x".repeat(100_000);
    const result = Buffer.from(
      JSON.stringify({ cniVersion: "1.0.0", interfaces: new Array(1000).fill({ sandbox: "x" }) }),
    );
    expect(() =>
      kernels.networkStatus([{ name, isDefault: false, ifName: "net1", result }], longestStatus),
    ).toThrow(expect.objectContaining({ code: "output-too-large" }));
  });

  test("containers are followed 10,000 deep, and no deeper", () => {
    const nested = (depth: number) =>
      Buffer.from(`{"cniVersion":"1.0.0","x":${"[".repeat(depth)}${"]".repeat(depth)}}`);
    const convert = (depth: number) =>
      kernels.convertResult({ result: nested(depth), configVersion: "", targetVersion: "1.1.0" });
    expect(Buffer.from(convert(9_999)).toString()).toBe(nested(9_999).toString().replace("1.0.0", "1.1.0"));
    expect(() => convert(10_000)).toThrow(expect.objectContaining({ code: "too-deep" }));
    const status = (depth: number) =>
      kernels.networkStatus([{ name: "a", isDefault: false, ifName: "net1", result: nested(depth) }], 0);
    expect(Buffer.from(status(9_999)).toString()).toBe('[{"name":"a","interface":"net1","dns":{}}]');
    expect(() => status(10_000)).toThrow(expect.objectContaining({ code: "too-deep" }));
  });
});
