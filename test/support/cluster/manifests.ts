/** Manifests of pods and networks as a user writes them: YAML text. */

import { pauseImageName } from "../pause-image.ts";

export interface PodManifest {
  readonly namespace: string;
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Without it the manifest is a static pod's: the kubelet that reads it fills it in. */
  readonly nodeName?: string;
}

/** Indents every line but the first. */
function indented(text: string, by: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(by)}`);
}

/** A text as a YAML block, which needs no quoting. */
function block(text: string, indentation: number): string {
  return `|-\n${" ".repeat(indentation)}${indented(text, indentation)}`;
}

/** A pod of one container that waits. Nothing schedules it: it names its node. */
export function podManifest(pod: PodManifest): string {
  const annotations = Object.entries(pod.annotations ?? {});
  return [
    "apiVersion: v1",
    "kind: Pod",
    "metadata:",
    `  namespace: ${pod.namespace}`,
    `  name: ${pod.name}`,
    ...(annotations.length === 0 ? [] : ["  annotations:"]),
    ...annotations.map(([key, value]) => `    ${key}: ${block(value, 6)}`),
    "spec:",
    ...(pod.nodeName === undefined ? [] : [`  nodeName: ${pod.nodeName}`]),
    "  automountServiceAccountToken: false",
    "  enableServiceLinks: false",
    "  terminationGracePeriodSeconds: 2",
    "  tolerations:",
    "    - operator: Exists",
    "  containers:",
    "    - name: main",
    `      image: ${pauseImageName}`,
    "      imagePullPolicy: Never",
    "",
  ].join("\n");
}

/** @param config `spec.config`; text is taken as it is, broken JSON too */
export function nadManifest(
  namespace: string,
  name: string,
  config: string | Readonly<Record<string, unknown>>,
): string {
  const text = typeof config === "string" ? config : JSON.stringify(config, undefined, 2);
  return [
    "apiVersion: k8s.cni.cncf.io/v1",
    "kind: NetworkAttachmentDefinition",
    "metadata:",
    `  namespace: ${namespace}`,
    `  name: ${name}`,
    "spec:",
    `  config: ${block(text, 4)}`,
    "",
  ].join("\n");
}

/** Several manifests as one text. */
export function documents(manifests: readonly string[]): string {
  return manifests.join("---\n");
}
