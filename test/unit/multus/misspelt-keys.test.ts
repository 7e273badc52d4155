import { expect, test } from "vitest";
import { misspeltKeysOf } from "../../../src/multus/input/misspelt-keys.ts";

const networks = "k8s.v1.cni.cncf.io/networks";

test.each([
  "k8s.v1.cni.cncf.io/network",
  "k8s.v1.cni.cncf.io/Networks",
  "k8s.v1.cncf.io/networks",
  "k8s.v1.cni.cncf.oi/networks",
])("an annotation %s is none that selects networks", (key) => {
  expect(misspeltKeysOf({ [key]: "storage" })).toEqual([
    `annotation ${key} selects no networks: did you mean ${networks}?`,
  ]);
  // Beside the right one it is its author's own.
  expect(misspeltKeysOf({ [key]: "storage", [networks]: "storage" })).toEqual([]);
});

test.each([
  {},
  { "k8s.v1.cni.cncf.io/network-status": "[]", "k8s.v1.cni.cncf.io/networks-status": "[]" },
  { "v1.multus-cni.io/default-network": "a", "example.org/networks": "b" },
  { [networks]: "storage,video@net7" },
  { [networks]: '[{"name": "a", "Interface": "b", "cni-args": {"interfaec": 1}, "comment": "c"}]' },
  { [networks]: '[{"name": "a", "interfaec": "b"' },
  { [networks]: `[{"name": "a", "interfaec": "${"b".repeat(16 * 1024)}"}]` },
  { [networks]: '{"name": "a"}' },
])("nothing is misspelt in %j", (annotations) => {
  expect(misspeltKeysOf(annotations as Record<string, string>)).toEqual([]);
});

test("a key of a selection is told of with its item, a few of them", () => {
  const told = (index: number) =>
    `annotation ${networks}: [${index}] has key "interfaec", which means nothing: did you mean "interface"?`;
  const item = '{"name": "a", "interfaec": "b"}';
  expect(misspeltKeysOf({ [networks]: `[{"name": "c"}, ${item}]` })).toEqual([told(1)]);
  expect(misspeltKeysOf({ [networks]: `[${Array(10).fill(item).join()}]` })).toEqual([0, 1, 2].map(told));
});
