/** The parts that are kept of any object of an API server are of the right kind, and nothing is thrown. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keptNad } from "../../../src/kube/nads.ts";
import { keptPod } from "../../../src/kube/pods.ts";

const anything = fc.jsonValue({ maxDepth: 2 });
const keys = [
  "k8s.v1.cni.cncf.io/resourceName",
  "k8s.v1.cni.cncf.io/networks",
  "kubernetes.io/config.source",
];
const annotations = fc.oneof(
  anything,
  fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), fc.oneof(fc.string(), anything)),
);
/** The fields that matter, each with a value of any kind or missing. */
const object = fc.oneof(
  anything,
  fc.record(
    {
      metadata: fc.oneof(
        anything,
        fc.record({ uid: fc.oneof(fc.string(), anything), annotations }, { requiredKeys: [] }),
      ),
      spec: fc.oneof(
        anything,
        fc.record(
          { config: fc.oneof(fc.string({ unit: "binary" }), fc.json(), anything) },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: [] },
  ),
);

const isText = (value: unknown) => typeof value === "string";

describe("an object of any form", () => {
  it("is a NetworkAttachmentDefinition with its configuration, with none, or with a problem", () => {
    fc.assert(
      fc.property(object, (any) => {
        const nad = keptNad(any, "a", "b");
        const config = (any as { spec?: { config?: unknown } } | null)?.spec?.config ?? "";
        const isObject = typeof any === "object" && !Array.isArray(any);
        const written = isObject && typeof config === "string" ? config : "";
        expect(Buffer.from(nad.config).toString()).toBe(Buffer.from(written).toString());
        expect(nad.problem !== "").toBe(
          isObject && any !== null && !Array.isArray((any as { spec?: unknown }).spec) && !isText(config),
        );
        expect(Object.values(nad.annotations).every(isText)).toBe(true);
        expect(nad.equals(keptNad(any, "a", "b"))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is a pod with texts", () => {
    fc.assert(
      fc.property(object, (any) => {
        const { uid, annotations, isStatic } = keptPod(any);
        expect([typeof uid, typeof isStatic]).toEqual(["string", "boolean"]);
        expect(Object.values(annotations).every(isText)).toBe(true);
        expect(Object.keys(annotations).every((key) => keys.includes(key))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
