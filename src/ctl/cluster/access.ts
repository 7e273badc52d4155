/** The API server that a command asks. */

import type { Api, ApiRequest } from "../../kube/api.ts";
import { ApiClient } from "../../kube/api-client.ts";
import { inClusterCredentials, isInCluster, kubeconfigCredentials } from "../../kube/credentials.ts";
import type { ExecOutcome, ExecRequest } from "../../kube/pod-exec.ts";
import { silentLogger } from "../../log/logger.ts";
import { UserError, userErrorOf } from "../command/user-error.ts";
import { chooseKubeconfig } from "./kubeconfig.ts";

export interface ClusterAccess extends Disposable {
  readonly api: Api;
  /** The text of an answer that is no JSON. @throws {ApiError} {@link ApiUnreachable} */
  readonly text: (request: ApiRequest) => Promise<string>;
  /** Runs a command in a pod. @throws {ApiError} {@link ApiUnreachable} as execInPod */
  readonly exec: (request: ExecRequest) => Promise<ExecOutcome>;
  /** Its address. */
  readonly server: string;
  /** A warning about the choice for the user; "" for none. */
  readonly warning: string;
}

/**
 * @param kubeconfig that the user names; undefined if none
 * @param context of the kubeconfig, that the user names; undefined if none
 * @param environment with KUBECONFIG, HOME, and what a pod has
 * @throws {UserError} if there is no kubeconfig, or it cannot be used
 */
export async function openApi(
  kubeconfig: string | undefined,
  context: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<ClusterAccess> {
  const { path, warning } = chooseKubeconfig(kubeconfig, environment, () => isInCluster(environment));
  if (path === "" && context !== undefined) {
    throw new UserError(
      `there is no kubeconfig that could have a context ${context}`,
      "name one: --kubeconfig FILE",
    );
  }
  const credentials =
    path === ""
      ? inClusterCredentials(silentLogger, environment)
      : kubeconfigCredentials(path, silentLogger, context, environment);
  try {
    const { server } = await credentials.access();
    const client = new ApiClient(credentials);
    return {
      api: client,
      text: (request) => client.text(request),
      // With a WebSocket client that no other request needs.
      exec: async (request) => (await import("../../kube/pod-exec.ts")).execInPod(credentials, request),
      server: server.origin,
      warning,
      [Symbol.dispose]: () => client.close(),
    };
  } catch (error) {
    throw userErrorOf(error);
  }
}
