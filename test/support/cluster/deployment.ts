/** The manifests of deploy/ as kustomize and Helm make them, as objects. */

import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseAllDocuments } from "yaml";
import { runOrThrow } from "../command.ts";
import { helmProgram, kubernetesProgram } from "./binaries.ts";

export const deployDirectory = join(import.meta.dirname, "..", "..", "..", "deploy");
export const chart = join(deployDirectory, "helm", "multus-wasm");

/** Any object of Kubernetes, as far as tests look at all kinds. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
}

/** A container, as far as tests look. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly resources: {
    readonly requests: Readonly<Record<string, string>>;
    readonly limits: Readonly<Record<string, string>>;
  };
  readonly securityContext: Readonly<Record<string, unknown>>;
}

export interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>> & {
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
  };
}

export interface DaemonSet extends Manifest {
  readonly spec: { readonly selector: unknown; readonly template: PodTemplate };
}

/** `kubectl kustomize`. @param directory below deploy/, or absolute @returns YAML @throws {Error} with its message */
export function kustomize(directory: string): Promise<string> {
  const path = directory.startsWith("/") ? directory : join(deployDirectory, directory);
  return runOrThrow([kubernetesProgram("kubectl"), "kustomize", path]);
}

/**
 * `kubectl kustomize` of a user's own kustomization, as deploy/README.md shows it.
 * @param directory an existing one, where it is written
 * @param resource directory below deploy/
 * @param components names below deploy/components
 * @param further keys of the kustomization
 * @returns YAML
 * @throws {Error} with its message
 */
export function kustomizeOwn(
  directory: string,
  resource: string,
  components: readonly string[],
  further: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  // kustomize takes relative paths only.
  const path = (...names: string[]) => relative(directory, join(deployDirectory, ...names));
  const content = {
    ...further,
    resources: [path(resource)],
    components: components.map((component) => path("components", component)),
  };
  // JSON is YAML.
  writeFileSync(join(directory, "kustomization.yaml"), JSON.stringify(content));
  return kustomize(directory);
}

/** `helm template` in kube-system, of the image that nodes of tests have, with the custom resource. @param args of helm @returns YAML @throws {Error} with its message */
export function renderChart(...args: readonly string[]): Promise<string> {
  const common = ["template", "multus", chart, "--namespace", "kube-system", "--include-crds"];
  return runOrThrow([helmProgram(), ...common, "--set", "image.local=true", ...args]);
}

/** Helm's notes after an installation of the chart in kube-system. @param args of helm @throws {Error} with its message */
export async function notesOfChart(...args: readonly string[]): Promise<string> {
  const common = ["install", "multus", chart, "--namespace", "kube-system", "--dry-run=client"];
  const text = await runOrThrow([helmProgram(), ...common, "--set", "image.local=true", ...args]);
  return text.slice(text.indexOf("NOTES:\n"));
}

/** Objects that those notes have kubectl apply: a first network and a first pod. @returns YAML */
export function firstPodOf(notes: string): string {
  const [, text] = /<<'EOF'\n([\s\S]*?)\nEOF\n/.exec(notes) ?? [];
  if (text === undefined) throw new Error(`nothing is applied in ${notes}`);
  return text;
}

/** The objects of YAML documents. @throws {Error} where it is not YAML */
export function manifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    if ("errors" in document && document.errors.length > 0) throw document.errors[0];
    const value: Manifest | null = document.toJS();
    return value === null ? [] : [value];
  });
}

/** @throws {Error} where there is none, or more than one */
export function daemonSetOf(objects: readonly Manifest[]): DaemonSet {
  const [found, ...others] = objects.filter((object): object is DaemonSet => object.kind === "DaemonSet");
  if (found === undefined || others.length > 0) throw new Error(`${others.length + 1} DaemonSets`);
  return found;
}

/** By kind and name, for comparing sets of them. */
export function byName(objects: readonly Manifest[]): Readonly<Record<string, Manifest>> {
  const named = objects.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const);
  const record = Object.fromEntries(named);
  if (Object.keys(record).length !== objects.length) throw new Error("two of one name");
  return record;
}
