/** A kubeconfig with the credentials of this pod's service account, for Multus outside of the pod, on the node. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { serviceAccountDirectory, serviceAddress } from "../../kube/credentials.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";
import { kubeconfigText } from "./kubeconfig-text.ts";

export interface ServiceAccountOptions {
  /** With `token` and `ca.crt`; the kubelet replaces them before they expire. */
  readonly directory: string;
  /** KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT; KUBERNETES_SERVICE_PROTOCOL (default https) as for Go multus. */
  readonly env: NodeJS.ProcessEnv;
  /** Do not verify the server's certificate; ca.crt is not read. */
  readonly skipTlsVerify: boolean;
}

/** Credentials of the pod in which this process runs. */
export function ownServiceAccount(skipTlsVerify: boolean): ServiceAccountOptions {
  return { directory: serviceAccountDirectory, env: process.env, skipTlsVerify };
}

/**
 * The present kubeconfig. It contains the token, as a process on the node cannot read the pod's files.
 * @returns YAML
 * @throws {UserError} naming the file or the variable
 */
export function serviceAccountKubeconfig({ directory, env, skipTlsVerify }: ServiceAccountOptions): string {
  return kubeconfigText({
    about: "from the service account of its pod, and again whenever its token changes.",
    server: serverOf(env),
    certificateAuthority: skipTlsVerify ? undefined : read(join(directory, "ca.crt")),
    user: { token: read(join(directory, "token")).trim() },
  });
}

/** @throws {UserError} */
function serverOf(env: NodeJS.ProcessEnv): URL {
  const protocol = env.KUBERNETES_SERVICE_PROTOCOL || "https";
  if (protocol !== "https" && protocol !== "http") {
    throw new UserError(`KUBERNETES_SERVICE_PROTOCOL is ${JSON.stringify(protocol)}`, "it is https or http");
  }
  const address = serviceAddress(env, protocol);
  if (address !== undefined) return address;
  throw new UserError(
    "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not name an API server",
    "run it in a pod, where the kubelet sets both",
  );
}

/** @throws {UserError} if it cannot be read, or is empty */
function read(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UserError(
      `${path} cannot be read: ${errorText(error)}`,
      "is it a pod with a service account whose token is mounted (automountServiceAccountToken)?",
    );
  }
  if (text.trim() === "") throw new UserError(`${path} is empty`);
  return text;
}
