/** The names for CNI of the devices that claims (DRA) have given: the kubelet does not tell them, the drivers' ResourceSlices in the cluster do. */

import { ExpectedError } from "../../base/input-error.ts";
import type { ClaimedDevice } from "../../devices/pod-resources-messages.ts";
import { nodeNameIn } from "../../kube/node-name.ts";
import { deviceKey } from "../../kube/resource-slices.ts";
import { silentLogger } from "../../log/logger.ts";
import { openApi } from "../cluster/access.ts";
import { UserError } from "../command/user-error.ts";
import { daemonStatusOf } from "../node/daemon-socket.ts";
import type { ClaimNames } from "./assignments.ts";

export interface ClusterOptions {
  /** false: it is not to be asked. */
  readonly cluster: boolean;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** This node's name in the cluster; undefined: that of the environment or the daemon. */
  readonly node: string | undefined;
  readonly socketDir: string;
}

export interface KnownClaims {
  readonly namesOf: ClaimNames;
  /** Why they are not known, and advice; "" where they are. */
  readonly problem: string;
  readonly advice: string;
}

/** Drivers whose ResourceSlices are listed. */
const mostDrivers = 64;

/** Asks the cluster, where there are such devices at all. */
export async function claimNames(
  devices: readonly ClaimedDevice[],
  options: ClusterOptions,
): Promise<KnownClaims> {
  const unknown = (problem: string, advice: string): KnownClaims => ({
    namesOf: () => undefined,
    problem,
    advice,
  });
  if (devices.length === 0) return unknown("", "");
  if (new Set(devices.map(({ driver }) => driver)).size > mostDrivers) {
    return unknown(`the claims' devices are of more than ${mostDrivers} drivers`, "");
  }
  if (!options.cluster) return unknown("the cluster was not asked (--no-cluster)", "");
  try {
    const nodeName = await nodeNameOf(options);
    using access = await openApi(options.kubeconfig, options.context, process.env);
    const { ClaimedDevices } = await import("../../kube/claimed-devices.ts");
    const published = await new ClaimedDevices(access.api, silentLogger).publishedOn(nodeName, devices);
    const namesOf: ClaimNames = (claimed) => {
      const found = published.get(deviceKey(claimed));
      if (found === undefined) return undefined;
      const { resourceName, deviceId } = found;
      return resourceName === undefined || deviceId === undefined
        ? "none"
        : { resource: resourceName, device: deviceId };
    };
    return { namesOf, problem: "", advice: "" };
  } catch (error) {
    if (error instanceof UserError) return unknown(error.message, error.advice);
    if (error instanceof ExpectedError) return unknown(error.message, "");
    throw error;
  }
}

/** @throws {UserError} where it is not known */
async function nodeNameOf({ node, socketDir }: ClusterOptions): Promise<string> {
  const named = node ?? nodeNameIn(process.env);
  const name = named === "" ? (await statusOrNone(socketDir))?.nodeName : named;
  if (name !== undefined && name !== "") return name;
  throw new UserError(
    "this node's name in the cluster is not known: neither the environment nor a daemon tells it",
    "--node NAME names it",
  );
}

async function statusOrNone(socketDir: string) {
  try {
    return await daemonStatusOf(socketDir);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
