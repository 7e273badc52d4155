/** `kubectl multus preflight` on a real API server that has Go multus's objects as its releases are deployed: may the cluster switch, and what has to be changed? */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { ApiServer } from "../support/cluster/api-server.ts";
import { type GoRelease, goManifest, goReleases, publishedRelease } from "../support/cluster/go-releases.ts";
import { KubectlPlugin } from "../support/cluster/kubectl-plugin.ts";
import { documents, nadManifest, podManifest } from "../support/cluster/manifests.ts";
import { documentedOutput } from "../support/documented-output.ts";

const networksAnnotation = "k8s.v1.cni.cncf.io/networks";
const resourceName = "k8s.v1.cni.cncf.io/resourceName";
const image = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0";

interface Judged {
  readonly verdict: string;
  readonly [field: string]: unknown;
}

interface Report {
  readonly answer: string;
  readonly findings: readonly (Judged & { readonly area: string; readonly message: string })[];
  readonly networks: readonly (Judged & { readonly network: string; readonly messages: readonly string[] })[];
}

let api: ApiServer;
let plugin: KubectlPlugin;

beforeAll(async () => {
  api = await ApiServer.start();
  plugin = new KubectlPlugin(api.directory);
});

afterAll(() => api?.[Symbol.asyncDispose]());

async function preflight(kubeconfig = api.adminKubeconfig) {
  const { exitCode, stdout, stderr } = await plugin.run(kubeconfig, "preflight", "--json");
  expect(stderr.replace(/exit status \d|error: /g, "").trim()).toBe("");
  const report: Report = JSON.parse(stdout);
  return { exitCode, report };
}

/** Findings that are not OK: `VERDICT area subject: message`. */
const notable = ({ findings }: Report) =>
  findings
    .filter(({ verdict }) => verdict !== "ok")
    .map(({ verdict, area, subject, message }) => `${verdict} ${area} ${subject}: ${message}`);

const deploy = (release: GoRelease) => api.apply(goManifest(release, image));

/** A definition with a resource's name. */
const withResource = (manifest: string, name: string) =>
  manifest.replace("spec:\n", `  annotations:\n    ${resourceName}: ${name}\nspec:\n`);

const cni = (type: string, more: object = {}) => ({ cniVersion: "1.0.0", type, ...more });
const list = (...plugins: object[]) => ({ cniVersion: "1.0.0", name: "chain", plugins });
const hostLocal = { ipam: { type: "host-local", ranges: [[{ subnet: "10.9.0.0/24" }]] } };

/** A DaemonSet that has the daemon's socket. @returns YAML */
function socketClient(name: string): string {
  const labels = { name };
  return stringify(
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name, namespace: "apps" },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [{ name: "controller", image: "example.com/controller:1" }],
            volumes: [{ name: "socket", hostPath: { path: "/var/run/multus/multus.sock" } }],
          },
        },
      },
    },
    { aliasDuplicateObjects: false },
  );
}

/** Twenty networks: manifest, and how each is judged. */
const twenty: readonly (readonly [name: string, manifest: string, verdict: string, said?: RegExp])[] = [
  ["macvlan", nadManifest("apps", "macvlan", cni("macvlan", { master: "eth1", ...hostLocal })), "ok"],
  ["bridge", nadManifest("apps", "bridge", list({ type: "bridge", ...hostLocal })), "ok"],
  ["ipvlan", nadManifest("apps", "ipvlan", cni("ipvlan", { master: "eth1" })), "ok"],
  ["vlan", nadManifest("apps", "vlan", cni("vlan", { vlanId: 5, ipam: { type: "static" } })), "ok"],
  ["host-device", nadManifest("apps", "host-device", cni("host-device", { device: "eth2" })), "ok"],
  ["ovs", nadManifest("apps", "ovs", list({ type: "ovs", bridge: "br1" })), "ok"],
  [
    "whereabouts",
    nadManifest("apps", "whereabouts", cni("macvlan", { ipam: { type: "whereabouts" } })),
    "ok",
  ],
  ["dhcp", nadManifest("apps", "dhcp", cni("macvlan", { ipam: { type: "dhcp" } })), "ok"],
  [
    "chain",
    nadManifest("apps", "chain", list({ type: "bridge" }, { type: "tuning" }, { type: "sbr" })),
    "ok",
  ],
  [
    "sriov",
    withResource(nadManifest("apps", "sriov", cni("sriov")), "example.com/vf"),
    "look",
    /gets one of the pod's devices of resource example\.com\/vf: with Go multus .* starts without them/,
  ],
  [
    "sriov-without",
    nadManifest("apps", "sriov-without", cni("sriov")),
    "look",
    /plugin sriov needs a device/,
  ],
  [
    "long-resource",
    withResource(nadManifest("apps", "long-resource", cni("macvlan")), `example.com/${"x".repeat(400)}`),
    "look",
    /is no resource's name: it has 412 characters/,
  ],
  ["from-file", nadManifest("apps", "from-file", ""), "look", /each node takes the file of its confDir/],
  ["no-version", nadManifest("apps", "no-version", { type: "macvlan" }), "look", /names no cniVersion/],
  [
    "capability",
    nadManifest("apps", "capability", cni("macvlan", { capabilities: { mca: true } })),
    "look",
    /capability mca is unknown/,
  ],
  [
    "torn",
    nadManifest("apps", "torn", '{\n  "cniVersion": "1.0.0",\n  "type": macvlan\n}'),
    "change",
    /not valid JSON.* \(line 3, column 11\)/,
  ],
  ["future", nadManifest("apps", "future", { cniVersion: "9.9.9", type: "macvlan" }), "change", /9\.9\.9/],
  ["itself", nadManifest("apps", "itself", cni("multus")), "change", /is Multus itself/],
  [
    "long-name",
    nadManifest("apps", "long-name", cni("macvlan", { name: "n".repeat(200) })),
    "change",
    /has 200 characters/,
  ],
  [
    "no-plugins",
    nadManifest("apps", "no-plugins", { cniVersion: "1.0.0", name: "x", plugins: [] }),
    "change",
  ],
];

test("a cluster without Multus is told that this would be a first installation", async () => {
  const { exitCode, report } = await preflight();
  expect(notable(report)).toEqual([
    "look daemon : no DaemonSet of Go multus is there: this would be a first installation",
    "look networks : the cluster has no NetworkAttachmentDefinitions; deploy/base brings the definition",
  ]);
  expect({ exitCode, answer: report.answer }).toEqual({ exitCode: 0, answer: "yes" });
});

describe("a cluster with Go multus's objects", () => {
  beforeAll(async () => {
    await api.applyDeployment();
    for (const namespace of ["apps", "shop"]) await api.createNamespace(namespace);
    await api.request("POST", "/api/v1/nodes", { metadata: { name: "worker-1" } });
    await api.request(
      "PATCH",
      "/api/v1/nodes/worker-1/status",
      {
        status: {
          nodeInfo: {
            architecture: "amd64",
            operatingSystem: "linux",
            containerRuntimeVersion: "containerd://2.4.0",
            kubeletVersion: "v1.36.0",
          },
        },
      },
      "application/merge-patch+json",
    );
  });

  beforeEach(() => api.kubectl("delete", "daemonset", "--all-namespaces", "--all", "--ignore-not-found"));

  test.each(["thick", "thin"] as const)("can switch from %s as it is published", async (form) => {
    await deploy(publishedRelease(form));
    const { exitCode, report } = await preflight();
    expect(notable(report)).toEqual([]);
    expect({ exitCode, answer: report.answer }).toEqual({ exitCode: 0, answer: "yes" });
    expect(report.findings.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        `Go multus, ${form}: deploy/${form} takes its place`,
        `image "${image}": Go multus 4.3`,
        "1 with Linux, amd64 or arm64: 1 × containerd://2.4.0",
        "its directories on the node are the usual ones",
        "no pod has the daemon's socket of the node: no HTTP clients",
      ]),
    );
  });

  test.each(goReleases)("reads the settings of $about without a refusal", async (release) => {
    await deploy(release);
    const { report } = await preflight();
    const said = notable(report);
    // Every setting is known, and at most has to be carried over.
    expect(said.filter((line) => /^(?:unknown|look daemon|change (?!configuration))/.test(line))).toEqual([]);
    expect(report.findings.find(({ area }) => area === "daemon")?.message).toMatch(
      release.about.includes("thick") && release.daemonConfig !== undefined
        ? /^Go multus, thick/
        : /^Go multus, thin/,
    );
  });

  test("judges each of twenty networks, and its exit code says that some have to be changed", async () => {
    await deploy(publishedRelease("thick"));
    await api.apply(documents(twenty.map(([, manifest]) => manifest)));
    const pod = (name: string, selection: string) =>
      podManifest({ namespace: "apps", name, annotations: { [networksAnnotation]: selection } });
    await api.apply(documents([pod("web", "macvlan, torn"), pod("lost", "gone"), pod("odd", "macvlan@@")]));

    const { exitCode, report } = await preflight();
    expect({ exitCode, answer: report.answer }).toEqual({ exitCode: 1, answer: "changes" });
    expect(Object.fromEntries(report.networks.map(({ network, verdict }) => [network, verdict]))).toEqual(
      Object.fromEntries(twenty.map(([name, , verdict]) => [`apps/${name}`, verdict])),
    );
    for (const [name, , verdict, said] of twenty) {
      const network = report.networks.find((each) => each.network === `apps/${name}`);
      if (verdict === "ok") expect(network?.messages, name).toEqual([]);
      else expect(network?.messages.join("\n"), name).toMatch(said ?? /./);
    }
    expect(report.networks.find(({ network }) => network === "apps/torn")).toMatchObject({
      pods: ["apps/web"],
    });
    expect(report.networks.find(({ network }) => network === "apps/whereabouts")).toMatchObject({
      plugins: ["macvlan", "whereabouts"],
    });
    expect(notable(report)).toEqual([
      "look pods network apps/gone, selected by apps/lost: there is no such NetworkAttachmentDefinition",
      expect.stringMatching(/^change pods pod apps\/odd: annotation k8s\.v1\.cni\.cncf\.io\/networks: /),
    ]);

    const { stdout, exitCode: ofText } = await plugin.run(api.adminKubeconfig, "preflight");
    expect(ofText).toBe(1);
    for (const [name, , verdict] of twenty) {
      expect(stdout).toMatch(new RegExp(`^${verdict.toUpperCase()} +apps/${name} `, "m"));
    }
    expect(stdout).toContain(`${api.url}: 6 changes needed before it can switch; 7 findings to look at\n`);
    await api.kubectl("delete", "--namespace", "apps", "net-attach-def,pods", "--all", "--force");
  });

  test("prints what its page shows", async () => {
    const release = publishedRelease("thick");
    await deploy({ ...release, daemonConfig: { ...release.daemonConfig, logLevel: "debug" } });
    await api.apply(socketClient("dynamic-networks"));
    await api.apply(
      documents([
        nadManifest("shop", "storage", cni("macvlan", { master: "eth1", ...hostLocal })),
        withResource(nadManifest("shop", "video", cni("sriov")), "example.com/vf"),
        nadManifest("shop", "backup", '{\n  "cniVersion": "1.0.0",\n  "type": macvlan\n}'),
        podManifest({ namespace: "shop", name: "web-0", annotations: { [networksAnnotation]: "storage" } }),
        podManifest({
          namespace: "shop",
          name: "web-1",
          annotations: { [networksAnnotation]: "storage,backup" },
        }),
      ]),
    );
    const { exitCode, stdout } = await plugin.run(api.adminKubeconfig, "preflight");
    await api.kubectl("delete", "--namespace", "shop", "net-attach-def,pods", "--all", "--force");
    const version = /Kubernetes v[\d.]+/;
    const shown = stdout.replace(api.url, "https://10.0.0.1:6443").replace(version, "Kubernetes v1.36.0");
    expect(shown).toBe(documentedOutput("kubectl.md", "kubectl multus preflight"));
    expect(exitCode).toBe(1);
  });

  test("finds other paths, a client of the socket, own configuration, and nodes without an image", async () => {
    const release = publishedRelease("thick");
    const manifest = goManifest(
      { ...release, daemonConfig: { ...release.daemonConfig, namespaceIsolation: true, binDri: "/x" } },
      image.replace("v4.3.0", "snapshot-thick"),
    )
      .replaceAll(/path: \/etc\/cni\/net\.d$/gm, "path: /var/lib/rancher/k3s/agent/etc/cni/net.d")
      .replaceAll(/path: \/opt\/cni\/bin$/gm, "path: /var/lib/rancher/k3s/data/cni");
    await api.apply(manifest);
    await api.apply(socketClient("hot-plug"));
    await api.request("POST", "/api/v1/nodes", { metadata: { name: "power-1" } });
    await api.request(
      "PATCH",
      "/api/v1/nodes/power-1/status",
      { status: { nodeInfo: { architecture: "ppc64le", operatingSystem: "linux" } } },
      "application/merge-patch+json",
    );
    const { exitCode, report } = await preflight();
    await api.kubectl("delete", "node/power-1");
    const ours = "daemonset kube-system/kube-multus-ds";
    expect(notable(report)).toEqual([
      "change nodes : there is no image for the machines of power-1 (ppc64le)",
      `look version ${ours}: image "ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick" does not say its release; 3.9 to 4.3 were tried`,
      `change paths ${ours}: "/var/lib/rancher/k3s/agent/etc/cni/net.d" on the node is its /etc/cni/net.d`,
      `change paths ${ours}: "/var/lib/rancher/k3s/data/cni" on the node is its /opt/cni/bin`,
      `look configuration ${ours}: daemon-config.json: key "binDri" is not known: it is ignored`,
      `change configuration ${ours}: daemon-config.json has keys or values of its own: namespaceIsolation; they mean the same here`,
      expect.stringMatching(/^look configuration .*: namespaceIsolation: here it also counts for /),
      "change clients daemonset apps/hot-plug: has /run/multus/multus.sock of the node: it asks Multus's daemon over HTTP, to attach networks to pods that run, say",
    ]);
    expect(report.findings.find(({ area }) => area === "paths")?.remedy).toContain(
      "--set hostPaths.cniConfDir=/var/lib/rancher/k3s/agent/etc/cni/net.d",
    );
    expect(exitCode).toBe(1);
  });

  test("says what it was not allowed to see, and that the answer is not known then", async () => {
    await deploy(publishedRelease("thick"));
    const token = await api.createToken("apps", "default");
    const { exitCode, report } = await preflight(api.kubeconfigFor({ token }));
    expect(notable(report)).toEqual([
      "unknown nodes : not allowed to list nodes",
      "unknown daemon : not allowed to list daemonsets.apps in all namespaces",
      "unknown clients : not allowed to list pods in all namespaces",
      expect.stringMatching(
        /^unknown networks : cannot check the networks: .*not allowed to list network-attachment/,
      ),
    ]);
    expect({ exitCode, answer: report.answer }).toEqual({ exitCode: 2, answer: "unknown" });
  });

  test("the role of its page is enough for all of it", async () => {
    await deploy(publishedRelease("thick"));
    const rules = [
      {
        apiGroups: ["k8s.cni.cncf.io"],
        resources: ["network-attachment-definitions"],
        verbs: ["get", "list"],
      },
      { apiGroups: ["apps"], resources: ["daemonsets"], verbs: ["list"] },
      { apiGroups: [""], resources: ["pods", "nodes"], verbs: ["list"] },
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["multus-daemon-config"], verbs: ["get"] },
    ];
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const [metadata, apiGroup] = [{ name: "preflight" }, "rbac.authorization.k8s.io"];
    await api.request("POST", "/api/v1/namespaces/apps/serviceaccounts", { metadata });
    await api.request("POST", `${rbac}/clusterroles`, { metadata, rules });
    await api.request("POST", `${rbac}/clusterrolebindings`, {
      metadata,
      subjects: [{ kind: "ServiceAccount", name: "preflight", namespace: "apps" }],
      roleRef: { apiGroup, kind: "ClusterRole", name: "preflight" },
    });
    const token = await api.createToken("apps", "preflight");
    await api.untilServed("/api/v1/nodes?limit=1", token);
    const { exitCode, report } = await preflight(api.kubeconfigFor({ token }));
    expect(notable(report)).toEqual([]);
    expect(exitCode).toBe(0);
  });
});

test("a server that does not answer is no answer, either", async () => {
  const kubeconfig = api.kubeconfigFor({ token: "x" }, "https://127.0.0.1:1");
  const { exitCode, stdout, stderr } = await plugin.run(kubeconfig, "preflight");
  expect(stderr).toContain("the API server cannot be reached");
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
});
