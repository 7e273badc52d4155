/** The kubelet's files of a kubeadm node, for certificate requests as the kubelet: its kubeconfig, and the certificate that it names. */

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterNode, nodeName } from "./node.ts";
import { serviceUrl } from "./service-address.ts";

const pki = "/var/lib/kubelet/pki";

/** Writes them to the places of a bare node. */
export async function writeKubeletFiles(node: ClusterNode): Promise<void> {
  const { certificate, key } = await node.api.certificates.kubelet(nodeName);
  const pair = Buffer.concat([readFileSync(certificate), readFileSync(key)]);
  const directory = node.hostPath(pki);
  mkdirSync(directory);
  const name = "kubelet-client-2026-01-01-00-00-00.pem";
  writeFileSync(join(directory, name), pair, { mode: 0o600 });
  symlinkSync(join(pki, name), join(directory, "kubelet-client-current.pem"));

  const current = join(pki, "kubelet-client-current.pem");
  const authority = readFileSync(node.api.certificates.authority.certificate);
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "default-cluster",
        cluster: { server: serviceUrl, "certificate-authority-data": authority.toString("base64") },
      },
    ],
    users: [{ name: "default-auth", user: { "client-certificate": current, "client-key": current } }],
    contexts: [{ name: "default-context", context: { cluster: "default-cluster", user: "default-auth" } }],
    "current-context": "default-context",
  };
  // JSON is YAML.
  writeFileSync(node.hostPath("/etc/kubernetes/kubelet.conf"), JSON.stringify(kubeconfig), { mode: 0o600 });
}
