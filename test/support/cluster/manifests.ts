/** Manifests of pods and networks as a user writes them: YAML text. */

import { pauseImageName } from "../pause-image.ts";

/** The image of the pods in docs/examples, by its whole name. */
export const busyboxImage = "docker.io/library/busybox:1.37";

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

/** A container of a pod that asks for devices. */
export interface DeviceContainer {
  readonly name: string;
  /** `init` ends at once (busybox has to be on the node), `sidecar` is an init container that goes on running. */
  readonly kind?: "init" | "sidecar" | "container";
  /** Devices by resource. */
  readonly devices?: Readonly<Record<string, number>>;
  /** Names within the pod of claims. */
  readonly claims?: readonly string[];
}

export interface DevicePod extends PodManifest {
  readonly containers: readonly DeviceContainer[];
  /** `spec.resourceClaims`. */
  readonly resourceClaims?: readonly Readonly<Record<string, string>>[];
}

/** A pod whose containers ask for devices, as JSON, which is YAML. Without `nodeName` the scheduler places it. */
export function devicePodManifest(pod: DevicePod): string {
  const { namespace, name, annotations = {}, nodeName, resourceClaims = [] } = pod;
  const container = ({ name: of, kind, devices = {}, claims = [] }: DeviceContainer) => ({
    name: of,
    imagePullPolicy: "Never",
    ...(kind === "init" ? { image: busyboxImage, command: ["true"] } : { image: pauseImageName }),
    ...(kind === "sidecar" ? { restartPolicy: "Always" } : {}),
    resources: { limits: devices, claims: claims.map((claim) => ({ name: claim })) },
  });
  const isInit = ({ kind = "container" }: DeviceContainer) => kind !== "container";
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, annotations },
    spec: {
      ...(nodeName === undefined ? {} : { nodeName }),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 2,
      tolerations: [{ operator: "Exists" }],
      resourceClaims,
      initContainers: pod.containers.filter(isInit).map(container),
      containers: pod.containers.filter((each) => !isInit(each)).map(container),
    },
  });
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
