/** Writes the text of kubeconfigs for a node, and recognizes our own. */

import { stringify } from "yaml";

/** Beginning of the first line: files without it are not ours. */
const mark = "# Written by multusctl (multus-wasm)";

export interface KubeconfigParts {
  /** The rest of the first line: the source of the kubeconfig. */
  readonly about: string;
  readonly server: URL;
  /** The proxy of requests; undefined: by the environment. */
  readonly proxy?: URL | undefined;
  /** PEM; undefined: the server's certificate is not verified. */
  readonly certificateAuthority: string | undefined;
  /** The `user` of the kubeconfig. */
  readonly user: Readonly<Record<string, string>>;
}

/** @returns YAML */
export function kubeconfigText(parts: KubeconfigParts): string {
  const { about, server, proxy, certificateAuthority, user } = parts;
  const name = "multus";
  const cluster = {
    // Its path is the prefix of every request's.
    server: server.href.replace(/\/$/, ""),
    ...(proxy === undefined ? {} : { "proxy-url": proxy.href }),
    ...(certificateAuthority === undefined
      ? { "insecure-skip-tls-verify": true }
      : { "certificate-authority-data": Buffer.from(certificateAuthority).toString("base64") }),
  };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  return `${mark} ${about}\n${stringify(config, { lineWidth: 0 })}`;
}

/** Did any release of this program write the text? */
export function isOurKubeconfig(text: string): boolean {
  return text.startsWith(mark);
}
