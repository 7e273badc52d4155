/** The Helm chart's values: each distribution, each knob and each mistake, rendered by Helm and asked of a real API server. */

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ApiServer } from "../support/cluster/api-server.ts";
import { helmProgram, prometheusOperatorDefinitions } from "../support/cluster/binaries.ts";
import {
  byName,
  chart,
  daemonSetOf,
  deployDirectory,
  firstPodOf,
  kustomizeOwn,
  type Manifest,
  manifests,
  notesOfChart,
  type PodTemplate,
  renderChart,
} from "../support/cluster/deployment.ts";
import { dryRun, expectAccepted } from "../support/cluster/dry-run.ts";
import { runOrThrow } from "../support/command.ts";

let api: ApiServer;

beforeAll(async () => {
  api = await ApiServer.start();
  // A pod is admitted only where its account is there, a custom resource only where its definition is. Neither is made by `kubectl
  // apply`, which would be a manager of fields that the chart's objects have too.
  await api.kubectl("create", "serviceaccount", "multus", "--namespace", "kube-system");
  await api.kubectl("create", "-f", join(deployDirectory, "base", "crd.yaml"));
  await api.untilServed("/apis/k8s.cni.cncf.io/v1/network-attachment-definitions");
  for (const kind of ["podmonitors", "prometheusrules"]) {
    const file = join(prometheusOperatorDefinitions(), `monitoring.coreos.com_${kind}.yaml`);
    await api.kubectl("create", "-f", file);
    await api.untilServed(`/apis/monitoring.coreos.com/v1/${kind}`);
  }
});

afterAll(() => api?.[Symbol.asyncDispose]());

const set = (...values: readonly string[]) => values.flatMap((value) => ["--set", value]);
const json = (value: string) => ["--set-json", value];

/** Objects that the chart renders, by kind and name. */
const rendered = async (...args: readonly string[]) => byName(manifests(await renderChart(...args)));

/** The pod of the DaemonSet that the chart renders. */
async function podOf(...args: readonly string[]): Promise<PodTemplate> {
  return daemonSetOf(manifests(await renderChart(...args))).spec.template;
}

/** Directories and files of the node, by the volume's name. */
async function hostPathsOf(...args: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const { volumes = [] } = (await podOf(...args)).spec;
  return Object.fromEntries(
    volumes.flatMap(({ name, hostPath }) => (hostPath === undefined ? [] : [[name, hostPath.path]])),
  );
}

/** Directories that each distribution has elsewhere than kubeadm, by the volume's name. */
const places: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  k3s: { cni: "/var/lib/rancher/k3s/agent/etc/cni/net.d", cnibin: "/var/lib/rancher/k3s/data/cni" },
  rke2: {},
  microk8s: {
    cni: "/var/snap/microk8s/current/args/cni-network",
    cnibin: "/var/snap/microk8s/current/opt/cni/bin",
    "kubelet-pod-resources": "/var/snap/microk8s/common/var/lib/kubelet/pod-resources",
  },
  k0s: { "kubelet-pod-resources": "/var/lib/k0s/kubelet/pod-resources" },
  openshift: { cni: "/etc/kubernetes/cni/net.d", cnibin: "/var/lib/cni/bin" },
  talos: { "host-run-multus": "/var/run/multus" },
  gke: { cnibin: "/home/kubernetes/bin" },
  kind: {},
};
const distributions = Object.keys(places);

describe.each(distributions)("on %s", (distribution) => {
  const preset = set(`distribution=${distribution}`);

  test.each([
    ["thick", []],
    ["thin", ["mode=thin"]],
    [
      "everything of thick",
      [
        "httpClients.enabled=true",
        "onMissingNetworks=evict",
        "metrics.enabled=true",
        "metrics.podMonitor.enabled=true",
        "metrics.prometheusRule.enabled=true",
        "metrics.dashboard.enabled=true",
        "perNodeCertificate.enabled=true",
        "perNodeCertificate.bootstrapKubeconfig=/etc/kubelet.conf",
        "perNodeCertificate.kubeletPki=/etc/kubelet",
      ],
    ],
  ])("the API server accepts %s without a warning", async (_, values) => {
    await expectAccepted(api, await renderChart(...preset, ...set(...values)));
  });

  test("the pods see the distribution's directories, and those of the values where they have some", async () => {
    expect(await hostPathsOf(...preset)).toEqual({ ...(await hostPathsOf()), ...places[distribution] });
    const thin = set("mode=thin");
    const { cni, cnibin } = await hostPathsOf(...preset);
    expect(await hostPathsOf(...preset, ...thin)).toEqual({ cni, cnibin });
    const own = ["cniConfDir=/a", "cniBinDir=/b", "podResources=/c"].map((value) => `hostPaths.${value}`);
    expect(await hostPathsOf(...preset, ...set(...own))).toMatchObject({
      cni: "/a",
      cnibin: "/b",
      "kubelet-pod-resources": "/c",
    });
  });
});

test("each distribution that the chart knows is tried here, and the schema names them all", () => {
  const known = parse(readFileSync(join(chart, "files", "distributions.yaml"), "utf8")).distributions;
  expect(Object.keys(known).sort()).toEqual([...distributions].sort());
  const schema = JSON.parse(readFileSync(join(chart, "values.schema.json"), "utf8"));
  expect(schema.properties.distribution.enum).toEqual(["", ...Object.keys(known)]);
});

test.each([
  ["k3s", "/var/lib/rancher/k3s/agent/kubelet.kubeconfig", "/var/lib/rancher/k3s/agent"],
  ["rke2", "/var/lib/rancher/rke2/agent/kubelet.kubeconfig", "/var/lib/rancher/rke2/agent"],
  ["k0s", "/var/lib/k0s/kubelet.conf", "/var/lib/k0s/kubelet/pki"],
  ["openshift", "/var/lib/kubelet/kubeconfig", "/var/lib/kubelet/pki"],
  ["talos", "/etc/kubernetes/kubeconfig-kubelet", "/var/lib/kubelet/pki"],
  ["kind", "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/pki"],
])("certificates on %s begin with the kubelet's files there", async (distribution, kubeconfig, pki) => {
  const args = set(`distribution=${distribution}`, "perNodeCertificate.enabled=true");
  expect(await hostPathsOf(...args)).toMatchObject({
    "kubelet-kubeconfig": kubeconfig,
    "kubelet-pki": pki,
  });
  const config = (await rendered(...args))["ConfigMap multus-daemon-config"]?.data?.["daemon-config.json"];
  expect(JSON.parse(config ?? "")).toMatchObject({ perNodeCertificate: { bootstrapKubeconfig: kubeconfig } });
});

test("OpenShift's constraints admit the pods, the approver's too where there is one, and only there", async () => {
  const subjects = async (...values: readonly string[]) => {
    const binding = (await rendered(...set(...values)))["RoleBinding multus-wasm-openshift"];
    return binding === undefined
      ? undefined
      : [Reflect.get(binding, "roleRef").name, ...Reflect.get(binding, "subjects")];
  };
  const account = (name: string) => ({ kind: "ServiceAccount", name, namespace: "kube-system" });
  const constraints = "system:openshift:scc:privileged";
  expect(await subjects()).toBeUndefined();
  expect(await subjects("distribution=openshift")).toEqual([constraints, account("multus")]);
  expect(await subjects("distribution=openshift", "perNodeCertificate.enabled=true")).toEqual([
    constraints,
    account("multus"),
    account("multus-cert-approver"),
  ]);
});

describe("the image", () => {
  const imagesOf = async (...args: readonly string[]) =>
    (await renderChart(...args)).match(/(?<=^ +image: ).*$/gm);
  const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

  test("of a name that no registry has is refused, and the message says what to set", async () => {
    const common = [helmProgram(), "template", "multus", chart];
    for (const name of [[], set("image.repository=localhost/own")]) {
      await expect(runOrThrow([...common, ...name])).rejects.toThrow(
        /image\.repository is localhost\/.*, which no registry has: .*--set image\.repository=.*image\.local=true/,
      );
    }
    await runOrThrow([...common, ...set("image.repository=registry.test/multus-wasm")]);
    await runOrThrow([...common, ...set("image.local=true")]);
  });

  test("is one for all containers: by tag, or by digest", async () => {
    const args = set("perNodeCertificate.enabled=true", "image.repository=registry.test/m", "image.tag=v2");
    expect(await imagesOf(...args)).toEqual(Array(3).fill("registry.test/m:v2"));
    expect(await imagesOf(...args, ...set(`image.digest=${digest}`))).toEqual(
      Array(3).fill(`registry.test/m@${digest}`),
    );
  });
});

describe("resources", () => {
  test("one that is set leaves the others; null removes one", async () => {
    const limited = await podOf(...set("resources.limits.memory=1Gi", "initResources.requests.cpu=20m"));
    expect(limited.spec.containers[0]?.resources).toEqual({
      requests: { cpu: "100m", memory: "96Mi" },
      limits: { memory: "1Gi" },
    });
    expect(limited.spec.initContainers?.[0]?.resources).toEqual({
      requests: { cpu: "20m", memory: "64Mi" },
      limits: { memory: "128Mi" },
    });
    const { spec } = await podOf(...set("resources.limits.memory=null"));
    expect(spec.containers[0]?.resources).toEqual({ requests: { cpu: "100m", memory: "96Mi" }, limits: {} });
  });

  test("of thin and of the approver are their own", async () => {
    const { spec } = await podOf(...set("mode=thin", "thinResources.limits.cpu=1"));
    expect(spec.containers[0]?.resources).toEqual({
      requests: { cpu: "10m", memory: "96Mi" },
      limits: { cpu: 1, memory: "256Mi" },
    });
    const approver = "perNodeCertificate.approver.resources.limits.memory=200Mi";
    const objects = await rendered(...set("perNodeCertificate.enabled=true", approver));
    expect(objects["Deployment multus-cert-approver"]).toMatchObject({
      spec: {
        template: {
          spec: {
            containers: [
              { resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "200Mi" } } },
            ],
          },
        },
      },
    });
  });

  /** QoS class that the API server gives a pod of the DaemonSet. */
  async function classOf(...args: readonly string[]): Promise<string> {
    const { metadata, spec } = await podOf(...args);
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...metadata, name: "one", namespace: "kube-system" },
      spec,
    };
    const command = ["create", "--dry-run=server", "--output", "json", "-f", "-"];
    const { exitCode, stdout, stderr } = await api.kubectlOutcome(command, { stdin: JSON.stringify(pod) });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    return JSON.parse(stdout.toString()).status.qosClass;
  }

  test.each(["thick", "thin"])("the pod of %s is Guaranteed where asked, by its own limits", async (mode) => {
    const args = set(`mode=${mode}`);
    expect(await classOf(...args)).toBe("Burstable");
    expect(await classOf(...args, ...set("guaranteed=true"))).toBe("Guaranteed");
    const values = ["guaranteed=true", "resources.limits.cpu=2", "thinResources.limits.cpu=2"];
    expect(await classOf(...args, ...set(...values))).toBe("Guaranteed");
    const { spec } = await podOf(...args, ...set(...values));
    const limits = { cpu: 2, memory: "256Mi" };
    expect(spec.containers[0]?.resources).toEqual({ requests: limits, limits });
  });

  test("a container without a CPU limit has one of half a CPU in a Guaranteed pod", async () => {
    const { spec } = await podOf(...set("guaranteed=true"));
    const of = (memory: string) => ({
      requests: { cpu: "500m", memory },
      limits: { cpu: "500m", memory },
    });
    expect(spec.containers[0]?.resources).toEqual(of("256Mi"));
    expect(spec.initContainers?.[0]?.resources).toEqual(of("128Mi"));
  });
});

describe("what is added to the pod", () => {
  const added = [
    ...json('extraEnv=[{"name":"HTTPS_PROXY","value":"http://proxy.test:3128"}]'),
    ...json('extraVolumes=[{"name":"ready","hostPath":{"path":"/run/flannel","type":"Directory"}}]'),
    ...json('extraVolumeMounts=[{"name":"ready","mountPath":"/run/flannel","readOnly":true}]'),
    ...set("podLabels.example\\.test/owner=network", "serviceAccount.annotations.example\\.test/role=multus"),
  ];

  test.each(["thick", "thin"])("of %s is there beside what the chart has", async (mode) => {
    const args = set(`mode=${mode}`);
    const text = await renderChart(...args, ...added);
    await expectAccepted(api, text);
    const plain = await podOf(...args);
    const { metadata, spec } = daemonSetOf(manifests(text)).spec.template;
    expect(metadata.labels).toEqual({ ...plain.metadata.labels, "example.test/owner": "network" });
    const [container, plainContainer] = [spec.containers[0], plain.spec.containers[0]];
    expect(container?.env).toEqual([
      ...(plainContainer?.env ?? []),
      { name: "HTTPS_PROXY", value: "http://proxy.test:3128" },
    ]);
    expect(container?.volumeMounts).toEqual([
      ...(plainContainer?.volumeMounts ?? []),
      { name: "ready", mountPath: "/run/flannel", readOnly: true },
    ]);
    expect(spec.volumes).toEqual([
      ...(plain.spec.volumes ?? []),
      { name: "ready", hostPath: { path: "/run/flannel", type: "Directory" } },
    ]);
    const account: Manifest | undefined = byName(manifests(text))["ServiceAccount multus"];
    expect(account?.metadata.annotations).toEqual({ "example.test/role": "multus" });
  });
});

describe("for Prometheus and Grafana", () => {
  const metrics = ["metrics.enabled=true", "metrics.port=9555"];
  const monitoring = ["podMonitor", "prometheusRule", "dashboard"];
  const enabled = monitoring.map((name) => `metrics.${name}.enabled=true`);

  test("nothing is there unless asked for", async () => {
    const objects = Object.keys(await rendered(...set(...metrics)));
    expect(objects.filter((name) => /Monitor|Rule|dashboard/.test(name))).toEqual([]);
  });

  test("the PodMonitor selects the daemons' pods, and their port by its name", async () => {
    const values = ["metrics.podMonitor.interval=15s", "metrics.podMonitor.labels.release=prometheus"];
    const text = await renderChart(...set(...metrics, ...enabled, ...values));
    const objects = byName(manifests(text));
    const monitor = objects["PodMonitor multus"];
    expect(monitor?.metadata.labels).toMatchObject({ release: "prometheus" });
    expect(monitor).toMatchObject({
      metadata: { namespace: "kube-system" },
      spec: { podMetricsEndpoints: [{ port: "metrics", interval: "15s" }] },
    });
    const { selector } = Reflect.get(monitor ?? {}, "spec");
    const { metadata, spec } = daemonSetOf(manifests(text)).spec.template;
    expect(metadata.labels).toMatchObject(selector.matchLabels);
    expect(spec.containers[0]?.ports).toEqual([{ name: "metrics", containerPort: 9555, hostPort: 9555 }]);
  });

  test("PrometheusRule and ConfigMap have alerts and dashboard as they are in deploy/grafana", async () => {
    const values = [
      "metrics.prometheusRule.labels.team=network",
      "metrics.dashboard.namespace=monitoring",
      "metrics.dashboard.annotations.grafana_folder=Network",
    ];
    const objects = await rendered(...set(...metrics, ...enabled, ...values));
    const read = (name: string) => readFileSync(join(deployDirectory, "grafana", name), "utf8");
    const rule = objects["PrometheusRule multus"];
    expect(rule?.metadata.labels).toMatchObject({ team: "network" });
    expect(Reflect.get(rule ?? {}, "spec")).toEqual(parse(read("alerts.yaml")));
    const dashboard = objects["ConfigMap multus-dashboard"];
    expect(dashboard?.metadata).toMatchObject({
      namespace: "monitoring",
      labels: { grafana_dashboard: "1" },
      annotations: { grafana_folder: "Network" },
    });
    expect(JSON.parse(dashboard?.data?.["multus.json"] ?? "")).toEqual(JSON.parse(read("dashboard.json")));
  });

  test("the Prometheus Operator's own definitions are what says so", async () => {
    const text = await renderChart(...set(...metrics, ...enabled));
    await expectAccepted(api, text);
    for (const [right, wrong] of [
      ["sourceLabels:", "sourceLabel:"],
      ["    for: 3m", "    for: soon"],
    ] as const) {
      expect(text).toContain(right);
      const { exitCode, stderr } = await dryRun(api, text.replace(right, wrong));
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/sourceLabel|rules\[0\]\.for/);
    }
  });

  test.each(monitoring)("%s without metrics is refused", async (name) => {
    await expect(renderChart(...set(`metrics.${name}.enabled=true`))).rejects.toThrow(
      `metrics.${name} is about metrics that no daemon serves: set metrics.enabled=true too`,
    );
  });
});

describe("what Helm says after an installation", () => {
  const notesOf = (...values: readonly string[]) => notesOfChart(...set(...values));

  test.each(["", ...distributions])("is how to go on (distribution %j)", async (distribution) => {
    const preset = `distribution=${distribution}`;
    const notes = await notesOf(preset);
    const { cni, cnibin } = await hostPathsOf(...set(preset));
    for (const name of [cni, cnibin, "localhost/multus-wasm:0.1.0"]) expect(notes).toContain(name);
    const first = firstPodOf(notes);
    expect(manifests(first).map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual([
      "NetworkAttachmentDefinition/first-network",
      "Pod/first-pod",
    ]);
    await expectAccepted(api, first);
  });

  test("names what is there: DaemonSet, container, socket", async () => {
    const notes = await notesOf();
    expect(notes).toContain("rollout status daemonset/kube-multus-ds");
    expect(notes).toContain("--container kube-multus -- multusctl status --socket-dir /host/run/multus\n");
    expect(await notesOf("daemonConfig.socketDir=/host/run/multus/own")).toContain(
      "--socket-dir /host/run/multus/own\n",
    );
    expect(await notesOf("mode=thin")).not.toContain("multusctl status");
  });

  test.each([
    ["distribution=microk8s", "rollout restart daemonset/kube-multus-ds"],
    ["distribution=openshift", "only one can run"],
    ["distribution=kind", '"type": "ptp"'],
    ["metrics.enabled=true", "metrics.podMonitor.enabled=true"],
    ["admissionPolicies.enabled=false", "There are no admission policies"],
  ])("with %s says so", async (value, words) => {
    expect(await notesOf(value)).toContain(words);
    expect(await notesOf()).not.toContain(words);
  });
});

describe("a mistake in the values is an error that names the key", () => {
  test.each([
    ["distribution=minikube", /'\/distribution': value must be one of '', 'k3s', .*'kind'/],
    ["resources.limit.memory=1Gi", /'\/resources': additional properties 'limit' not allowed/],
    ["resources.limits.memory=256MB", /'\/resources\/limits\/memory': '256MB' does not match/],
    ["initResources.requests.cpu=fast", /'\/initResources\/requests\/cpu'/],
    ["image.digest=sha256:abc", /'\/image\/digest'/],
    ["image.repository=registry.test/m@sha256:abc", /'\/image\/repository'/],
    ["extraEnv={A}", /'\/extraEnv\/0': got string, want object/],
    ["extraVolumeMounts[0].name=a", /'\/extraVolumeMounts\/0': missing property 'mountPath'/],
    ["metrics.podMonitor.interval=often", /'\/metrics\/podMonitor\/interval'/],
    ["perNodeCertificate.certDuration=day", /'\/perNodeCertificate\/certDuration'/],
    ["hostPaths.cniConfDir=etc/cni", /'\/hostPaths\/cniConfDir'/],
    ["podLabels.name=other", /podLabels: name has its value already/],
    ["guaranteed=yes", /'\/guaranteed': got string, want boolean/],
    [
      "distribution=microk8s,perNodeCertificate.enabled=true",
      /where distribution microk8s has the kubelet's files is not known: set perNodeCertificate\.bootstrapKubeconfig/,
    ],
    [
      "distribution=gke,perNodeCertificate.enabled=true,perNodeCertificate.bootstrapKubeconfig=/a",
      /where distribution gke has the kubelet's files is not known: set perNodeCertificate\.kubeletPki/,
    ],
  ])("%s", async (value, message) => {
    await expect(renderChart("--set", value)).rejects.toThrow(message);
  });
});

describe("the documentation", () => {
  const project = join(deployDirectory, "..");
  const read = (page: string) => readFileSync(join(project, page), "utf8");
  /** Arguments behind `helm upgrade --install multus`, as a page has them. */
  const commandsOf = (page: string) =>
    Array.from(
      read(page)
        .replaceAll(/\\\n */g, "")
        .matchAll(/helm upgrade --install multus (.*)/g),
      ([, words = ""]) => words.trim().split(/ +/),
    );

  test.each(["docs/distributions.md", "deploy/README.md", "deploy/helm/multus-wasm/README.md"])(
    "%s has commands that install the chart as they are",
    async (page) => {
      const commands = commandsOf(page);
      expect(commands.length).toBeGreaterThan(0);
      for (const [path, ...words] of commands) {
        expect(path).toBe("deploy/helm/multus-wasm");
        const args = words.filter((word) => !["--take-ownership", "--force-conflicts"].includes(word));
        await runOrThrow([helmProgram(), "template", "multus", chart, ...args]);
      }
    },
  );

  test("docs/distributions.md has the command for each distribution, under its heading", () => {
    const sections = read("docs/distributions.md").split("\n## ").slice(1);
    for (const distribution of distributions) {
      const section = sections.find((text) => text.toLowerCase().startsWith(`${distribution}\n`));
      expect(section, distribution).toContain(`distribution=${distribution}\n`);
      expect(section, distribution).toMatch(/^Read:\s\[/m);
    }
  });

  test("docs/distributions.md has a kustomization that gives the pods the directories of the preset", async () => {
    const [, yaml = ""] = /^```yaml\n([\s\S]*?)^```$/m.exec(read("docs/distributions.md")) ?? [];
    const { patches, resources } = parse(yaml);
    expect(resources).toEqual(["multus-wasm/deploy/thick"]);
    const directory = join(api.directory, "kustomization");
    mkdirSync(directory);
    const { volumes } = daemonSetOf(manifests(await kustomizeOwn(directory, "thick", [], { patches }))).spec
      .template.spec;
    const preset = (await podOf(...set("distribution=k3s"))).spec.volumes;
    expect(new Set(volumes)).toEqual(new Set(preset));
  });
});

test("the packaged chart renders what the directory does: nothing of it is left in the checkout", async () => {
  const values = set("metrics.enabled=true", "metrics.prometheusRule.enabled=true", "distribution=k3s");
  const scratch = api.directory;
  await runOrThrow([helmProgram(), "package", chart, "--destination", scratch]);
  const packed = readdirSync(scratch).filter((name) => name.endsWith(".tgz"));
  expect(packed).toEqual(["multus-wasm-0.1.0.tgz"]);
  const args = ["--namespace", "kube-system", "--include-crds", ...set("image.local=true"), ...values];
  const [file = ""] = packed;
  const text = await runOrThrow([helmProgram(), "template", "multus", join(scratch, file), ...args]);
  expect(text).toBe(await renderChart(...values));
});
