/** Network selections of any content come back as they were asked for; any other text gives a CNI error. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { parseNetworkSelections } from "../../../src/multus/input/selection.ts";

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
const ifName = fc.stringMatching(/^[a-zA-Z0-9._-]{1,15}$/).filter((name) => name !== "." && name !== "..");
const hexByte = fc.integer({ min: 0, max: 255 }).map((byte) => byte.toString(16).padStart(2, "0"));
const mac = fc
  .tuple(fc.constantFrom(6, 8, 20), fc.constantFrom(":", "-"))
  .chain(([bytes, separator]) =>
    fc.array(hexByte, { minLength: bytes, maxLength: bytes }).map((parts) => parts.join(separator)),
  );
const ip = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map((parts) => parts.join("/")),
  fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })).map((parts) => parts.join("/")),
);

const item = fc.record(
  {
    name: label,
    namespace: label,
    interface: ifName,
    ips: fc.array(ip, { maxLength: 4 }),
    mac,
    "infiniband-guid": mac,
    "default-route": fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 2 }),
    "cni-args": fc.dictionary(fc.string(), fc.jsonValue()),
    bandwidth: fc.record({ ingressRate: fc.nat(), egressBurst: fc.nat() }),
    portMappings: fc.array(fc.record({ hostPort: fc.nat(65535), containerPort: fc.nat(65535) })),
    deviceID: fc.string({ minLength: 1 }),
  },
  { requiredKeys: ["name"] },
);

const parsed = (raw: Uint8Array | undefined) =>
  raw === undefined ? undefined : JSON.parse(Buffer.from(raw).toString());

describe("network selections", () => {
  it("in JSON form come back as they were asked for", () => {
    fc.assert(
      fc.property(fc.array(item), fc.constantFrom(undefined, 1), (items, indent) => {
        const selections = parseNetworkSelections(JSON.stringify(items, null, indent), "pods");
        expect(
          selections.map((selection) => ({
            ...selection,
            cniArgs: parsed(selection.cniArgs),
            request: {
              ...selection.request,
              bandwidth: parsed(selection.request.bandwidth),
              portMappings: parsed(selection.request.portMappings),
            },
          })),
        ).toEqual(
          items.map((asked) => ({
            name: asked.name,
            namespace: asked.namespace ?? "pods",
            request: {
              ifName: asked.interface,
              ips: asked.ips,
              mac: asked.mac,
              infinibandGUID: asked["infiniband-guid"],
              defaultRoute: asked["default-route"],
              bandwidth: asked.bandwidth,
              portMappings: asked.portMappings,
              deviceID: asked.deviceID,
            },
            // Through JSON once, as -0 does not survive it.
            cniArgs: asked["cni-args"] && JSON.parse(JSON.stringify(asked["cni-args"])),
          })),
        );
      }),
    );
  });

  it("in comma form select the same as in JSON form", () => {
    const reference = fc.record(
      { name: label, namespace: label, interface: ifName },
      { requiredKeys: ["name"] },
    );
    fc.assert(
      fc.property(fc.array(reference, { minLength: 1 }), fc.constantFrom(",", " ,\n"), (items, separator) => {
        const text = items
          .map(
            ({ name, namespace, interface: asked }) =>
              (namespace === undefined ? "" : `${namespace}/`) +
              name +
              (asked === undefined ? "" : `@${asked}`),
          )
          .join(separator);
        expect(parseNetworkSelections(text, "pods")).toEqual(
          parseNetworkSelections(JSON.stringify(items), "pods"),
        );
      }),
    );
  });

  it("give a CNI error or a selection that is safe to use, whatever the text", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom("a", "/", "@", ",", " ", ".", "-", "[", "{", '"', ":", "}", "]") }),
      fc.tuple(fc.array(item), fc.nat(), fc.string({ maxLength: 2 })).map(([items, at, piece]) => {
        const whole = JSON.stringify(items);
        const place = at % whole.length;
        return whole.slice(0, place) + piece + whole.slice(place + 1);
      }),
    );
    fc.assert(
      fc.property(text, (value) => {
        try {
          for (const selection of parseNetworkSelections(value, "pods")) {
            expect(selection.name).toMatch(/^[a-z0-9.-]+$/);
            expect(selection.namespace).toMatch(/^[a-z0-9-]+$/);
            expect(selection.request.ifName ?? "x").toMatch(/^[^/\s:]{1,15}$/u);
          }
        } catch (error) {
          if (!(error instanceof ExpectedError)) throw error;
          expect(error.message).toMatch(/^annotation k8s\.v1\.cni\.cncf\.io\/networks: /);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
