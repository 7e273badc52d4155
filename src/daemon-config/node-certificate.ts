/** Key perNodeCertificate of the daemon's configuration: Go multus's keys and rules. */

import { isAbsolute } from "node:path";
import { InputError } from "../base/input-error.ts";
import { keySpelling } from "../base/key-spelling.ts";
import { certificateSeconds, defaultDuration } from "../kube/certificates/duration.ts";

/** As the schema has it, keys in any case. */
export interface NodeCertificateKeys {
  readonly enabled?: boolean;
  readonly bootstrapKubeconfig?: string;
  readonly certDir?: string;
  readonly certDuration?: string;
}

export interface NodeCertificate {
  /** Path of the kubeconfig that names the cluster, and whose user may ask for the first certificate. */
  readonly bootstrapKubeconfig: string;
  /** Directory of certificate and key. */
  readonly certDir: string;
  /** How long a certificate is to be valid. */
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
  // Looked at in any case of its keys: what is in it has the schema's types only where they are spelled like there.
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
