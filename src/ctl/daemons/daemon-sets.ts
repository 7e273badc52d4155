/** Finds DaemonSets of Multus, Go's and ours, and says of each what it is: form, release, and who owns it. */

import { basename } from "node:path";
import { type JsonObject, objectAt, objectsIn, textOf } from "../../base/json.ts";
import { isFormerDaemon } from "../../command-line/former-daemon.ts";
import { type ContainerFacts, type TemplateFacts, templateFacts } from "./pod-template.ts";

/** Project that the daemon's program comes from. */
export type Owner = "ours" | "go";
/** Thick: the daemon runs in the pod. */
export type Form = "thick" | "thin";

export interface MultusDaemonSet {
  readonly namespace: string;
  readonly name: string;
  readonly isOurs: boolean;
  readonly form: Form;
  /** The container that stays. */
  readonly container: ContainerFacts;
  readonly template: TemplateFacts;
  readonly selector: JsonObject;
  /** Kind and name of the object that it belongs to; "" if there is none. */
  readonly controller: string;
  /** Helm's release; "" if the object is none of Helm's. */
  readonly helmRelease: string;
  /** Was it applied with `kubectl apply --server-side`? */
  readonly isServerSide: boolean;
}

/** Names of images that have Go multus: that of the project, and those that distributions build of it. */
const goImage = /^(?:[a-z0-9]+-)*multus(?:-cni)?(?:-thick|-thin)?$/;
const ourPrograms = ["multusd", "multusctl"];
const goPrograms = ["thin_entrypoint", "multus-daemon"];

/** Of `registry:5000/path/name:tag@digest` the name and the tag; "" without one. */
export function imageName(image: string): { readonly name: string; readonly tag: string } {
  const [, name = "", tag = ""] = /([^/:@]+)(?::([^/@]+))?(?:@[^/]+)?$/.exec(image) ?? [];
  return { name, tag };
}

/** Multus, ours or Go's, among a pod's containers; undefined: none is. */
export function multusContainer(
  template: TemplateFacts,
): { readonly container: ContainerFacts; readonly owner: Owner; readonly form: Form } | undefined {
  const container = template.containers.find((each) => whose(each) !== undefined);
  const owner = container && whose(container);
  if (container === undefined || owner === undefined) return undefined;
  return { container, owner, form: formOf(container, template) };
}

/** @param object a DaemonSet of the API @returns undefined: it is not Multus's */
export function multusDaemonSet(object: JsonObject): MultusDaemonSet | undefined {
  const template = templateFacts(objectAt(object, "spec", "template", "spec"));
  const found = multusContainer(template);
  if (found === undefined) return undefined;
  const { container, owner, form } = found;
  const { namespace, name, labels, annotations, managedFields, ownerReferences } = objectAt(
    object,
    "metadata",
  );
  const owning = objectsIn(ownerReferences).find((each) => each.controller === true);
  const isHelms = textOf(objectAt(labels)["app.kubernetes.io/managed-by"]) === "Helm";
  return {
    namespace: textOf(namespace),
    name: textOf(name),
    isOurs: owner === "ours",
    form,
    container,
    template,
    selector: objectAt(object, "spec", "selector", "matchLabels"),
    controller: owning === undefined ? "" : `${textOf(owning.kind)} ${textOf(owning.name)}`,
    helmRelease:
      textOf(objectAt(annotations)["meta.helm.sh/release-name"]) || (isHelms ? "of another name" : ""),
    isServerSide: objectsIn(managedFields).some(
      ({ operation, manager }) => operation === "Apply" && textOf(manager).startsWith("kubectl"),
    ),
  };
}

function whose({ image, words }: ContainerFacts): Owner | undefined {
  const { name } = imageName(image);
  const program = basename(words[0] ?? "");
  if (ourPrograms.includes(program) || name.startsWith("multus-wasm")) return "ours";
  const isGo =
    goPrograms.includes(program) ||
    goImage.test(name) ||
    words.some((word) => word.startsWith("--multus-conf-file"));
  return isGo ? "go" : undefined;
}

function formOf({ image, words }: ContainerFacts, { hostPaths }: TemplateFacts): Form {
  const [program = "", ...args] = words;
  switch (basename(program)) {
    case "multusd":
      return "thick";
    case "multus-daemon":
      return isFormerDaemon(program, args) ? "thin" : "thick";
    case "thin_entrypoint":
    case "multusctl":
      return "thin";
    default: {
      // The image's own command: thick's image has another tag, and its pod the host's root.
      const isThick = /thick/.test(image) || [...hostPaths.values()].includes("/");
      return isThick && !words.some((word) => word.startsWith("--multus-conf-file")) ? "thick" : "thin";
    }
  }
}
