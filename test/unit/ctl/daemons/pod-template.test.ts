/** Paths of the node in containers, and the other way round. */

import { expect, it } from "vitest";
import { multusDaemonSet } from "../../../../src/ctl/daemons/daemon-sets.ts";
import { inContainer, onNode, templateFacts } from "../../../../src/ctl/daemons/pod-template.ts";

const template = templateFacts({
  containers: [
    {
      name: "c",
      volumeMounts: [
        { name: "run", mountPath: "/host/run" },
        { name: "root", mountPath: "/hostroot" },
        { name: "config", mountPath: "/host/run/config" },
        { name: "opt", mountPath: "/opt/cni/bin/" },
      ],
    },
  ],
  volumes: [
    { name: "run", hostPath: { path: "/var/run/" } },
    { name: "root", hostPath: { path: "/" } },
    { name: "config", configMap: { name: "x" } },
    { name: "opt", hostPath: { path: "/var/lib/rancher/k3s/data/cni" } },
  ],
});
const [container] = template.containers;
if (container === undefined) throw new Error("there is no container");

it.each([
  ["/host/run/multus/", "/run/multus"],
  ["/hostroot/etc", "/etc"],
  ["/hostroot", "/"],
  ["/opt/cni/bin", "/var/lib/rancher/k3s/data/cni"],
  ["/host/run/config/x", undefined],
  ["/host/runner", undefined],
])("%s in the container is %s on the node", (path, expected) => {
  expect(onNode(template, container, path)).toBe(expected);
});

it.each([
  ["/run/multus", "/host/run/multus"],
  ["/var/run/multus", "/host/run/multus"],
  ["/etc/cni/net.d", "/hostroot/etc/cni/net.d"],
])("%s on the node is %s in the container", (path, expected) => {
  expect(inContainer(template, container, path)).toBe(expected);
});

it.each([
  ["ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.2-thick", undefined, false],
  ["rancher/hardened-multus-cni:v4.2.1-build20250627", ["/thin_entrypoint"], false],
  ["registry.example.com:5000/x/anything@sha256:0a", ["/usr/src/multus-cni/bin/multus-daemon"], false],
  ["localhost/multus-wasm:0.1.0", ["/thin_entrypoint"], true],
  ["registry.example.com/mine:1", ["/usr/local/bin/multusd"], true],
])("knows Multus by image %s and command %j", (image, command, isOurs) => {
  const spec = {
    template: {
      spec: {
        containers: [
          { name: "other", image: "nginx:1" },
          { image, command },
        ],
      },
    },
  };
  expect(multusDaemonSet({ metadata: { name: "a", namespace: "b" }, spec })).toMatchObject({ isOurs });
});

it.each([
  "ghcr.io/k8snetworkplumbingwg/multus-dynamic-networks-controller:latest",
  "ghcr.io/k8snetworkplumbingwg/multi-networkpolicy-iptables:v1",
  "nginx:1",
])("takes %s for none", (image) => {
  const spec = { template: { spec: { containers: [{ name: "x", image, command: ["/entrypoint.sh"] }] } } };
  expect(multusDaemonSet({ metadata: {}, spec })).toBeUndefined();
});
