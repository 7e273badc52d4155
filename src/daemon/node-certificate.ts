/** Key perNodeCertificate of the daemon's configuration: Go multus's keys and rules. */

import { isAbsolute } from "node:path";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import { keySpelling } from "../cni/json.ts";
import { parseGoDuration } from "./go-duration.ts";

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
const defaultDuration = "10m";
/** The API takes whole seconds in 32 bits, and ten minutes at the least. */
const leastSeconds = 600;
const mostSeconds = 2 ** 31 - 1;

/**
 * @param keys undefined: the key is not there
 * @param where the configuration's file, for errors
 * @returns undefined where it is not enabled
 * @throws {CniError} 7
 */
export function nodeCertificateOf(
  keys: NodeCertificateKeys | undefined,
  where: string,
): NodeCertificate | undefined {
  // Looked at in any case of its keys: what is in it has the schema's types only where they are spelled like there.
  const spelled = spelling.object(keys ?? {}) as NodeCertificateKeys;
  const refuse = (key: string, message: string) =>
    new CniError(CniErrorCode.invalidNetworkConfig, `${where}: perNodeCertificate.${key} ${message}`);
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
  const milliseconds = parseGoDuration(text === "" ? defaultDuration : text);
  if (milliseconds === undefined) {
    throw refuse("certDuration", `must be a duration such as "10m" or "1h30m", not ${JSON.stringify(text)}`);
  }
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < leastSeconds || seconds > mostSeconds) {
    throw refuse("certDuration", `must be from 10m to ${mostSeconds}s: none is signed for ${text}`);
  }
  return { bootstrapKubeconfig: pathAt("bootstrapKubeconfig"), certDir: pathAt("certDir"), seconds };
}
