/** The manifests of deploy/, as they are, put together by kustomize and rendered by Helm, before a real API server; and the way from Go multus's and back. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiServer } from "../support/cluster/api-server.ts";
import { helmProgram } from "../support/cluster/binaries.ts";
import {
  byName,
  chart,
  daemonSetOf,
  kustomize,
  kustomizeOwn,
  type Manifest,
  manifests,
  renderChart,
} from "../support/cluster/deployment.ts";
import { dryRun, expectAccepted } from "../support/cluster/dry-run.ts";
import { goDaemonSet } from "../support/cluster/go-daemon-set.ts";
import { HostPlaces } from "../support/cluster/host-places.ts";
import { inPodWith, ServiceAccountFiles } from "../support/cluster/service-account-files.ts";
import { runCommand } from "../support/command.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { session, sessionVariable } from "../support/session.ts";

const daemonSetPath = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-multus-ds";
const valuesFiles = readdirSync(join(chart, "ci")).sort();

let scratch: ScratchDirectory;
let api: ApiServer;

beforeAll(async () => {
  scratch = new ScratchDirectory("deploy");
  api = await ApiServer.start();
});

afterAll(async () => {
  await api?.[Symbol.asyncDispose]();
  scratch?.[Symbol.dispose]();
});

describe("the API server accepts, without a warning", () => {
  test.each(["base", "thick", "thin"])("kubectl kustomize deploy/%s", async (directory) => {
    await expectAccepted(api, await kustomize(directory));
  });

  test.each(["thick", "thin"])("%s goes to nodes that it can run on alone", async (directory) => {
    const { spec } = daemonSetOf(manifests(await kustomize(directory))).spec.template;
    expect(spec).toMatchObject({ nodeSelector: { "kubernetes.io/os": "linux" } });
  });

  test("a kustomization of a user's own: all components, another image and configuration", async () => {
    const ownConfig = '{"chrootDir": "/hostroot", "logLevel": "debug"}';
    scratch.write("own/daemon-config.json", ownConfig);
    const components = ["http-clients", "per-node-certificate", "evict-missing"];
    const text = await kustomizeOwn(join(scratch.path, "own"), "thick", components, {
      images: [{ name: "localhost/multus-wasm", newName: "registry.test/multus-wasm", newTag: "1" }],
      configMapGenerator: [
        {
          name: "multus-daemon-config",
          namespace: "kube-system",
          behavior: "merge",
          files: ["daemon-config.json"],
        },
      ],
    });
    await expectAccepted(api, text);
    const objects = manifests(text);
    const { template } = daemonSetOf(objects).spec;
    expect(template.spec.containers[0]?.securityContext).toMatchObject({ privileged: true });
    expect(template.spec.initContainers?.[0]?.securityContext).toMatchObject({ privileged: false });
    expect(text).not.toContain("localhost/");
    const file = byName(objects)["ConfigMap multus-daemon-config"]?.data?.["daemon-config.json"] ?? "";
    expect(JSON.parse(file)).toEqual({
      ...JSON.parse(ownConfig),
      onMissingNetworks: "evict",
      perNodeCertificate: {
        enabled: true,
        bootstrapKubeconfig: "/etc/kubernetes/kubelet.conf",
        certDir: "/etc/cni/multus/certs",
        certDuration: "24h",
      },
    });
  });

  test.each(valuesFiles)("the chart with %s", async (values) => {
    const outcome = await runCommand([
      helmProgram(),
      "lint",
      "--strict",
      chart,
      "--values",
      join(chart, "ci", values),
    ]);
    expect(outcome.exitCode, outcome.stdout.toString() + outcome.stderr).toBe(0);
    await expectAccepted(api, await renderChart("--values", join(chart, "ci", values)));
  });

  test("and refuses, so it does look: a field that it does not know", async () => {
    const wrong = (await kustomize("thick")).replace("hostNetwork: true", "hostNetwrok: true");
    const { exitCode, stderr } = await dryRun(api, wrong);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("hostNetwrok");
  });
});

/** Without what Helm puts on everything, and with the daemon's configuration as what it says. */
function withoutHelm(text: string): unknown {
  const objects = manifests(text).map((object) => {
    const {
      "helm.sh/chart": _,
      "app.kubernetes.io/managed-by": __,
      ...labels
    } = object.metadata.labels ?? {};
    const { labels: ___, ...metadata } = object.metadata;
    const file = object.data?.["daemon-config.json"];
    return {
      ...object,
      metadata: Object.keys(labels).length > 0 ? { ...metadata, labels } : metadata,
      ...(file === undefined ? {} : { data: { "daemon-config.json": JSON.parse(file) } }),
    } as Manifest;
  });
  const { spec } = daemonSetOf(objects);
  const annotations: Record<string, string> | undefined = Reflect.get(spec.template.metadata, "annotations");
  if (annotations !== undefined) {
    expect(Object.keys(annotations)).toEqual(["checksum/config"]);
    Reflect.deleteProperty(spec.template.metadata, "annotations");
  }
  return byName(objects);
}

describe("the chart renders what kustomize puts together", () => {
  test.each([
    ["thick", [], []],
    ["thick", ["http-clients"], ["httpClients.enabled=true"]],
    ["thick", ["per-node-certificate"], ["perNodeCertificate.enabled=true"]],
    [
      "thick",
      ["http-clients", "per-node-certificate"],
      ["httpClients.enabled=true", "perNodeCertificate.enabled=true"],
    ],
    ["thick", ["evict-missing"], ["onMissingNetworks=evict"]],
    ["thin", ["refuse-broken-networks"], ["mode=thin", "admissionPolicies.refuseBrokenNetworks=true"]],
    [
      "thick",
      ["per-node-certificate", "evict-missing"],
      ["perNodeCertificate.enabled=true", "onMissingNetworks=evict"],
    ],
    ["thick", ["kubernetes-before-1.30"], ["admissionPolicies.enabled=false"]],
    ["thin", [], ["mode=thin"]],
    ["thin", ["kubernetes-before-1.30"], ["mode=thin", "admissionPolicies.enabled=false"]],
  ])("%s with components %j and values %j", async (directory, components, values) => {
    const own = join(scratch.path, [directory, ...components].join("+"));
    mkdirSync(own);
    const composed = await kustomizeOwn(own, directory, components);
    const rendered = await renderChart(...values.flatMap((value) => ["--set", value]));
    expect(withoutHelm(rendered)).toEqual(withoutHelm(composed));
  });
});

/** Pods with it go nowhere else. */
const onNodesWith = (label: string) => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: label, operator: "Exists" }] }],
    },
  },
});

describe("the kubelet's directories, for devices", () => {
  const mountsOf = (text: string) =>
    (daemonSetOf(manifests(text)).spec.template.spec.containers[0]?.volumeMounts ?? []).filter(
      ({ mountPath }) => mountPath.startsWith("/var/lib/kubelet") || mountPath.endsWith("devinfo"),
    );

  test("are mounted, those of the kubelet read-only, and not where devices are off", async () => {
    expect(mountsOf(await renderChart())).toEqual([
      { name: "kubelet-pod-resources", mountPath: "/var/lib/kubelet/pod-resources", readOnly: true },
      { name: "kubelet-device-plugins", mountPath: "/var/lib/kubelet/device-plugins", readOnly: true },
      { name: "device-info", mountPath: "/var/run/k8s.cni.cncf.io/devinfo" },
    ]);
    expect(mountsOf(await renderChart("--set", "devices.enabled=false"))).toEqual([]);
    expect(mountsOf(await renderChart("--set", "mode=thin"))).toEqual([]);
  });

  test("may be elsewhere on the node", async () => {
    const text = await renderChart("--set", "hostPaths.podResources=/var/lib/k0s/kubelet/pod-resources");
    expect(daemonSetOf(manifests(text)).spec.template.spec.volumes).toContainEqual({
      name: "kubelet-pod-resources",
      hostPath: { path: "/var/lib/k0s/kubelet/pod-resources", type: "DirectoryOrCreate" },
    });
  });
});

describe("the approver of certificates", () => {
  const specOf = (text: string) =>
    byName(manifests(text))["Deployment multus-cert-approver"] as unknown as {
      readonly spec: { readonly template: { readonly spec: Readonly<Record<string, unknown>> } };
    };
  const enabled = ["--set", "perNodeCertificate.enabled=true"];

  test("goes to control-plane nodes and to no others", async () => {
    const { affinity, tolerations } = specOf(await renderChart(...enabled)).spec.template.spec;
    expect(affinity).toEqual(onNodesWith("node-role.kubernetes.io/control-plane"));
    expect(tolerations).toContainEqual({ key: "node-role.kubernetes.io/control-plane", operator: "Exists" });
  });

  test("goes to any node where the label is empty", async () => {
    const values = [...enabled, "--set", "perNodeCertificate.approver.nodeLabel="];
    expect(specOf(await renderChart(...values)).spec.template.spec).not.toHaveProperty("affinity");
  });

  test("approves what daemons ask for by default", async () => {
    const text = await renderChart(...enabled);
    const file =
      byName(manifests(text))["ConfigMap multus-daemon-config"]?.data?.["daemon-config.json"] ?? "";
    const { certDuration } = JSON.parse(file).perNodeCertificate;
    expect(specOf(text).spec.template.spec).toMatchObject({
      containers: [{ args: [`--max-duration=${certDuration}`] }],
    });
  });
});

describe("admission policies", () => {
  const policies = (text: string) =>
    manifests(text)
      .filter(({ kind }) => kind.startsWith("ValidatingAdmissionPolicy"))
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  const all = ["pods", "events"].flatMap((name) => [
    `ValidatingAdmissionPolicy multus-wasm-${name}`,
    `ValidatingAdmissionPolicyBinding multus-wasm-${name}`,
  ]);

  test("are there by default from Kubernetes 1.30 on, and not for servers that do not know them", async () => {
    expect(policies(await renderChart()).sort()).toEqual(all.sort());
    expect(policies(await renderChart("--kube-version", "1.30.0")).sort()).toEqual(all.sort());
    expect(policies(await renderChart("--kube-version", "1.29.15"))).toEqual([]);
  });

  test("name the service account by the namespace that the chart is installed in", async () => {
    const text = await renderChart("--namespace", "networks");
    expect(text).toContain("system:serviceaccount:networks:multus");
    expect(text).not.toContain("system:serviceaccount:kube-system");
  });
});

describe("the chart's values", () => {
  const everything = ["--values", join(chart, "ci", "everything-values.yaml")];

  test("set daemon-config.json key by key, and null takes a key away", async () => {
    const objects = byName(manifests(await renderChart(...everything)));
    const file = objects["ConfigMap multus-daemon-config"]?.data?.["daemon-config.json"] ?? "";
    expect(JSON.parse(file)).toEqual({
      chrootDir: "/hostroot",
      cniConfigDir: "/host/etc/cni/net.d",
      multusAutoconfigDir: "/host/etc/cni/net.d",
      multusConfigFile: "auto",
      socketDir: "/host/run/multus",
      logLevel: "debug",
      namespaceIsolation: true,
      nativeNetworks: "off",
      maxConcurrent: 32,
      onMissingNetworks: "evict",
      metricsPort: 9555,
      perNodeCertificate: {
        enabled: true,
        bootstrapKubeconfig: "/var/lib/kubelet/kubeconfig",
        certDir: "/etc/cni/multus/certs",
        certDuration: "12h",
      },
      logOptions: { maxSize: 10 },
    });
  });

  test("go where they belong", async () => {
    const text = await renderChart(...everything);
    const { template } = daemonSetOf(manifests(text)).spec;
    expect(template.spec).toMatchObject({
      imagePullSecrets: [{ name: "registry" }],
      priorityClassName: "system-cluster-critical",
      nodeSelector: { "kubernetes.io/os": "linux", "example.test/pods": "many" },
      tolerations: [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }],
      containers: [
        {
          image: "registry.test:5000/team/multus-wasm:1",
          imagePullPolicy: "Always",
          resources: { requests: { cpu: "50m", memory: "100Mi" }, limits: { cpu: "2", memory: "1Gi" } },
          ports: [{ name: "metrics", containerPort: 9555 }],
        },
      ],
      initContainers: [{ image: "registry.test:5000/team/multus-wasm:1", imagePullPolicy: "Always" }],
    });
    expect(JSON.stringify(template.spec.volumes)).toContain("/var/lib/rancher/k3s/agent/etc/cni/net.d");
    expect(text).not.toContain("path: /opt/cni/bin");
    expect(byName(manifests(text))["Deployment multus-cert-approver"]).toMatchObject({
      spec: {
        template: {
          spec: {
            imagePullSecrets: [{ name: "registry" }],
            affinity: onNodesWith("example.test/trusted"),
            tolerations: [{ key: "example.test/trusted", operator: "Exists" }],
            containers: [
              {
                image: "registry.test:5000/team/multus-wasm:1",
                imagePullPolicy: "Always",
                args: ["--max-duration=13h"],
              },
            ],
          },
        },
      },
    });
    // The same paths in the container: a kubeconfig names its files by them.
    for (const path of ["/var/lib/kubelet/kubeconfig", "/var/lib/kubelet/certificates"]) {
      expect(text).toContain(`mountPath: ${path}\n`);
      expect(text).toContain(`path: ${path}\n`);
    }
  });

  test("of thin: what is written onto a node that has its directories elsewhere names them by their paths there", async () => {
    const hostPaths = {
      cniConfDir: "/srv/cni/net.d",
      cniBinDir: "/srv/cni/bin",
      multusConfDir: "/srv/networks.d",
    };
    const values = ["--set", "mode=thin", "--set-json", `hostPaths=${JSON.stringify(hostPaths)}`];
    const { spec } = daemonSetOf(manifests(await renderChart(...values))).spec.template;
    const [container] = spec.containers;
    const ownOf = (path = "") => join(scratch.path, "node", path);
    const places = (container?.volumeMounts ?? []).map(({ name, mountPath }) => [
      mountPath,
      ownOf(spec.volumes?.find((volume) => volume.name === name)?.hostPath?.path),
    ]);
    using pod = new HostPlaces(Object.fromEntries(places), []);
    const cluster = { cniVersion: "0.4.0", name: "cluster", type: "bridge" };
    writeFileSync(join(ownOf(hostPaths.cniConfDir), "10-cluster.conf"), JSON.stringify(cluster));
    const account = new ServiceAccountFiles(
      join(scratch.path, "account"),
      scratch.write("authority", "certificate"),
      "kube-system",
      "token",
    );
    const multusctl = join(import.meta.dirname, "..", "..", "build", "multusctl.mjs");
    const [command = "", ...words] = [
      ...pod.through,
      ...inPodWith(account.directory),
      process.execPath,
      multusctl,
    ];
    const daemon = ["--daemon-command", "none"];
    const entrypoint = spawn(command, [...words, "thin-entrypoint", ...(container?.args ?? []), ...daemon], {
      stdio: "inherit",
      env: {
        PATH: process.env.PATH,
        KUBERNETES_SERVICE_HOST: "127.0.0.1",
        KUBERNETES_SERVICE_PORT: "443",
        [sessionVariable]: session,
      },
    });
    const ended = once(entrypoint, "exit");
    const written = join(ownOf(hostPaths.cniConfDir), "00-multus.conf");
    try {
      await expect.poll(() => existsSync(written), { timeout: 30_000 }).toBe(true);
    } finally {
      entrypoint.kill();
      await ended;
    }
    const { kubeconfig, confDir } = JSON.parse(readFileSync(written, "utf8"));
    expect({ kubeconfig, confDir }).toEqual({
      kubeconfig: `${hostPaths.cniConfDir}/multus.d/multus.kubeconfig`,
      confDir: hostPaths.multusConfDir,
    });
    expect(existsSync(ownOf(kubeconfig))).toBe(true);
    expect(existsSync(join(ownOf(hostPaths.cniBinDir), "multus"))).toBe(true);
    // Where multusd would be: the command that starts it is made of this.
    expect(container?.args).toContain(`--cni-bin-dir=/host${hostPaths.cniBinDir}`);
  });

  test("another configuration is another pod", async () => {
    const templateWith = async (...args: string[]) =>
      JSON.stringify(daemonSetOf(manifests(await renderChart(...args))).spec.template);
    const [first, same, other] = [
      await templateWith(),
      await templateWith(),
      await templateWith("--set", "daemonConfig.maxConcurrent=8"),
    ];
    expect(first).toBe(same);
    expect(first).not.toBe(other);
  });

  test.each([
    ["mode=thicker", "mode"],
    ["thinArguments={--namespace-isolation}", "thinArguments"],
    ["mode=thin,metrics.enabled=true", "mode thin"],
    ["htpClients.enabled=true", "htpClients"],
    ["metrics.port=70000", "port"],
    ["hostPaths.cniBinDir=opt/cni/bin", "cniBinDir"],
    ["perNodeCertificate.kubeletPki=pki", "kubeletPki"],
    ["perNodeCertificate.approver.maxDuration=", "maxDuration"],
    ["admissionPolicies.enabled=perhaps", "admissionPolicies"],
  ])("%s is refused", async (value, named) => {
    await expect(renderChart("--set", value)).rejects.toThrow(named);
  });
});

const go = goDaemonSet(
  "go.test/multus:thick",
  ["/usr/src/multus-cni/bin/multus-daemon"],
  ["/usr/src/multus-cni/bin/install_multus"],
);

describe("over Go multus and back", () => {
  const specOf = async () => (await api.request<{ readonly spec: unknown }>("GET", daemonSetPath)).spec;

  test.each([["thick"], ["thin"]])("kubectl apply of %s leaves nothing of the other", async (directory) => {
    const ours = await kustomize(directory);
    await api.apply(ours);
    const oursAlone = await specOf();
    await api.kubectl("delete", "daemonset", "kube-multus-ds", "-n", "kube-system");
    await api.apply(JSON.stringify(go));
    const goAlone = await specOf();

    expect(await api.apply(ours)).toContain("daemonset.apps/kube-multus-ds configured\n");
    expect(await specOf()).toEqual(oursAlone);
    expect(await api.apply(JSON.stringify(go))).toContain("daemonset.apps/kube-multus-ds configured\n");
    expect(await specOf()).toEqual(goAlone);
  });

  const helm = async (...args: string[]) => {
    const command = [helmProgram(), ...args, "--namespace", "kube-system"];
    const { exitCode, stdout, stderr } = await runCommand(command, {
      env: { PATH: process.env.PATH, HOME: scratch.path, KUBECONFIG: api.adminKubeconfig },
    });
    expect(exitCode, `helm ${args[0]}: ${stderr}`).toBe(0);
    return stdout.toString();
  };
  const imported = ["--set", "image.local=true"];
  const install = [
    "upgrade",
    "--install",
    "multus",
    chart,
    ...imported,
    "--take-ownership",
    "--force-conflicts",
  ];

  test("helm takes over what kubectl applied, its pods too; kubectl takes it back, and helm forgets it", async () => {
    await api.apply(JSON.stringify(go));
    const goAlone = await specOf();
    // As deploy/README.md has it. Pods that lost their DaemonSet belong to the next one with their labels in its selector, and are replaced one by one.
    const letPodsGo = async () => {
      const deletion = ["delete", "daemonset", "kube-multus-ds", "-n", "kube-system", "--cascade=orphan"];
      await api.kubectl(...deletion, "--wait=false");
      // This cluster has no garbage collector, which does this when it has let the pods go.
      const letGo = { metadata: { finalizers: null } };
      await api.request("PATCH", daemonSetPath, letGo, "application/merge-patch+json");
    };
    await letPodsGo();
    expect(await helm(...install)).toContain("STATUS: deployed");
    const [byHelm, byKustomize] = [await specOf(), daemonSetOf(manifests(await kustomize("thick"))).spec];
    expect(byHelm).toMatchObject({ selector: byKustomize.selector, template: byKustomize.template });
    expect(JSON.stringify(byHelm)).not.toMatch(/hostPID|hostroot/);

    await letPodsGo();
    await api.apply(JSON.stringify(go));
    expect(await specOf()).toEqual(goAlone);
    await api.kubectl("delete", "secret", "-n", "kube-system", "--selector", "owner=helm,name=multus");
    expect(await helm("list", "--short")).toBe("");
  });

  test("helm upgrade to other values leaves nothing of those before; uninstall leaves what networks are", async () => {
    await api.kubectl("delete", "daemonset", "kube-multus-ds", "-n", "kube-system", "--ignore-not-found");
    await helm(...install, "--values", join(chart, "ci", "everything-values.yaml"));
    await helm("upgrade", "multus", chart, "--reset-values", ...imported, "--set", "mode=thin");
    const { selector, template } = daemonSetOf(manifests(await kustomize("thin"))).spec;
    expect(await specOf()).toMatchObject({ selector, template, updateStrategy: { type: "RollingUpdate" } });
    expect(JSON.stringify(await specOf())).not.toMatch(/hostPID|hostroot|example\.test/);
    const left = [
      "configmap/multus-daemon-config",
      "service/multus-metrics",
      "deployment/multus-cert-approver",
    ];
    const names = ["get", "-n", "kube-system", "-o", "name", "--ignore-not-found", ...left];
    expect(await api.kubectl(...names)).toBe("");
    await helm("uninstall", "multus");
    expect(await api.kubectl("get", "crd", "-o", "name")).toContain("network-attachment-definitions");
    expect((await api.ask("GET", daemonSetPath)).status).toBe(404);
  });
});
