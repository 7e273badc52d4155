/** Kubeconfig files, as clients of a cluster read them. */

import { writeFileSync } from "node:fs";
import type { CertificateFiles } from "./certificates.ts";

/** How a client proves who it is: by a bearer token as text or in a file, or by a certificate. */
export type Credentials = { readonly token: string } | { readonly tokenFile: string } | CertificateFiles;

function user(credentials: Credentials): Readonly<Record<string, string>> {
  if ("token" in credentials) return { token: credentials.token };
  if ("tokenFile" in credentials) return { tokenFile: credentials.tokenFile };
  return { "client-certificate": credentials.certificate, "client-key": credentials.key };
}

/** A kubeconfig for a server that asks for no certificate, or for nobody. @param server URL @returns its text */
export function plainKubeconfig(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
}

/**
 * Writes a kubeconfig. Its JSON is YAML.
 * @param file path, mode 0600
 * @param server URL
 * @param authority path of the certificate that the server's is signed with
 * @returns `file`
 */
export function writeKubeconfig(
  file: string,
  server: string,
  authority: string,
  credentials: Credentials,
): string {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server, "certificate-authority": authority } }],
    users: [{ name: "test", user: user(credentials) }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: "default" } }],
    "current-context": "test",
  };
  writeFileSync(file, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return file;
}
