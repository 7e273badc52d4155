/** Nodes and Multus's pods as an API server lists them, for commands that ask all nodes. */

const directory = { name: "run", hostPath: { path: "/run/multus" } };
const configuration = { name: "cni", hostPath: { path: "/etc/cni/net.d" } };
const daemonConfig = { name: "config", configMap: { name: "multus-daemon-config" } };

/** Secrets of the pod's author that nothing may pass on. */
export interface PodSecrets {
  readonly environment?: string;
  readonly annotation?: string;
}

/** `spec` of a thick pod. @param more of the container */
function podSpec(more: object = {}): object {
  return {
    containers: [
      {
        name: "kube-multus",
        image: "localhost/multus-wasm:0.1.0",
        command: ["/usr/local/bin/multusd"],
        volumeMounts: [
          { name: "run", mountPath: "/host/run/multus" },
          { name: "cni", mountPath: "/host/etc/cni/net.d" },
          { name: "config", mountPath: "/etc/cni/net.d/multus.d" },
        ],
        ...more,
      },
    ],
    volumes: [directory, configuration, daemonConfig],
  };
}

const secretParts = ({ environment, annotation }: PodSecrets) => ({
  env: environment === undefined ? [] : [{ name: "PASS", value: environment }],
  annotations: annotation === undefined ? {} : { "example.com/note": annotation },
});

/** A pod of a thick daemon that runs. @param more further fields of its container */
export function daemonPod(node: string, more: object = {}, secrets: PodSecrets = {}): object {
  const { env, annotations } = secretParts(secrets);
  const name = `kube-multus-ds-${node}`;
  return {
    metadata: { namespace: "kube-system", name, annotations },
    spec: { ...podSpec({ env, ...more }), nodeName: node },
    status: {
      phase: "Running",
      containerStatuses: [{ name: "kube-multus", ready: true, restartCount: 1, state: { running: {} } }],
    },
  };
}

export function daemonSet(secrets: PodSecrets = {}): object {
  const { env, annotations } = secretParts(secrets);
  const template = { metadata: { annotations }, spec: podSpec({ env }) };
  const metadata = { namespace: "kube-system", name: "kube-multus-ds", annotations };
  return { metadata, spec: { selector: { matchLabels: { name: "multus" } }, template } };
}

export function machine(name: string, annotation = ""): object {
  return {
    metadata: { name, annotations: { note: annotation } },
    status: { nodeInfo: { operatingSystem: "linux", architecture: "amd64", kubeletVersion: "v1.36.0" } },
  };
}
