/** Chooses a command's kubeconfig by kubectl's rules. */

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { UserError } from "../command/user-error.ts";

export interface KubeconfigChoice {
  /** "": the cluster of the pod that this process belongs to. */
  readonly path: string;
  /** A warning about the choice for the user; "" for none. */
  readonly warning: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The file that the user names, else the first one of KUBECONFIG, else `~/.kube/config`, else the pod's own cluster.
 * @param given by the user; undefined if nothing was
 * @param isInCluster is this process in a pod, with a service account?
 * @throws {UserError} if there is none, or the file is missing
 */
export function chooseKubeconfig(
  given: string | undefined,
  environment: Environment,
  isInCluster: () => boolean,
): KubeconfigChoice {
  if (given !== undefined) return { path: existing(given, "--kubeconfig"), warning: "" };
  const [first, ...others] = (environment.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  if (first !== undefined) {
    const warning =
      others.length === 0
        ? ""
        : `KUBECONFIG names ${others.length + 1} files, of which only the first is read: ${first}`;
    return { path: existing(first, "KUBECONFIG"), warning };
  }
  const usual = join(environment.HOME ?? homedir(), ".kube", "config");
  if (existsSync(usual)) return { path: usual, warning: "" };
  if (isInCluster()) return { path: "", warning: "" };
  throw new UserError(
    `no kubeconfig: KUBECONFIG is not set, there is no ${usual}, and this is no pod with a service account`,
    "name one: --kubeconfig FILE",
  );
}

function existing(path: string, source: string): string {
  if (existsSync(path)) return path;
  throw new UserError(`${path} does not exist (${source})`);
}
