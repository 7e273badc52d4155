/** Types of kubernetes.mjs, for tests that run what it builds. */

/** Where durations are kept. */
export const durationsFile: string;
/** See kubernetes.mjs. */
export function programDirectory(
  name:
    | "kubernetes"
    | "kubernetes-controllers"
    | "containerd"
    | "helm"
    | "whereabouts"
    | "kustomize"
    | "prometheus-operator",
): string;
