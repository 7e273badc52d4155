/**
 * How releases of Go multus are deployed: role, ConfigMap, and the commands, arguments, mounts and limits of the DaemonSet that each release's manifests have, with arguments and keys beside
 * that its users add. With our image in place of theirs.
 */

import { stringify } from "yaml";

type Json = Readonly<Record<string, unknown>>;

interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly args?: readonly string[];
  readonly mounts: readonly Mount[];
}

interface Mount {
  readonly host: string;
  readonly at: string;
  readonly propagation?: "Bidirectional" | "HostToContainer";
}

export interface GoRelease {
  readonly about: string;
  /** Rights on pods beside get and update. */
  readonly podVerbs: readonly string[];
  readonly nodeName: boolean;
  /** Of Go multus's daemon; undefined: there is none in the pod. */
  readonly daemonConfig?: Json;
  readonly hostPid: boolean;
  readonly initContainers: readonly Container[];
  readonly container: Omit<Container, "name">;
  /** Of the runtime's file, which the pod makes. */
  readonly runtimeFile: "00-multus.conf" | "00-multus.conflist";
  /** Parts of lines that the pod logs of what has no effect here. */
  readonly warnings: readonly RegExp[];
}

const bin = "/usr/src/multus-cni/bin";
const cni: Mount = { host: "/etc/cni/net.d", at: "/host/etc/cni/net.d" };
const cniBin: Mount = { host: "/opt/cni/bin", at: "/host/opt/cni/bin" };
const cniBinOfInstaller: Mount = { ...cniBin, propagation: "Bidirectional" };

const installer = (command: readonly string[]): Container => ({
  name: "install-multus-binary",
  command,
  mounts: [cniBinOfInstaller],
});

function thin(
  release: string,
  command: string,
  args: readonly string[],
  install: readonly string[],
  further: Partial<GoRelease> = {},
): GoRelease {
  return {
    about: `${release} thin`,
    podVerbs: [],
    nodeName: false,
    hostPid: false,
    initContainers: [installer(install)],
    container: { command: [command], args, mounts: [cni, cniBin] },
    runtimeFile: "00-multus.conflist",
    warnings: [],
    ...further,
  };
}

const daemonMounts: readonly Mount[] = [
  cni,
  { host: "/run", at: "/host/run" },
  { host: "/var/lib/cni/multus", at: "/var/lib/cni/multus" },
  { host: "/var/lib/kubelet", at: "/var/lib/kubelet" },
  { host: "/run/netns", at: "/run/netns", propagation: "HostToContainer" },
  { host: "/", at: "/hostroot", propagation: "HostToContainer" },
];
const mountsOfLater: readonly Mount[] = [
  ...daemonMounts.map((mount) =>
    mount.at === "/var/lib/kubelet" ? { ...mount, propagation: "HostToContainer" as const } : mount,
  ),
  { host: "/opt/cni/bin", at: "/opt/cni/bin" },
];

function thick(release: string, daemonConfig: Json, further: Partial<GoRelease> = {}): GoRelease {
  return {
    about: `${release} thick`,
    podVerbs: ["list", "watch"],
    nodeName: true,
    hostPid: true,
    daemonConfig,
    initContainers: [installer(["cp", `${bin}/multus-shim`, "/host/opt/cni/bin/multus-shim"])],
    container: { command: [`${bin}/multus-daemon`], mounts: mountsOfLater },
    runtimeFile: "00-multus.conf",
    warnings: [],
    ...further,
  };
}

const daemonConfigOf4_0 = {
  chrootDir: "/hostroot",
  confDir: "/host/etc/cni/net.d",
  logLevel: "verbose",
  socketDir: "/host/run/multus/",
  cniVersion: "0.3.1",
  cniConfigDir: "/host/etc/cni/net.d",
  multusConfigFile: "auto",
  multusAutoconfigDir: "/host/etc/cni/net.d",
};
/** daemon-config.json of the manifests from 4.1 on. */
export const daemonConfigOf4_1 = {
  chrootDir: "/hostroot",
  cniVersion: "0.3.1",
  logLevel: "verbose",
  logToStderr: true,
  cniConfigDir: "/host/etc/cni/net.d",
  multusAutoconfigDir: "/host/etc/cni/net.d",
  multusConfigFile: "auto",
  socketDir: "/host/run/multus/",
};
const installThick = [`${bin}/install_multus`, "-d", "/host/opt/cni/bin", "-t", "thick"];
const thinArgs = [
  "--multus-conf-file=auto",
  "--multus-autoconfig-dir=/host/etc/cni/net.d",
  "--cni-conf-dir=/host/etc/cni/net.d",
];

export const goReleases: readonly GoRelease[] = [
  thin(
    "3.9",
    "/entrypoint.sh",
    [
      "--multus-conf-file=auto",
      "--cni-version=0.3.1",
      "--multus-log-level=verbose",
      "--restart-crio=false",
      "--of-another-release=1",
    ],
    ["cp", `${bin}/multus`, "/host/opt/cni/bin/multus"],
    // Of CNI versions before 1.0.0.
    { runtimeFile: "00-multus.conf", warnings: [/unknown argument --of-another-release=1/] },
  ),
  thin(
    "3.9",
    `${bin}/multus-daemon`,
    [
      "-cni-version=0.3.1",
      "-cni-config-dir=/host/etc/cni/net.d",
      "-multus-autoconfig-dir=/host/etc/cni/net.d",
      "-multus-log-to-stderr=true",
      "-multus-log-level=verbose",
      "-multus-log-max-size",
      "100",
    ],
    [],
    {
      about: "3.9 thick, whose daemon is an installer",
      runtimeFile: "00-multus.conf",
      initContainers: [
        installer(["cp", `${bin}/multus`, "/host/opt/cni/bin/multus"]),
        {
          name: "generate-kubeconfig",
          command: [`${bin}/generate-kubeconfig`],
          args: [
            "-k8s-service-host=$(KUBERNETES_SERVICE_HOST)",
            "-k8s-service-port=$(KUBERNETES_SERVICE_PORT)",
          ],
          mounts: [{ ...cni, propagation: "Bidirectional" }],
        },
      ],
      warnings: [/this is thin-entrypoint/, /--multus-log-max-size has no effect/],
    },
  ),
  thin(
    "4.0",
    "/thin_entrypoint",
    [...thinArgs, "--cleanup-config-on-exit", "--multus-log-to-stderr=true"],
    ["/install_multus", "--type", "thin"],
  ),
  thick("4.0", daemonConfigOf4_0, {
    podVerbs: [],
    nodeName: false,
    container: { command: [`${bin}/multus-daemon`], mounts: daemonMounts },
  }),
  thin(
    "4.1",
    "/thin_entrypoint",
    [...thinArgs, "--skip-config-watch", "--multus-cni-conf-dir=/host/etc/cni/multus/net.d"],
    ["/install_multus", "--type", "thin"],
  ),
  thick(
    "4.1",
    {
      ...daemonConfigOf4_1,
      // As thin's file has it, and copied from there: no such file is in the daemon's pod.
      kubeconfig: "/etc/cni/net.d/multus.d/multus.kubeconfig",
    },
    { warnings: [/the kubeconfig of the configuration is not there: the pod's service account is used/] },
  ),
  thin(
    "4.2",
    "/thin_entrypoint",
    [...thinArgs, "--force-cni-version=false", "--namespace-isolation=false", "--readiness-indicator-file="],
    ["/install_multus", "--type", "thin"],
  ),
  thick(
    "4.2",
    { ...daemonConfigOf4_1, enablePprof: false, metricsPort: 9091 },
    {
      initContainers: [installer(installThick)],
      container: {
        command: [`${bin}/multus-daemon`],
        args: ["-config", "/etc/cni/net.d/multus.d/daemon-config.json"],
        mounts: [...mountsOfLater, { host: "/etc/cni/multus/net.d", at: "/etc/cni/multus/net.d" }],
      },
      warnings: [/configuration key has no effect in this version key=enablePprof/],
    },
  ),
  thin("4.3", "/thin_entrypoint", thinArgs, ["/install_multus", "-t", "thin"]),
  thick(
    "4.3",
    {
      ...daemonConfigOf4_1,
      perNodeCertificate: { enabled: false },
      auxiliaryCNIChainName: "vendor-cni-chain",
    },
    {
      initContainers: [installer(installThick)],
      container: {
        command: [`${bin}/multus-daemon`],
        mounts: [...mountsOfLater, { host: "/etc/cni/multus/net.d", at: "/etc/cni/multus/net.d" }],
      },
    },
  ),
];

/** As its manifests are published, with nothing beside. @param form of 4.3 */
export function publishedRelease(form: "thick" | "thin"): GoRelease {
  const release = goReleases.findLast(({ about }) => about === `4.3 ${form}`);
  if (release === undefined) throw new Error(`4.3 ${form} is not there`);
  return form === "thin" ? release : { ...release, daemonConfig: daemonConfigOf4_1 };
}

const labels = { tier: "node", app: "multus", name: "multus" };
const namespace = "kube-system";
const config = "multus-daemon-config";

/** Service account, role, ConfigMap and DaemonSet. @param image of all containers @returns YAML */
export function goManifest(release: GoRelease, image: string): string {
  const { podVerbs, daemonConfig } = release;
  const rules = [
    { apiGroups: ["k8s.cni.cncf.io"], resources: ["*"], verbs: ["*"] },
    { apiGroups: [""], resources: ["pods", "pods/status"], verbs: ["get", "update", ...podVerbs] },
    { apiGroups: ["", "events.k8s.io"], resources: ["events"], verbs: ["create", "patch", "update"] },
  ];
  const rbac = "rbac.authorization.k8s.io";
  const roleRef = { apiGroup: rbac, kind: "ClusterRole", name: "multus" };
  const subjects = [{ kind: "ServiceAccount", name: "multus", namespace }];
  const objects: Json[] = [
    { apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: { name: "multus" }, rules },
    { apiVersion: `${rbac}/v1`, kind: "ClusterRoleBinding", metadata: { name: "multus" }, roleRef, subjects },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "multus", namespace } },
    ...(daemonConfig === undefined
      ? []
      : [
          {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: config, namespace },
            data: { "daemon-config.json": JSON.stringify(daemonConfig, undefined, 4) },
          },
        ]),
    daemonSet(release, image),
  ];
  return objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join("---\n");
}

function daemonSet(release: GoRelease, image: string): Json {
  const { daemonConfig, hostPid, nodeName, initContainers, container } = release;
  const all = [...initContainers, container].flatMap(({ mounts }) => mounts);
  const hosts = [...new Set(all.map(({ host }) => host))];
  const volumeOf = (host: string) => `host-${hosts.indexOf(host)}`;
  const mountsOf = ({ mounts }: Pick<Container, "mounts">) =>
    mounts.map(({ host, at, propagation }) => ({
      name: volumeOf(host),
      mountPath: at,
      ...(propagation && { mountPropagation: propagation }),
    }));
  const common = { image, imagePullPolicy: "IfNotPresent", securityContext: { privileged: true } };
  const field = { name: "MULTUS_NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } };
  const resources = { cpu: "100m", memory: "50Mi" };
  const hasConfig = daemonConfig !== undefined;
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "kube-multus-ds", namespace, labels },
    spec: {
      selector: { matchLabels: { name: "multus" } },
      updateStrategy: { type: "RollingUpdate" },
      template: {
        metadata: { labels },
        spec: {
          hostNetwork: true,
          ...(hostPid && { hostPID: true }),
          tolerations: [
            { operator: "Exists", effect: "NoSchedule" },
            { operator: "Exists", effect: "NoExecute" },
          ],
          serviceAccountName: "multus",
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              ...common,
              name: "kube-multus",
              command: container.command,
              ...(container.args && { args: container.args }),
              ...(nodeName && { env: [field] }),
              resources: { requests: resources, limits: resources },
              volumeMounts: [
                ...mountsOf(container),
                ...(hasConfig
                  ? [{ name: config, mountPath: "/etc/cni/net.d/multus.d", readOnly: true }]
                  : []),
              ],
            },
          ],
          initContainers: initContainers.map((each) => ({
            ...common,
            name: each.name,
            command: each.command,
            ...(each.args && { args: each.args }),
            resources: { requests: { cpu: "10m", memory: "15Mi" } },
            volumeMounts: mountsOf(each),
          })),
          volumes: [
            ...hosts.map((host) => ({ name: volumeOf(host), hostPath: { path: host } })),
            ...(hasConfig ? [{ name: config, configMap: { name: config } }] : []),
          ],
        },
      },
    },
  };
}

/** The kubeconfig that installers of all these releases write: brackets around the server's host whatever it is. @param host of the API server @param authority PEM */
export function goKubeconfig(host: string, port: number, authority: string, token: string): string {
  return [
    "# Kubeconfig file for Multus CNI plugin.",
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    "- name: local",
    "  cluster:",
    `    server: https://[${host}]:${port}`,
    `    certificate-authority-data: ${Buffer.from(authority).toString("base64")}`,
    "users:",
    "- name: multus",
    "  user:",
    `    token: "${token}"`,
    "contexts:",
    "- name: multus-context",
    "  context:",
    "    cluster: local",
    "    user: multus",
    "current-context: multus-context",
    "",
  ].join("\n");
}
