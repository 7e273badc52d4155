/** Judges the versions of the API server, and the machines and runtimes of the nodes. */

import { type JsonObject, objectAt, textOf } from "../../base/json.ts";
import { listed } from "../text/quantities.ts";
import type { PreflightFinding } from "./finding.ts";

/** ValidatingAdmissionPolicy, without which a daemon's rights have no bounds. */
const policiesSince = 30;
/** events.k8s.io/v1. */
const eventsSince = 19;

/** Machines that the image is built for. */
const architectures = ["amd64", "arm64"];
const nodesShown = 5;

/** @param version the answer to GET /version */
export function judgeServer(version: JsonObject): PreflightFinding {
  const area = "version";
  const subject = "";
  const { gitVersion, major, minor } = version;
  const said = `Kubernetes ${textOf(gitVersion)}`;
  const number = Number(/^\d+/.exec(textOf(minor))?.[0] ?? Number.NaN);
  if (textOf(major) !== "1" || Number.isNaN(number)) {
    const message = `the API server says no version that is known here: ${said}`;
    return { area, subject, verdict: "look", message, remedy: "" };
  }
  if (number < eventsSince) {
    const message = `${said} does not serve events.k8s.io/v1`;
    return { area, subject, verdict: "change", message, remedy: "upgrade it to 1.30 or later" };
  }
  if (number < policiesSince) {
    const message = `${said} has no ValidatingAdmissionPolicy: each daemon's credentials can write to the status of every pod`;
    const remedy = "add the component kubernetes-before-1.30 (the chart sees it by itself)";
    return { area, subject, verdict: "change", message, remedy };
  }
  return { area, subject, verdict: "ok", message: said, remedy: "" };
}

/** Collects nodes. */
export class NodeMachines {
  #nodes = 0;
  readonly #foreign: string[] = [];
  readonly #runtimes = new Map<string, number>();
  readonly #docker: string[] = [];

  look(node: JsonObject): void {
    const name = textOf(objectAt(node, "metadata").name);
    const { architecture, operatingSystem, containerRuntimeVersion } = objectAt(node, "status", "nodeInfo");
    // Go multus has no other ones either.
    if (textOf(operatingSystem) === "windows") return;
    this.#nodes += 1;
    const machine = textOf(architecture);
    if (machine !== "" && !architectures.includes(machine)) this.#foreign.push(`${name} (${machine})`);
    const runtime = textOf(containerRuntimeVersion);
    if (runtime.startsWith("docker:")) this.#docker.push(name);
    this.#runtimes.set(runtime, (this.#runtimes.get(runtime) ?? 0) + 1);
  }

  get findings(): PreflightFinding[] {
    const findings: PreflightFinding[] = [];
    const area = "nodes";
    if (this.#foreign.length > 0) {
      findings.push({
        area,
        subject: "",
        verdict: "change",
        message: `there is no image for the machines of ${listed(this.#foreign, nodesShown)}`,
        remedy:
          "keep Go multus there: nodeSelector kubernetes.io/arch for ours, and for Go multus the other ones",
      });
    }
    if (this.#docker.length > 0) {
      findings.push({
        area,
        subject: "",
        verdict: "look",
        message: `docker is the runtime of ${listed(this.#docker, nodesShown)}: containerd and CRI-O were tried`,
        remedy: "",
      });
    }
    if (findings.length > 0) return findings;
    const runtimes = Array.from(this.#runtimes, ([runtime, number]) => `${number} × ${runtime || "unknown"}`);
    const message =
      this.#nodes === 0
        ? "there are no nodes yet"
        : `${this.#nodes} with Linux, amd64 or arm64: ${listed(runtimes, nodesShown)}`;
    return [{ area, subject: "", verdict: "ok", message, remedy: "" }];
  }
}
