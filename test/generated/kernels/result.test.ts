/** convertResult and its twin agree on generated results: every version, every target, every spelling, with and without edits. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConvertInput } from "../../../src/kernels/index.ts";
import { KernelError } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { outlineResult as outlineTwin, convertResult as twin } from "../../reference/result.ts";
import {
  address,
  cidr,
  defaultRoutes,
  type JsonObject,
  resultOf,
  spell,
  spelling,
  VERSIONS,
} from "../arbitraries/result.ts";

const kernels = loadKernels();

/** A conversion's outcome: a value, or the error's code and message. */
function outcome(convert: (input: ConvertInput) => Uint8Array, input: ConvertInput): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(convert(input)));
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    // The twin does not know where in the text it is, nor how the value is written.
    const [message] = error.message.split(/(?:: (?:".*"|[-+\w.]+))? at byte \d+ \(line/s);
    return { code: error.code, message, input: error.input };
  }
}

function compare(input: ConvertInput): unknown {
  const expected = outcome(twin, input);
  expect(outcome(kernels.convertResult, input)).toEqual(expected);
  return expected;
}

/** undefined: the result's own. */
const target = fc.constantFrom(...VERSIONS, undefined);

const versioned = fc
  .constantFrom(...VERSIONS)
  .chain((version) => fc.record({ version: fc.constant(version), value: resultOf(version) }));

describe("a valid result", () => {
  test("lists what the twin says", () => {
    let attachments = 0;
    fc.assert(
      fc.property(versioned, spelling, ({ version, value }, style) => {
        const result = spell({ ...value, cniVersion: version }, style);
        const expected = outlineTwin(result);
        expect(kernels.outlineResult(result), version).toEqual(expected);
        attachments += expected.addresses.length;
      }),
      { numRuns: 2000 },
    );
    expect(attachments).toBeGreaterThan(500);
  });

  test("that is empty lists nothing", () => {
    for (const text of ["", " \n", "null", " null ", "{}"]) {
      const expected = { isAttachment: false, addresses: [] };
      expect(kernels.outlineResult(Buffer.from(text)), text).toEqual(expected);
    }
    expect(() => kernels.outlineResult(Buffer.from("null x"))).toThrow(KernelError);
    expect(() => kernels.outlineResult(Buffer.from("[]"))).toThrow("must be an object");
  });

  test("is converted as the twin does", () => {
    let converted = 0;
    fc.assert(
      fc.property(
        versioned,
        target,
        spelling,
        defaultRoutes,
        ({ version, value }, targetVersion, style, edits) => {
          const result = spell(value, style);
          const expected = compare({
            result,
            configVersion: version,
            targetVersion,
            defaultRoutes: edits,
          });
          if (!(expected as JsonObject).code) converted++;
        },
      ),
      { numRuns: 3000 },
    );
    // Only a result without an address going below 0.3.0 is refused.
    expect(converted).toBeGreaterThan(2000);
  });

  test("goes to its own version byte for byte, named or not", () => {
    fc.assert(
      fc.property(versioned, spelling, fc.boolean(), ({ version, value }, style, isNamed) => {
        const whole = { ...value, cniVersion: version, dns: {}, count: "@a number@" };
        const text = Buffer.from(spell(whole, style))
          .toString()
          .replace('"@a number@"', "18446744073709551615");
        const converted = kernels.convertResult({
          result: Buffer.from(text),
          configVersion: "",
          targetVersion: isNamed ? version : undefined,
        });
        expect(Buffer.from(converted).toString()).toBe(text.trim());
      }),
    );
  });
});

/** A broken value for a field, and where it is put. */
interface Breakage {
  readonly place: (result: JsonObject) => [holder: JsonObject, key: string] | undefined;
  readonly value: unknown;
}

function firstOf(list: string, key: string) {
  return (result: JsonObject): [JsonObject, string] | undefined => {
    const holder = (result[list] as JsonObject[] | null | undefined)?.at(-1);
    return holder && [holder, key];
  };
}

const notText = fc.oneof(fc.boolean(), fc.integer(), fc.constant([]), fc.constant({}));
const notAddress = fc.oneof(
  fc.string({ minLength: 1 }).filter((text) => !/^[\d.:a-f]+$/i.test(text)),
  fc.constantFrom(
    "10.0.0.256",
    "10.0.0",
    "10.0.0.01",
    "1.2.3.4.5",
    "fe80::1%eth0",
    "1::2::3",
    ":::",
    "::12345",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "1.2.3.4::",
    "::1.2.3",
    "0x7f.1.1.1",
    " 10.0.0.1",
    "10.0.0.1 ",
    '10.0.0.1"',
    "10.0.0.1/8",
    "10.0.0.1\u0000",
  ),
  notText,
);
const notCidr = fc.oneof(
  address,
  fc.tuple(fc.ipV4(), fc.integer({ min: 33, max: 4000 })).map(([ip, length]) => `${ip}/${length}`),
  fc.tuple(fc.ipV6(), fc.integer({ min: 129, max: 4000 })).map(([ip, length]) => `${ip}/${length}`),
  fc.constantFrom(
    "10.0.0.1/",
    "10.0.0.1/08",
    "10.0.0.1/-1",
    "/8",
    "10.0.0.1/8/8",
    "10.0.0/8",
    "::/00",
    "",
    null,
  ),
  notText,
);
const notInteger = fc.oneof(
  fc.constantFrom("1", "", 1.5, -0.5, 2 ** 63, -(2 ** 64), 1e300, true, [], {}),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Number.isInteger(number)),
);

const breakage: fc.Arbitrary<Breakage> = fc.oneof(
  ...(
    [
      ["ips", "address", notCidr],
      ["ips", "gateway", notAddress],
      ["ips", "interface", notInteger],
      ["interfaces", "mac", notText],
      ["interfaces", "name", notText],
      ["interfaces", "sandbox", notText],
      ["routes", "dst", notCidr],
      ["routes", "gw", notAddress],
      ["routes", "mtu", notInteger],
      ["routes", "priority", notInteger],
      ["routes", "table", notInteger],
    ] as const
  ).map(([list, key, values]) =>
    fc.record<Breakage>({ place: fc.constant(firstOf(list, key)), value: values }),
  ),
  ...(
    [
      ["ips", fc.oneof(fc.constantFrom("x", 1, true, {}, [null], [[]], [1], [{}]))],
      ["interfaces", fc.oneof(fc.constantFrom("x", 1, true, {}, [null], [[]], [1]))],
      ["routes", fc.oneof(fc.constantFrom("x", 1, true, {}, [null], [[]], [1], [{ gw: "10.0.0.1" }]))],
      [
        "dns",
        fc.oneof(
          fc.constantFrom<unknown>("x", 1, true, [], { search: "x" }, { domain: 1 }, { options: [1] }),
        ),
      ],
      ["cniVersion", fc.constantFrom<unknown>("0.5.0", "1.0", "1.0.00", "v1.0.0")],
    ] as const
  ).map(([key, values]) =>
    fc.record<Breakage>({
      place: fc.constant((result: JsonObject): [JsonObject, string] => [result, key]),
      value: values,
    }),
  ),
);

test("invalid parts of a result are refused, and named, as the twin does", () => {
  let refused = 0;
  fc.assert(
    fc.property(
      fc
        .constantFrom("0.3.1", "0.4.0", "1.0.0", "1.1.0" as const)
        .chain((version) => fc.record({ version: fc.constant(version), value: resultOf(version) })),
      breakage,
      spelling,
      ({ version, value }, { place, value: broken }, style) => {
        const copy = structuredClone(value);
        const found = place(copy);
        if (found === undefined) return;
        found[0][found[1]] = broken;
        const expected = compare({
          result: spell(copy, style),
          configVersion: version,
          targetVersion: "1.0.0",
        });
        if ((expected as JsonObject).code) refused++;
      },
    ),
    { numRuns: 3000 },
  );
  expect(refused).toBeGreaterThan(1500);
});

test("invalid parts of ip4 and ip6 are refused as the twin does", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(["ip4", "10.0.0.1/8"], ["ip6", "fd00::1/64"]),
      fc.oneof(
        fc.record({ ip: fc.oneof(cidr, notCidr) }),
        fc.record({ gateway: notAddress }),
        fc.record({ routes: fc.constantFrom<unknown>("x", [1], [{ dst: "x" }], [{}]) }),
        fc.constantFrom<unknown>(1, "x", []),
      ),
      spelling,
      ([key, ip], broken, style) => {
        const family = typeof broken === "object" && !Array.isArray(broken) ? { ip, ...broken } : broken;
        const value = { cniVersion: "0.2.0", [String(key)]: family };
        compare({ result: spell(value, style), configVersion: "", targetVersion: "1.0.0" });
      },
    ),
    { numRuns: 1000 },
  );
});

test("addresses are read and printed as the twin does", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        cidr,
        fc
          .tuple(fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEF:./") }), fc.nat(130))
          .map(([text, bits]) => `${text}/${bits}`),
      ),
      fc.oneof(address, fc.string({ unit: fc.constantFrom(..."0125af:.") })),
      (dst, gateway) => {
        const value = { cniVersion: "1.0.0", ips: [{ address: dst, gateway }] };
        compare({ result: Buffer.from(JSON.stringify(value)), configVersion: "", targetVersion: "0.4.0" });
      },
    ),
    { numRuns: 5000 },
  );
});

test("gateways to add are checked as the twin does", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(address, fc.string()), { maxLength: 3 }), (add) => {
      compare({
        result: Buffer.from("{}"),
        configVersion: "1.0.0",
        targetVersion: "1.0.0",
        defaultRoutes: { removeIPv4: false, removeIPv6: false, add },
      });
    }),
  );
});
