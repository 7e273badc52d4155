/** Where the programs of a cluster are that were built from Go modules. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { programDirectory } from "../../../tools/setup/kubernetes.mjs";

type Programs = Parameters<typeof programDirectory>[0];

function built(set: Programs, name: string): string {
  const file = join(programDirectory(set), name);
  if (!existsSync(file)) throw new Error(`${file} is not built yet: npm run test:cluster builds it`);
  return file;
}

/** @returns its path @throws {Error} where it is not built */
export function kubernetesProgram(name: "kube-apiserver" | "kubelet" | "kubectl"): string {
  return built("kubernetes", name);
}

/** @returns its path @throws {Error} where it is not built */
export function controllerProgram(name: "kube-controller-manager" | "kube-scheduler"): string {
  return built("kubernetes-controllers", name);
}

/** Of the newer containerd, beside Debian's. @returns its path @throws {Error} where it is not built */
export function containerdProgram(name: "containerd" | "containerd-shim-runc-v2" | "ctr"): string {
  return built("containerd", name);
}

/** Of whereabouts: the plugin, its reconciler, or its manifests. @returns its path @throws {Error} where it is not built */
export function whereaboutsFile(name: "cmd" | "controlloop" | "crds"): string {
  return built("whereabouts", name);
}

/** @returns the directory of the Prometheus Operator's custom resource definitions @throws {Error} where it is not there */
export function prometheusOperatorDefinitions(): string {
  return built("prometheus-operator", "prometheus-operator-crd");
}

/** @returns helm's path @throws {Error} where it is not built */
export function helmProgram(): string {
  return built("helm", "helm");
}
