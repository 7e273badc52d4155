/** Preflight judges DaemonSets, their ConfigMaps, nodes and versions of any shape that an API server answers with: each DaemonSet of Multus has its findings, which have a text. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { examine, type PreflightContext } from "../../../src/ctl/preflight/examine.ts";
import { formatPreflight, preflightJson } from "../../../src/ctl/preflight/finding.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Api } from "../../../src/kube/api.ts";

interface Answers {
  readonly version: unknown;
  readonly daemonSets: readonly unknown[];
  readonly nodes: readonly unknown[];
  readonly configMap: unknown;
}

function answering({ version, daemonSets, nodes, configMap }: Answers): Api {
  const answerTo = (path: string): unknown => {
    if (path === "/version") return version;
    if (path.includes("/configmaps/")) return configMap;
    if (path.startsWith("/apis/apps/")) return { metadata: {}, items: daemonSets };
    return { metadata: {}, items: path.startsWith("/api/v1/nodes") ? nodes : [] };
  };
  return {
    async request<Answer>({ path }: { path: string }) {
      // As it comes off the wire: no undefined, no -0.
      return JSON.parse(JSON.stringify(answerTo(path))) as Answer;
    },
    async watch() {},
  };
}

const value = fc.jsonValue({ maxDepth: 2 });
/** Mostly one of these, so that objects belong together. */
const oneOf = (...usual: readonly unknown[]) =>
  fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...usual) }, value);
const list = (element: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 5, arbitrary: fc.array(element, { maxLength: 4 }) }, value);
const shape = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof({ weight: 6, arbitrary: fc.record(fields, { requiredKeys: [] }) }, value);

const directory = "/etc/cni/net.d/multus.d";
const file = "daemon-config.json";
const image = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0";
const words = list(
  oneOf(
    "/usr/src/multus-cni/bin/multus-daemon",
    "/thin_entrypoint",
    "sh",
    `-config=${directory}/${file}`,
    "--config",
    "--namespace-isolation=true",
    "--multus-conf-file=auto",
  ),
);
const container = shape({
  name: oneOf("kube-multus", "a"),
  image: oneOf(image, "localhost/multus-wasm:1"),
  command: words,
  args: words,
  volumeMounts: list(
    shape({
      name: oneOf("config", "cni"),
      mountPath: oneOf(directory, `${directory}/${file}`, "/", "/host/etc/cni/net.d", "/run/multus"),
      subPath: oneOf(file, "a/b", ""),
    }),
  ),
});
const volume = shape({
  name: oneOf("config", "cni"),
  hostPath: shape({ path: oneOf("/etc/cni/net.d", "/run/multus", "/") }),
  configMap: shape({
    name: oneOf("multus-daemon-config", ""),
    items: list(shape({ key: oneOf(file, "constructor"), path: oneOf(file, "a/b") })),
  }),
});
const terms = list(shape({ key: oneOf("kubernetes.io/os", "zone"), operator: value, values: value }));
const daemonSet = shape({
  metadata: shape({
    namespace: oneOf("kube-system", "openshift-multus"),
    name: oneOf("kube-multus-ds", "a"),
    labels: shape({ "app.kubernetes.io/managed-by": oneOf("Helm") }),
    annotations: shape({ "meta.helm.sh/release-name": oneOf("multus") }),
    managedFields: list(shape({ operation: oneOf("Apply"), manager: value, subresource: value })),
    ownerReferences: list(shape({ controller: oneOf(true), kind: oneOf("Network"), name: oneOf("cluster") })),
  }),
  spec: shape({
    selector: shape({ matchLabels: oneOf({ name: "multus" }) }),
    template: shape({
      spec: fc.record(
        {
          containers: list(container),
          initContainers: list(container),
          volumes: list(volume),
          nodeSelector: oneOf({ "kubernetes.io/os": "linux" }, { zone: "a" }),
          affinity: shape({
            nodeAffinity: shape({
              requiredDuringSchedulingIgnoredDuringExecution: shape({
                nodeSelectorTerms: list(shape({ matchExpressions: terms, matchFields: terms })),
              }),
            }),
          }),
        },
        { requiredKeys: ["containers"] },
      ),
    }),
  }),
});
const configuration = fc.oneof(
  fc
    .dictionary(
      oneOf("socketDir", "SocketDir", "namespaceIsolation", "perNodeCertificate", "constructor", "x").map(
        String,
      ),
      oneOf("/host/run/multus/", true, { enabled: true }),
    )
    .map((keys) => JSON.stringify(keys)),
  fc.json({ maxDepth: 2 }),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const answers = fc.record({
  version: shape({ gitVersion: oneOf("v1.36.0", "v1.2"), major: oneOf("1"), minor: oneOf("36", "21+") }),
  daemonSets: fc.array(daemonSet, { maxLength: 3 }),
  nodes: fc.array(
    shape({
      metadata: shape({ name: oneOf("a", "b") }),
      status: shape({
        nodeInfo: shape({
          architecture: oneOf("amd64", "s390x"),
          operatingSystem: oneOf("linux", "windows"),
          kernelVersion: oneOf("6.1.0", "4.4"),
          containerRuntimeVersion: oneOf("containerd://2.4.2", "cri-o://1.36.0", "docker://20"),
        }),
      }),
    }),
    { maxLength: 3 },
  ),
  configMap: shape({ data: oneOf({ [file]: "{}" }) }),
});

it("judges objects of the right shape with wrong values, and any text of a configuration", async () => {
  const context: PreflightContext = { kernels: loadKernels(), binDirs: [], thinOptions: [] };
  let configurations = 0;
  await fc.assert(
    fc.asyncProperty(answers, configuration, fc.boolean(), async (given, text, hasText) => {
      const configMap = hasText ? { data: { [file]: text, constructor: text } } : given.configMap;
      const report = await examine(answering({ ...given, configMap }), "https://here", context);
      for (const { message, subject } of report.findings) {
        expect(message).not.toBe("");
        expect(typeof subject).toBe("string");
      }
      configurations += report.findings.filter(({ area }) => area === "configuration").length;
      expect(JSON.stringify(preflightJson(report))).toContain('"answer"');
      expect(formatPreflight(report).split("\n").length).toBeGreaterThanOrEqual(report.findings.length);
    }),
  );
  // Some were read as Multus's, with a configuration: otherwise this shows nothing.
  expect(configurations).toBeGreaterThan(0);
});
