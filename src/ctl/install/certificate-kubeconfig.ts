/** A kubeconfig with the node's own certificate instead of the service account's token. The certificate is renewed in place; the kubeconfig does not change. */

import { setTimeout as sleep } from "node:timers/promises";
import { ExpectedError } from "../../base/input-error.ts";
import { inputBytes } from "../../base/regular-file.ts";
import { currentCertificatePath, readCurrentCertificate } from "../../kube/certificates/certificate-file.ts";
import { connectWithNodeCertificate } from "../../kube/certificates/connection.ts";
import { multusUser } from "../../kube/certificates/identity.ts";
import { kubeconfigCredentials } from "../../kube/credentials.ts";
import { parseKubeconfig } from "../../kube/kubeconfig.ts";
import type { Logger } from "../../log/logger.ts";
import { userErrorOf } from "../command/user-error.ts";
import { kubeconfigText } from "./kubeconfig-text.ts";

/** Interval of checks for the certificate, in milliseconds. */
const lookEveryMs = 100;

export interface NodeCertificateSource {
  /** Path of a kubeconfig with the server and the credentials to request the first certificate (the kubelet's). */
  readonly bootstrapConfig: string;
  /** Directory of certificate and key. */
  readonly certDir: string;
  readonly nodeName: string;
  /** Requested duration of certificates. */
  readonly seconds: number;
  readonly log: Logger;
}

/**
 * Requests a certificate, and renews it.
 * @param use gets the kubeconfig's text once there is a certificate that is valid; when it resolves renewals end
 * @param signal aborted before there is one: `use` is not called
 * @throws {UserError} if the bootstrap kubeconfig cannot be used
 */
export async function withNodeCertificate(
  { bootstrapConfig, ...source }: NodeCertificateSource,
  signal: AbortSignal,
  use: (kubeconfig: string) => Promise<void>,
): Promise<void> {
  const text = await textOf(bootstrapConfig, currentCertificatePath(source.certDir));
  const connection = connectWithNodeCertificate(
    { kubeconfig: bootstrapConfig, ...source },
    kubeconfigCredentials(bootstrapConfig, source.log),
  );
  try {
    while (!isThereCertificate(source)) {
      if (signal.aborted) return;
      await sleep(lookEveryMs);
    }
    await use(text);
  } finally {
    connection.close();
  }
}

/** Is there a valid certificate of this node? One that has expired, or is another node's, may be left from before. */
function isThereCertificate({ certDir, nodeName }: Pick<NodeCertificateSource, "certDir" | "nodeName">) {
  try {
    const validity = readCurrentCertificate(certDir, multusUser(nodeName));
    return validity !== undefined && Date.now() < validity.until;
  } catch (error) {
    // The request for another certificate logs why this one cannot be used.
    if (error instanceof ExpectedError) return false;
    throw error;
  }
}

/** @throws {UserError} */
async function textOf(bootstrapConfig: string, certificate: string): Promise<string> {
  try {
    const config = await parseKubeconfig(inputBytes(bootstrapConfig), bootstrapConfig);
    const { text, file } = config.certificateAuthority ?? {};
    return kubeconfigText({
      about: "with the node's own certificate, which is renewed in place.",
      server: config.server,
      proxy: config.proxy?.url,
      certificateAuthority: text ?? (file === undefined ? undefined : inputBytes(file).toString()),
      user: { "client-certificate": certificate, "client-key": certificate },
    });
  } catch (error) {
    throw userErrorOf(error, "it is named by --bootstrap-config");
  }
}
