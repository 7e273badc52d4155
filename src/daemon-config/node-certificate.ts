/** Key perNodeCertificate of the daemon's configuration: Go multus's keys and rules. */

import { isAbsolute } from "node:path";
import { InputError } from "../base/input-error.ts";
import { keySpelling } from "../base/key-spelling.ts";
import { certificateSeconds, defaultDuration } from "../kube/certificates/duration.ts";

/** As in the schema; keys are case-insensitive. */
export interface NodeCertificateKeys {
  readonly enabled?: boolean;
  readonly bootstrapKubeconfig?: string;
  readonly certDir?: string;
  readonly certDuration?: string;
}

export interface NodeCertificate {
  /** Path of the kubeconfig that names the cluster, and whose user may request the first certificate. */
  readonly bootstrapKubeconfig: string;
  /** Directory of certificate and key. */
  readonly certDir: string;
  /** Requested duration of certificates. */
  readonly seconds: number;
}

const spelling = keySpelling(["enabled", "bootstrapKubeconfig", "certDir", "certDuration"]);

/**
 * @param keys undefined: the key is not there
 * @param where the configuration's file, for errors
 * @returns undefined where it is not enabled
 * @throws {InputError}
 */
export function nodeCertificateOf(
  keys: NodeCertificateKeys | undefined,
  where: string,
): NodeCertificate | undefined {
  // Keys are case-insensitive; the schema has checked the types only of those in its own spelling.
  const spelled = spelling.object(keys ?? {}) as NodeCertificateKeys;
  const refuse = (key: string, message: string) =>
    new InputError("content", `${where}: perNodeCertificate.${key} ${message}`);
  if (spelled.enabled !== true) return undefined;
  const pathAt = (key: "bootstrapKubeconfig" | "certDir"): string => {
    const path = spelled[key] ?? "";
    if (typeof path !== "string" || !isAbsolute(path)) {
      throw refuse(
        key,
        path === "" ? "is missing: it is needed where it is enabled" : "must be an absolute path",
      );
    }
    return path;
  };
  const text = spelled.certDuration ?? "";
  const seconds = certificateSeconds(
    text === "" ? defaultDuration : text,
    `${where}: perNodeCertificate.certDuration`,
  );
  return { bootstrapKubeconfig: pathAt("bootstrapKubeconfig"), certDir: pathAt("certDir"), seconds };
}
