/** The DaemonSet of Go multus's thick plugin as a node and an API server see it: names, labels, selector, mounts and their propagation, and what ours has not or has otherwise. */

const labels = { tier: "node", app: "multus", name: "multus" };

/** Host directories by their volume: where the daemon's container has them, and how mounts of the host come there. */
const daemonMounts = [
  { volume: "cni", host: "/etc/cni/net.d", at: "/host/etc/cni/net.d" },
  { volume: "cnibin", host: "/opt/cni/bin", at: "/opt/cni/bin" },
  { volume: "host-run", host: "/run", at: "/host/run" },
  { volume: "host-var-lib-cni-multus", host: "/var/lib/cni/multus", at: "/var/lib/cni/multus" },
  { volume: "host-var-lib-kubelet", host: "/var/lib/kubelet", at: "/var/lib/kubelet", follows: true },
  { volume: "host-run-netns", host: "/run/netns", at: "/run/netns", follows: true },
  { volume: "hostroot", host: "/", at: "/hostroot", follows: true },
  { volume: "multus-conf-dir", host: "/etc/cni/multus/net.d", at: "/etc/cni/multus/net.d" },
];

const config = "multus-daemon-config";

/** @param image of both containers @param daemon command of the one that stays @param installer command of the one before it */
export function goDaemonSet(image: string, daemon: readonly string[], installer: readonly string[]) {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "kube-multus-ds", namespace: "kube-system", labels },
    spec: {
      selector: { matchLabels: { name: "multus" } },
      updateStrategy: { type: "RollingUpdate" },
      template: {
        metadata: { labels },
        spec: {
          hostNetwork: true,
          hostPID: true,
          tolerations: [{ operator: "Exists", effect: "NoSchedule" }],
          serviceAccountName: "multus",
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: "kube-multus",
              image,
              command: daemon,
              env: [{ name: "MULTUS_NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
              resources: { limits: { cpu: "100m", memory: "50Mi" } },
              securityContext: { privileged: true },
              volumeMounts: [
                { name: config, mountPath: "/etc/cni/net.d/multus.d", readOnly: true },
                ...daemonMounts.map(({ volume, at, follows }) => ({
                  name: volume,
                  mountPath: at,
                  ...(follows && { mountPropagation: "HostToContainer" }),
                })),
              ],
            },
          ],
          initContainers: [
            {
              name: "install-multus-binary",
              image,
              command: installer,
              securityContext: { privileged: true },
              volumeMounts: [
                { name: "cnibin", mountPath: "/host/opt/cni/bin", mountPropagation: "Bidirectional" },
              ],
            },
          ],
          volumes: [
            { name: config, configMap: { name: config } },
            ...daemonMounts.map(({ volume, host }) => ({ name: volume, hostPath: { path: host } })),
          ],
        },
      },
    },
  };
}
