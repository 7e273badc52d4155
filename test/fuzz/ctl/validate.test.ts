/** Validate reports on any file, and every place that it names is in the file. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { CheckContext } from "../../../src/ctl/configuration/configuration.ts";
import { checkText } from "../../../src/ctl/configuration/files.ts";
import { loadKernels } from "../../../src/kernels/load.ts";

let context: CheckContext;
beforeAll(() => {
  context = { kernels: loadKernels(), binDirs: ["/no/such/directory"] };
});

/** Checks a text, and that what is said of it makes sense. */
function check(text: string): void {
  const { findings } = checkText(text, "file", context);
  const lines = text.split("\n");
  for (const { place, message } of findings) {
    const { line, column } = place;
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines.length);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual((lines[line - 1]?.length ?? 0) + 1);
    expect(message).not.toBe("");
  }
}

const netconf = JSON.stringify(
  {
    cniVersion: "1.0.0",
    name: "multus",
    type: "multus",
    capabilities: { mac: true },
    delegates: [{ cniVersion: "1.0.0", name: "a", type: "bridge", ipam: { type: "host-local" } }],
    logOptions: { maxAge: 1 },
  },
  undefined,
  2,
);

const list = JSON.stringify({
  cniVersion: "1.0.0",
  name: "a",
  plugins: [{ type: "bridge" }, { type: "multus", clusterNetwork: "b" }],
});

const manifests = `apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: one
spec:
  config: |
    { "cniVersion": "1.0.0",
      "type": "macvlan", "ipam": { "type": "dhcp" } }
---
apiVersion: v1
kind: List
items:
  - apiVersion: k8s.cni.cncf.io/v1
    kind: NetworkAttachmentDefinition
    metadata: { name: two, namespace: other, annotations: {} }
    spec: { config: '{"cniVersion": "0.3.1", "plugins": [{"type": "bridge"}]}' }
`;

/** One edit of a text: a piece is cut out, doubled, or replaced. */
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(12),
  insert: fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      '"',
      ":",
      ",",
      "\n",
      "\t",
      "null",
      "1e999",
      "- ",
      "|",
      ">",
      "&a",
      "*a",
      "\\u0000",
      "\u00e9",
      "\u{1f600}",
      "---\n",
    ),
  ),
});

function apply(text: string, edits: readonly { at: number; length: number; insert: string }[]): string {
  return edits.reduce((current, { at, length, insert }) => {
    const start = Math.floor(at * current.length);
    return current.slice(0, start) + insert + current.slice(start + length);
  }, text);
}

describe("validate", () => {
  it("survives arbitrary text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), check), { numRuns: 500 });
  });

  it("survives arbitrary JSON", () => {
    fc.assert(fc.property(fc.json({ maxDepth: 4 }), check), { numRuns: 300 });
  });

  it.each([
    ["netconf", netconf],
    ["list", list],
    ["manifests", manifests],
  ])("survives a broken %s", (_, text) => {
    check(text);
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => check(apply(text, edits))),
      { numRuns: 700 },
    );
  });

  it("survives objects of the right shape with wrong values", () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const object = fc.record(
      {
        apiVersion: fc.constantFrom("k8s.cni.cncf.io/v1", "v1"),
        kind: fc.constantFrom("NetworkAttachmentDefinition", "List", "NetworkAttachmentDefinitionList"),
        metadata: fc.oneof(value, fc.record({ name: fc.constantFrom("a", "b"), namespace: value })),
        spec: fc.oneof(value, fc.record({ config: fc.oneof(value, fc.json()) })),
        items: fc.oneof(value, fc.array(value)),
        type: fc.oneof(value, fc.constant("multus")),
        plugins: fc.oneof(
          value,
          fc.array(fc.oneof(value, fc.record({ type: fc.constantFrom("multus", "x"), capabilities: value }))),
        ),
        name: value,
        cniVersion: fc.oneof(value, fc.constant("1.0.0")),
        delegates: value,
        clusterNetwork: value,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(object, (given) => check(JSON.stringify(given, undefined, 1))),
      { numRuns: 1000 },
    );
  });
});
