/** Finds programs that talk to Go multus's socket over HTTP: pods that have the socket's directory of the node. */

import { type JsonObject, objectAt, objectsIn, textOf } from "../../base/json.ts";
import { multusContainer } from "../daemons/daemon-sets.ts";
import { isBelow, templateFacts } from "../daemons/pod-template.ts";
import type { PreflightFinding } from "./finding.ts";

const socketDirectory = "/run/multus";
const controllerImage = /multus-dynamic-networks-controller/;

/** Objects that have the socket, each once. */
export class SocketClients {
  /** By `daemonset NAMESPACE/NAME` or `pod NAMESPACE/NAME`: how it was known. */
  readonly #found = new Map<string, string>();

  /** @param object a pod, or a DaemonSet; Multus's own is none @param spec its pod's */
  look(kind: "daemonset" | "pod", object: JsonObject, spec: JsonObject): void {
    const metadata = objectAt(object, "metadata");
    const namespace = textOf(metadata.namespace);
    const owner = objectsIn(metadata.ownerReferences).find(({ controller }) => controller === true);
    const isOfDaemonSet = kind === "pod" && owner?.kind === "DaemonSet";
    const subject = isOfDaemonSet
      ? `daemonset ${namespace}/${textOf(owner?.name)}`
      : `${kind} ${namespace}/${textOf(metadata.name)}`;
    if (this.#found.has(subject)) return;
    const template = templateFacts(spec);
    if (multusContainer(template) !== undefined) return;
    const { hostPaths, containers } = template;
    const socket = [...hostPaths.values()].find((path) => isBelow(path, socketDirectory));
    const controller = containers.find(({ image }) => controllerImage.test(image));
    if (socket !== undefined) this.#found.set(subject, `has ${socket} of the node`);
    else if (controller !== undefined) this.#found.set(subject, `runs ${controller.image}`);
  }

  get findings(): PreflightFinding[] {
    if (this.#found.size === 0) {
      const message = "no pod has the daemon's socket of the node: no HTTP clients";
      return [{ area: "clients", subject: "", verdict: "ok", message, remedy: "" }];
    }
    return Array.from(this.#found, ([subject, how]) => ({
      area: "clients",
      subject,
      verdict: "change",
      message: `${how}: it asks Multus's daemon over HTTP, to attach networks to pods that run, say`,
      remedy:
        "add the component http-clients (chart: httpClients.enabled=true): plugins run for others than our own plugin need a privileged pod, as Go multus's is",
    }));
  }
}
