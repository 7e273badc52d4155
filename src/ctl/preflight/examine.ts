/** Looks at a cluster for preflight. It changes nothing, and a look that fails does not stop the others. */

import { objectAt } from "../../base/json.ts";
import { entryOf } from "../../base/map-entry.ts";
import type { KnownOption } from "../../command-line/go-flags.ts";
import { type Api, ApiError } from "../../kube/api.ts";
import { errorText } from "../../log/error-text.ts";
import { usualNetworksPerPod } from "../../multus/input/bounds.ts";
import { notEnded } from "../cluster/check.ts";
import { forEachObject, found, isForbidden, pods, type Resource } from "../cluster/objects.ts";
import { podNetworks } from "../cluster/pod-networks.ts";
import { UserError } from "../command/user-error.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import { configurationFile, readConfigMapFile } from "../daemons/daemon-configuration.ts";
import { type MultusDaemonSet, multusDaemonSet } from "../daemons/daemon-sets.ts";
import { SocketClients } from "./clients.ts";
import { judgeDaemonSet } from "./daemon-set-checks.ts";
import type { Area, PreflightFinding, PreflightReport } from "./finding.ts";
import { judgeNetworks } from "./networks.ts";
import { judgeServer, NodeMachines } from "./versions.ts";

const daemonSets: Resource = { base: "/apis/apps/v1", name: "daemonsets.apps" };
const nodes: Resource = { base: "/api/v1", name: "nodes" };
const everywhere = { namespace: undefined };

export interface PreflightContext extends CheckContext {
  /** Options of thin's entrypoint that have an effect here. */
  readonly thinOptions: readonly KnownOption[];
}

/**
 * @param server its address
 * @throws {ApiUnreachable} if no answer comes @throws {ApiError} with status 401 if the credentials are not accepted
 */
export async function examine(api: Api, server: string, context: PreflightContext): Promise<PreflightReport> {
  const findings: PreflightFinding[] = [];
  /** Every failure but those that all looks have in common is a finding. */
  const look = async (area: Area, action: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      const isOfOne = error instanceof UserError || (error instanceof ApiError && error.status !== 401);
      if (!isOfOne) throw error;
      findings.push({
        area,
        subject: "",
        verdict: "unknown",
        message: isForbidden(error) ? `not allowed to ${action}` : `cannot ${action}: ${errorText(error)}`,
        remedy: isForbidden(error) ? "docs/kubectl.md has the rights that preflight needs" : "",
      });
    }
  };

  await look("version", "get /version", async () => {
    const version = await api.request<unknown>({ method: "GET", path: "/version" });
    findings.push(judgeServer(objectAt(version)));
  });
  await look("nodes", "list nodes", async () => {
    const machines = new NodeMachines();
    await forEachObject(api, nodes, everywhere, (node) => machines.look(node));
    findings.push(...machines.findings);
  });

  const multus: MultusDaemonSet[] = [];
  const clients = new SocketClients();
  await look("daemon", "list daemonsets.apps in all namespaces", async () => {
    await forEachObject(api, daemonSets, everywhere, (object) => {
      const known = multusDaemonSet(object);
      if (known === undefined)
        clients.look("daemonset", object, objectAt(object, "spec", "template", "spec"));
      else multus.push(known);
    });
    if (multus.length === 0) {
      const message = "no DaemonSet of Go multus is there: this would be a first installation";
      findings.push({ area: "daemon", subject: "", verdict: "look", message, remedy: "" });
    }
    for (const daemonSet of multus) {
      findings.push(...judgeDaemonSet(daemonSet, await configurationOf(api, daemonSet), context.thinOptions));
    }
  });

  const users = new Map<string, string[]>();
  await look("clients", "list pods in all namespaces", async () => {
    await forEachObject(api, pods, { ...everywhere, fieldSelector: notEnded }, (pod) => {
      clients.look("pod", pod, objectAt(pod, "spec"));
      const { namespace, name, definitions } = podNetworks(pod, "kube-system", usualNetworksPerPod) ?? {};
      for (const key of definitions ?? []) entryOf(users, key, () => []).push(`${namespace}/${name}`);
    });
    findings.push(...clients.findings);
  });

  let networks: PreflightReport["networks"] = [];
  await look("networks", "check the networks", async () => {
    if (!(await areDefinitionsServed(api))) {
      const message = "the cluster has no NetworkAttachmentDefinitions; deploy/base brings the definition";
      findings.push({ area: "networks", subject: "", verdict: "look", message, remedy: "" });
      return;
    }
    const verdicts = await judgeNetworks(api, server, context, users);
    networks = verdicts.networks;
    for (const finding of verdicts.findings) findings.push(finding);
  });
  return { server, networks, findings };
}

async function areDefinitionsServed(api: Api): Promise<boolean> {
  return (await found(api.request({ method: "GET", path: "/apis/k8s.cni.cncf.io/v1" }))) !== undefined;
}

/** Text of the daemon's configuration; undefined: there is none. */
async function configurationOf(api: Api, daemonSet: MultusDaemonSet): Promise<string | Error | undefined> {
  const { namespace, form, isOurs } = daemonSet;
  if (form === "thin" || isOurs) return undefined;
  const file = configurationFile(daemonSet);
  if (file === undefined) return undefined;
  if (typeof file === "string") return new Error(`the daemon's configuration ${file}`);
  try {
    return await readConfigMapFile(api, namespace, file);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const object = `configmap ${namespace}/${file.name}`;
    return new Error(
      isForbidden(error)
        ? `not allowed to get ${object}, which has the daemon's configuration`
        : `cannot get ${object}: ${errorText(error)}`,
    );
  }
}
