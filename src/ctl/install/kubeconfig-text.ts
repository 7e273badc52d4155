/** The kubeconfigs that are written onto a node, and how one is known to be ours again. */

import { stringify } from "yaml";

/** The first line begins with it: what does not is somebody else's. */
const mark = "# Written by multusctl (multus-wasm)";

export interface KubeconfigParts {
  /** What the first line says further: where it comes from. */
  readonly about: string;
  readonly server: URL;
  /** By which it is asked; undefined: what the environment says. */
  readonly proxy?: URL | undefined;
  /** PEM; undefined: whoever answers is believed. */
  readonly certificateAuthority: string | undefined;
  /** The user's entries, as a kubeconfig has them. */
  readonly user: Readonly<Record<string, string>>;
}

/** @returns YAML */
export function kubeconfigText({
  about,
  server,
  proxy,
  certificateAuthority,
  user,
}: KubeconfigParts): string {
  const name = "multus";
  const cluster = {
    // Its path goes before every request's.
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

/** Was this file's text made here, by whatever release? */
export function isOurKubeconfig(text: string): boolean {
  return text.startsWith(mark);
}
