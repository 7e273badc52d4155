/** Types of kubernetes.mjs, for tests that run what it builds. */

/** See kubernetes.mjs. */
export function programDirectory(
  name:
    | "kubernetes"
    | "kubernetes-controllers"
    | "containerd"
    | "helm"
    | "whereabouts"
    | "prometheus-operator",
): string;
