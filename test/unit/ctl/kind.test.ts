/** The kind of a file is detected from its keys, not from its name. */
import { describe, expect, it } from "vitest";
import { documentKind } from "../../../src/ctl/configuration/kind.ts";

describe("documentKind", () => {
  it.each([
    ["netconf", { type: "multus", clusterNetwork: "/etc/cni/net.d/10-a.conf" }],
    ["netconf", { type: "multus-shim" }],
    ["netconf", { cniVersion: "1.0.0", delegates: [] }],
    ["netconf", { type: "multus", clusterNetwork: "a", socketDir: "/run/multus" }],
    ["daemon", { socketDir: "/run/multus" }],
    ["daemon", { ChrootDir: "/hostroot", cniVersion: "0.3.1", logLevel: "verbose" }],
    ["daemon", { type: "multus-shim", multusConfigFile: "auto" }],
    ["conf", { type: "bridge", name: "a", nodeName: "a key of the plugin's own" }],
    ["conflist", { cniVersion: "1.0.0", name: "a", plugins: [{ type: "bridge" }] }],
    ["conflist", { name: "a", plugins: "wrong, but meant to be one" }],
    ["conf", { cniVersion: "1.0.0", name: "a", type: "bridge" }],
    ["nad", { apiVersion: "k8s.cni.cncf.io/v1", kind: "NetworkAttachmentDefinition" }],
    ["nad-list", { apiVersion: "v1", kind: "List", items: [] }],
    ["other", { apiVersion: "v1", kind: "Pod" }],
    ["other", { apiVersion: "apps/v1", kind: "Deployment" }],
    ["unknown", { apiVersion: "k8s.cni.cncf.io/v1", kind: "NetworkAttachmentDefinitions" }],
    ["unknown", { apiVersion: "v1" }],
    ["unknown", { kind: "Pod" }],
    ["unknown", { kind: { toString: null } }],
    ["unknown", { name: "a" }],
    ["unknown", []],
    ["unknown", null],
    ["unknown", "text"],
  ])("%s: %j", (kind, value) => {
    expect(documentKind(value)).toBe(kind);
  });
});
