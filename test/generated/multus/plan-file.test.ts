/** Plans with anything in them: what is whole is read, what is not never throws. */

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { wholeElements } from "../../../src/base/json.ts";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Delegate } from "../../../src/multus/plan/delegate.ts";
import { encodePlan } from "../../../src/multus/plan/plan-encoding.ts";
import { decodePlan } from "../../../src/multus/state/plan-decoding.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const request = fc.record({
  ifName: optional(text),
  mac: optional(text),
  infinibandGUID: optional(text),
  ips: optional(fc.array(fc.ipV4(), { minLength: 1, maxLength: 3 })),
  deviceID: optional(text),
  defaultRoute: optional(fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 2 })),
});
const plugin = fc
  .dictionary(text, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 5 })
  .map((members) => ({ ...members, type: "macvlan" }));
const configuration = fc.oneof(
  plugin.map((members) => ({ ...members, name: "n", cniVersion: "1.0.0" })),
  fc
    .array(plugin, { minLength: 1, maxLength: 3 })
    .map((plugins) => ({ cniVersion: "1.0.0", name: "n", plugins })),
);

interface Drawn {
  readonly name: string;
  readonly request: Delegate["request"];
  readonly config: object;
  readonly isChainFile: boolean;
}

const drawnDelegates: fc.Arbitrary<Drawn[]> = fc.array(
  fc.record({ name: text, request, config: configuration, isChainFile: fc.boolean() }),
  { minLength: 1, maxLength: 4 },
);

function delegateOf({ config, ...rest }: Drawn): Delegate {
  const network = parseNetworkConfig(Buffer.from(JSON.stringify(config)), "generated", kernels);
  return { ...rest, network };
}

describe("a plan", () => {
  test("comes back as it was written", () => {
    fc.assert(
      fc.property(drawnDelegates, (drawn) => {
        const delegates = drawn.map(delegateOf);
        const plan = decodePlan(Buffer.from(encodePlan(delegates)));
        expect(plan.problem).toBe("");
        expect(plan.entries.map(({ name, request: asked }) => ({ name, request: asked }))).toEqual(
          delegates.map(({ name, request: asked }) => ({ name, request: asked })),
        );
        expect(plan.entries.map(({ configurations: [first] }) => Buffer.from(first?.text ?? []))).toEqual(
          delegates.map(({ network }) => Buffer.from(network.bytes)),
        );
      }),
    );
  });

  test("cut anywhere gives the entries before the cut, and says that it is torn", () => {
    fc.assert(
      fc.property(
        drawnDelegates,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (drawn, place) => {
          const delegates = drawn.map(delegateOf);
          const whole = encodePlan(delegates);
          const cut = decodePlan(Buffer.from(whole.slice(0, Math.floor(place * whole.length))));
          expect(cut.problem).not.toBe("");
          expect(cut.entries.map(({ name }) => name)).toEqual(
            delegates.slice(0, cut.entries.length).map(({ name }) => name),
          );
        },
      ),
    );
  });

  test("of anything never throws", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (content) => void decodePlan(Buffer.from(content))));
    fc.assert(fc.property(fc.json(), (content) => void decodePlan(Buffer.from(content))));
    fc.assert(
      fc.property(
        fc.array(
          fc.record(
            {
              Name: fc.jsonValue(),
              Bytes: fc.jsonValue(),
              Conf: fc.jsonValue(),
              ConfList: fc.jsonValue(),
              ipRequest: fc.jsonValue(),
              CNINetworkConfigList: fc.record(
                { Bytes: fc.oneof(fc.base64String(), fc.jsonValue()), Plugins: fc.jsonValue() },
                { requiredKeys: [] },
              ),
            },
            { requiredKeys: [] },
          ),
        ),
        (entries) => void decodePlan(Buffer.from(JSON.stringify(entries))),
      ),
    );
  });
});

describe("an array cut anywhere", () => {
  test("gives its whole elements and no others", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.nat(), (values, place) => {
        const whole = JSON.stringify(values);
        const length = place % (whole.length + 1);
        const { elements, isWhole } = wholeElements(Buffer.from(whole.slice(0, length)));
        expect(isWhole).toBe(length === whole.length);
        // JSON has no negative zero.
        const written: unknown[] = JSON.parse(whole);
        expect(elements).toEqual(written.slice(0, elements.length));
        const next = JSON.stringify([...written.slice(0, elements.length + 1)]).slice(0, -1);
        if (!isWhole && elements.length < written.length) {
          // The element after the last one found was cut: its end and the comma or bracket after it are not there.
          expect(length).toBeLessThanOrEqual(next.length);
        }
      }),
    );
  });
});
