import { expect, test } from "vitest";
import { podNamespaceIn } from "../../../src/daemon/pod-namespace.ts";

test.each([
  ["", ""],
  ["K8S_POD_NAMESPACE=one", "one"],
  ["IgnoreUnknown=1;K8S_POD_NAMESPACE=one;K8S_POD_NAME=a", "one"],
  ["K8S_POD_NAMESPACE=one;K8S_POD_NAMESPACE=two", "two"],
  ["K8S_POD_NAMESPACE=one;K8S_POD_NAMESPACE=", ""],
  ["X=;K8S_POD_NAMESPACE=one;X=2", "one"],
  ["MY_K8S_POD_NAMESPACE=one", ""],
  ["K8S_POD_NAMESPACE=One", ""],
  ["K8S_POD_NAMESPACE=a/b", ""],
  [`K8S_POD_NAMESPACE=${"a".repeat(64)}`, ""],
  ["K8S_POD_NAMESPACE", ""],
  [";;;=;K8S_POD_NAMESPACE=one;;", "one"],
])("of CNI_ARGS %j is %j", (args, namespace) => {
  expect(podNamespaceIn(args)).toBe(namespace);
});
