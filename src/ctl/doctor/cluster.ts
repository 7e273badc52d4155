/** Checks the cluster: does the API answer, has the daemon its rights, are the definitions valid, does the clock agree? */

import { objectAt, scalarText, textOf } from "../../base/json.ts";
import { systemErrorCode } from "../../base/system-error.ts";
import { type ResourceAttributes, reviewAccess } from "../../kube/access-review.ts";
import { type Api, ApiError, ApiUnreachable } from "../../kube/api.ts";
import { errorText } from "../../log/error-text.ts";
import { type ClusterScope, checkCluster as checkDefinitions } from "../cluster/check.ts";
import { found, isForbidden } from "../cluster/objects.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import { devicesRemedy } from "./devices.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";

/** The daemon's rights by deploy/base/rbac.yaml. */
export const neededRights: readonly ResourceAttributes[] = [
  ...rights("k8s.cni.cncf.io", "network-attachment-definitions", ["get", "list", "watch"]),
  ...rights("", "pods", ["get", "list", "watch"]),
  { group: "", resource: "pods", subresource: "status", verb: "patch" },
  ...rights("events.k8s.io", "events", ["create", "patch"]),
  ...rights("resource.k8s.io", "resourceclaims", ["get"]),
  ...rights("resource.k8s.io", "resourceslices", ["list"]),
];

function rights(group: string, resource: string, verbs: readonly string[]): ResourceAttributes[] {
  return verbs.map((verb) => ({ group, resource, verb }));
}

/** The largest permitted skew, in seconds. Tokens and certificates are valid to the second, and signers backdate by five minutes. */
const mostSkewMs = 60_000;
const shown = 5;

export interface ClusterQuestions extends Omit<ClusterScope, "namespace"> {
  readonly api: Api;
  /** Name of the node in the cluster; "" if unknown. */
  readonly nodeName: string;
  readonly context: CheckContext;
  /** Can the daemon learn which devices pods have? undefined: that is not known. */
  readonly seesDevices?: boolean | undefined;
}

export async function checkCluster(questions: ClusterQuestions): Promise<NodeFinding[]> {
  const { api, server, nodeName } = questions;
  const reached = await checkApi(api, server);
  if (reached.some(({ severity }) => severity === "error")) return reached;
  const [allowed, crd, node] = await Promise.all([
    checkRights(api),
    checkDefinition(api),
    checkNode(api, nodeName),
  ]);
  const isKnown = crd.every(({ severity }) => severity !== "error");
  const definitions = isKnown ? await checkNads(questions) : [];
  return [...reached, ...allowed, ...crd, ...definitions, ...node];
}

async function checkApi(api: Api, server: string): Promise<NodeFinding[]> {
  const findings = new CheckFindings("cluster/api");
  const before = Date.now();
  let review: unknown;
  try {
    review = await api.request({
      method: "POST",
      path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
      body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
    });
  } catch (error) {
    const isAnswer = error instanceof ApiError;
    if (isAnswer && error.status === 401) {
      return findings.fail(
        `${server} does not accept the credentials: ${error.message}`,
        "the token or certificate has ended, or is another cluster's: renew the kubeconfig; or this machine's clock is wrong",
      );
    }
    // SelfSubjectReview is of Kubernetes 1.28 and later.
    if (isAnswer) return findings.pass(`${server} answers`);
    return findings.fail(
      `${server} cannot be reached: ${errorText(error)}`,
      isOfTime(error)
        ? "by this machine's clock the API server's certificate is not valid: have chrony or systemd-timesyncd set the clock; if the clock is right, renew that certificate"
        : "is it the right address, and can this node reach it? Pods in the host's network need no CNI",
    );
  }
  const { creationTimestamp } = objectAt(review, "metadata");
  const { username } = objectAt(review, "status", "userInfo");
  findings.pass(`${server} answers, to ${scalarText(username)}`);
  return [...findings.all, ...checkClock(creationTimestamp, before)];
}

/** Was a server's certificate refused as expired or not yet valid? */
function isOfTime(error: unknown): boolean {
  const cause = error instanceof ApiUnreachable ? error.cause : undefined;
  const code = systemErrorCode(cause);
  return code === "CERT_NOT_YET_VALID" || code === "CERT_HAS_EXPIRED";
}

/** @param serverTime RFC 3339, seconds @param before time of the request, milliseconds since the epoch */
function checkClock(serverTime: unknown, before: number): NodeFinding[] {
  const time = Date.parse(textOf(serverTime));
  if (Number.isNaN(time)) return [];
  const skew = Math.round((before - time) / 1000);
  const findings = new CheckFindings("cluster/clock");
  if (Math.abs(before - time) > mostSkewMs) {
    findings.warn(
      `this machine's clock differs from the API server's by ${skew} s`,
      "have chrony or systemd-timesyncd set it: tokens and certificates are refused otherwise",
    );
  }
  return findings.orPass("this machine's clock agrees with the API server's");
}

async function checkRights(api: Api): Promise<NodeFinding[]> {
  const findings = new CheckFindings("cluster/rights");
  const missing: string[] = [];
  for (const right of neededRights) {
    const { resource, subresource, verb } = right;
    try {
      const status = await reviewAccess(api, right);
      if (status !== undefined && status.allowed !== true) {
        missing.push(`${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`}`);
      }
    } catch (error) {
      return findings.skip(`rights cannot be asked for: ${errorText(error)}`);
    }
  }
  if (missing.length > 0) {
    findings.fail(
      `these credentials may not ${missing.join(", ")}`,
      "kubectl apply -f deploy/base/rbac.yaml, if they are the daemon's; --kubeconfig names others",
    );
  }
  return findings.orPass("these credentials have all rights that the daemon needs");
}

async function checkDefinition(api: Api): Promise<NodeFinding[]> {
  const findings = new CheckFindings("cluster/crd");
  try {
    const path = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions?limit=1";
    const list = await found(api.request({ method: "GET", path }));
    if (list !== undefined) return findings.pass("network-attachment-definitions.k8s.cni.cncf.io are served");
    return findings.fail(
      "the cluster does not know network-attachment-definitions.k8s.cni.cncf.io",
      "kubectl apply -f deploy/base/crd.yaml",
    );
  } catch (error) {
    return findings.skip(errorText(error));
  }
}

async function checkNads(questions: ClusterQuestions): Promise<NodeFinding[]> {
  const { api, context } = questions;
  const findings = new CheckFindings("cluster/networks");
  try {
    const report = await checkDefinitions(api, { ...questions, namespace: undefined }, context);
    const wrong = report.findings.filter(({ severity }) => severity !== "note");
    for (const [index, { subject, message, severity }] of wrong.slice(0, shown).entries()) {
      const { namespace, name, pods } = subject;
      const others =
        index === shown - 1 && wrong.length > shown ? ` (and ${wrong.length - shown} more findings)` : "";
      const users =
        pods.length === 0
          ? ""
          : `, selected by ${pods.slice(0, shown).join(", ")}${pods.length > shown ? " and others" : ""}`;
      // A broken network is no problem of the node.
      findings.warn(
        `${severity}: ${namespace}/${name}${users}: ${message}${others}`,
        "multusctl validate --all-namespaces shows all, with line and column",
      );
    }
    const wanting = report.findings.filter(({ code }) => code === "device-wanted");
    if (questions.seesDevices === false && wanting.length > 0) {
      const names = wanting.slice(0, shown).map(({ subject: { namespace, name } }) => `${namespace}/${name}`);
      findings.fail(
        `networks want a device (${wanting.length}), and the daemon cannot learn which devices pods have: ${names.join(", ")}${wanting.length > shown ? " and others" : ""}`,
        devicesRemedy,
      );
    }
    return findings.orPass(
      `${report.definitions} NetworkAttachmentDefinitions are valid, and ${report.pods} pods select valid networks`,
    );
  } catch (error) {
    return findings.skip(errorText(error));
  }
}

async function checkNode(api: Api, nodeName: string): Promise<NodeFinding[]> {
  if (nodeName === "") return [];
  const findings = new CheckFindings("cluster/node");
  try {
    const path = `/api/v1/nodes/${encodeURIComponent(nodeName)}`;
    const node = await found(api.request({ method: "GET", path }));
    if (node !== undefined) return findings.pass(`the cluster has a node ${nodeName}`);
    return findings.fail(
      `the cluster has no node ${nodeName}: the daemon watches no pods`,
      "set nodeName, or MULTUS_NODE_NAME, to the name that kubectl get nodes shows",
    );
  } catch (error) {
    return findings.skip(
      isForbidden(error)
        ? `these credentials may not get nodes, so it is unknown whether ${nodeName} is one`
        : errorText(error),
      "name an administrator's kubeconfig: --kubeconfig",
    );
  }
}
