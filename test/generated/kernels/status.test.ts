/** networkStatus and its twin agree on generated results of any number of delegates. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { KernelError, type StatusInput } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { longestStatus } from "../../../src/multus/input/bounds.ts";
import { layOut, networkStatus as twin } from "../../reference/status.ts";
import { placeIn, resultOf, spell, spelling, VERSIONS } from "../arbitraries/result.ts";

const kernels = loadKernels();

/** An aggregation's outcome: a value, or the error's code. */
function outcome(aggregate: typeof twin, inputs: readonly StatusInput[]) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(aggregate(inputs, longestStatus)));
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { code: error.code };
  }
}

const deviceInfo = fc
  .tuple(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), spelling)
  .map(([value, style]) => spell(value, style));

/** A pod whose interfaces are several in one result, as some plugins make them, is rarer than the generator finds. */
const several = fc
  .array(
    fc.record(
      {
        name: fc.string(),
        sandbox: fc.constantFrom("/var/run/netns/cni-1", "", undefined),
        mtu: fc.nat(9000),
      },
      { requiredKeys: ["name"] },
    ),
    { minLength: 2, maxLength: 5 },
  )
  .chain((interfaces) =>
    fc
      .array(
        fc.record(
          {
            address: fc.constantFrom("10.0.0.1/8", "FD00::0:1/64", "::ffff:10.0.0.1/104"),
            interface: placeIn(interfaces),
            gateway: fc.constantFrom("10.0.0.254", ""),
          },
          { requiredKeys: ["address"] },
        ),
        { maxLength: 8 },
      )
      .map((ips) => ({
        cniVersion: "1.0.0",
        interfaces,
        ips,
        routes: [
          { dst: "0.0.0.0/0", gw: "10.0.0.254" },
          { dst: "::/0" },
          { dst: "0.0.0.0/1", gw: "10.0.0.9" },
        ],
      })),
  );

const input: fc.Arbitrary<StatusInput> = fc.record({
  name: fc.oneof(fc.constant("default/net1"), fc.string(), fc.string({ unit: "grapheme" })),
  isDefault: fc.boolean(),
  ifName: fc.oneof(fc.constantFrom("net1", ""), fc.string({ unit: "grapheme" })),
  result: fc
    .tuple(fc.oneof(several, fc.constantFrom(...VERSIONS).chain(resultOf), fc.constant(null)), spelling)
    .map(([value, style]) => spell(value, style)),
  deviceInfo: fc.option(deviceInfo, { nil: undefined }),
});

test("the results of all delegates become the same list as the twin's", () => {
  let entries = 0;
  fc.assert(
    fc.property(fc.array(input, { maxLength: 5 }), (inputs) => {
      const expected = outcome(twin, inputs);
      expect(outcome(kernels.networkStatus, inputs)).toEqual(expected);
      entries += Array.isArray(expected) ? expected.length : 0;
    }),
    { numRuns: 2000 },
  );
  expect(entries).toBeGreaterThan(1000);
});

test("the layout is Go multus's, however the device info was written, and changes no value", () => {
  const info = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }));
  fc.assert(
    fc.property(fc.array(info), fc.constantFrom(undefined, 1, "\t", "\r\n "), (infos, indentation) => {
      const inputs = infos.map((value) => ({
        name: "a",
        isDefault: false,
        ifName: "net1",
        result: Buffer.from("{}"),
        deviceInfo: Buffer.from(JSON.stringify(value, null, indentation)),
      }));
      const text = Buffer.from(kernels.networkStatus(inputs, longestStatus)).toString();
      // Once through JSON: -0 and the like are not what the bytes say.
      const entries = infos.map((value) => JSON.parse(JSON.stringify({ "device-info": value })));
      expect(text).toBe(
        layOut(entries.map((entry) => ({ name: "a", interface: "net1", dns: {}, ...entry }))),
      );
    }),
    { numRuns: 1000 },
  );
});
