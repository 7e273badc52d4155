/** Any netconf that Go would take is taken, with what it says; any other bytes give a CNI error. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cniErrorOf } from "../../../src/cni/errors.ts";
import { parseNetconf } from "../../../src/multus/input/netconf.ts";

const text = fc.string({ minLength: 1 });
const path = fc.string().map((name) => `/${name}`);
const document = fc.record(
  {
    name: fc.constantFrom("n", "multus-cni-network"),
    type: fc.constant("multus"),
    cniVersion: fc.constantFrom("0.3.1", "0.4.0", "1.0.0", "1.1.0"),
    binDir: path,
    confDir: path,
    cniDir: path,
    clusterNetwork: text,
    defaultNetworks: fc.array(text),
    delegates: fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1 }),
    kubeconfig: text,
    namespaceIsolation: fc.boolean(),
    multusNamespace: text,
    retryDeleteOnError: fc.boolean(),
    nativeNetworks: fc.constantFrom("auto", "off"),
    attachConcurrency: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.constant("auto")),
    runtimeConfig: fc.record(
      {
        mac: fc.string(),
        ips: fc.array(fc.string()),
        bandwidth: fc.object(),
        "io.kubernetes.cri.pod-annotations": fc.dictionary(fc.string(), fc.string()),
      },
      { requiredKeys: [] },
    ),
    prevResult: fc.dictionary(fc.string(), fc.jsonValue()),
    "some key": fc.jsonValue(),
  },
  { requiredKeys: ["name", "delegates"] },
);

const parsed = (raw: Uint8Array | undefined) =>
  raw === undefined ? undefined : JSON.parse(Buffer.from(raw).toString());

describe("netconf", () => {
  it("says what was written", () => {
    fc.assert(
      fc.property(document, fc.constantFrom(undefined, 2), (keys, indent) => {
        const json = JSON.stringify(keys, null, indent);
        const written = JSON.parse(json) as typeof keys;
        const netconf = parseNetconf(Buffer.from(json));
        expect(netconf.binDir).toBe(written.binDir ?? "/opt/cni/bin");
        expect(netconf.nativeNetworks).toBe(written.nativeNetworks ?? "off");
        expect(netconf.clusterNetwork).toBe(written.clusterNetwork ?? "");
        expect(netconf.attachConcurrency).toBe(written.attachConcurrency ?? 1);
        expect(netconf.delegates.map(parsed)).toEqual(
          written.clusterNetwork === undefined ? written.delegates : [],
        );
        expect(parsed(netconf.prevResult)).toEqual(written.prevResult);
        expect(netconf.podAnnotations).toEqual(written.runtimeConfig?.["io.kubernetes.cri.pod-annotations"]);
        expect(
          Object.fromEntries([...netconf.runtimeConfig].map(([key, raw]) => [key, parsed(raw)])),
        ).toEqual(written.runtimeConfig ?? {});
      }),
    );
  });

  it("is refused with a CNI error or taken, whatever the bytes", () => {
    const mutated = fc.tuple(document, fc.nat(), fc.uint8Array({ maxLength: 3 })).map(([keys, at, piece]) => {
      const whole = Buffer.from(JSON.stringify(keys));
      const place = at % whole.length;
      return Buffer.concat([whole.subarray(0, place), piece, whole.subarray(place + 1)]);
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), mutated), (bytes) => {
        try {
          parseNetconf(bytes);
        } catch (error) {
          const known = cniErrorOf(error);
          if (known === undefined) throw error;
          expect([1, 6, 7]).toContain(known.code);
          expect(known.message).toMatch(/^netconf on stdin: /);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("may be 10,000 levels deep where it is only carried", () => {
    const deep = "[".repeat(10_000) + "]".repeat(10_000);
    const netconf = parseNetconf(
      Buffer.from(`{"name":"n","delegates":[{"type":"x","deep":${deep}}],"other":${deep}}`),
    );
    expect(netconf.delegates[0]?.length).toBe(deep.length + '{"type":"x","deep":}'.length);
  });
});
