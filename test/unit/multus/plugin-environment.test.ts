import { describe, expect, test } from "vitest";
import { pluginArgs, pluginPath, withAddressArgs } from "../../../src/multus/request/plugin-environment.ts";

const pod = { namespace: "default", name: "web", uid: "u-1", sandboxId: "c0ffee" };
const own = [
  ["IgnoreUnknown", "true"],
  ["K8S_POD_NAMESPACE", "default"],
  ["K8S_POD_NAME", "web"],
  ["K8S_POD_INFRA_CONTAINER_ID", "c0ffee"],
  ["K8S_POD_UID", "u-1"],
];

describe("CNI_ARGS of a delegate", () => {
  test("are our own five, then what the runtime sent, in order, each pair once", () => {
    expect(
      pluginArgs(pod, [
        ["IgnoreUnknown", "1"],
        ["K8S_POD_NAME", "web"],
        ["X", "a=b"],
        ["X", "c"],
      ]),
    ).toEqual([...own, ["IgnoreUnknown", "1"], ["X", "a=b"], ["X", "c"]]);
  });

  test("take the runtime's value where our own is empty", () => {
    const nobody = { namespace: "", name: "", uid: "", sandboxId: "" };
    expect(pluginArgs(nobody, [["K8S_POD_UID", "u-2"]]).at(-1)).toEqual(["K8S_POD_UID", "u-2"]);
  });

  test("end with MAC and IP where they are asked for", () => {
    expect(
      withAddressArgs([["A", "b"]], { mac: "02:00:00:00:00:01", ips: ["10.0.0.9/8", "fd00::9"] }),
    ).toEqual([
      ["A", "b"],
      ["MAC", "02:00:00:00:00:01"],
      ["IP", "10.0.0.9/8,fd00::9"],
    ]);
    expect(withAddressArgs([["A", "b"]], { ips: [] })).toEqual([["A", "b"]]);
  });
});

test("CNI_PATH of a delegate starts with binDir and names each directory once", () => {
  expect(pluginPath("/opt/cni/bin", "/usr/lib/cni::/opt/cni/bin")).toBe("/opt/cni/bin:/usr/lib/cni");
  expect(pluginPath("", "/a")).toBe("/a");
});
