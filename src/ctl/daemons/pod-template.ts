/** Reads what preflight needs of a pod's template: containers, and which of the node's directories they have where. */

import { type JsonObject, listOf, objectAt, objectsIn, textOf } from "../../base/json.ts";

export interface ContainerFacts {
  readonly name: string;
  readonly image: string;
  /** `command` and `args`; empty: the image's own. */
  readonly words: readonly string[];
  readonly mounts: readonly { readonly volume: string; readonly at: string }[];
}

export interface TemplateFacts {
  readonly containers: readonly ContainerFacts[];
  readonly initContainers: readonly ContainerFacts[];
  /** Paths on the node by the volume's name. */
  readonly hostPaths: ReadonlyMap<string, string>;
  /** Names of ConfigMaps by the volume's name. */
  readonly configMaps: ReadonlyMap<string, string>;
  readonly nodeSelector: JsonObject;
}

/** @param spec of a pod, anything */
export function templateFacts(spec: JsonObject): TemplateFacts {
  const hostPaths = new Map<string, string>();
  const configMaps = new Map<string, string>();
  for (const volume of objectsIn(spec.volumes)) {
    const name = textOf(volume.name);
    const path = textOf(objectAt(volume, "hostPath").path);
    const configMap = textOf(objectAt(volume, "configMap").name);
    if (path !== "") hostPaths.set(name, plainPath(path));
    if (configMap !== "") configMaps.set(name, configMap);
  }
  return {
    containers: objectsIn(spec.containers).map(containerFacts),
    initContainers: objectsIn(spec.initContainers).map(containerFacts),
    hostPaths,
    configMaps,
    nodeSelector: objectAt(spec, "nodeSelector"),
  };
}

function containerFacts(container: JsonObject): ContainerFacts {
  return {
    name: textOf(container.name),
    image: textOf(container.image),
    words: [...listOf(container.command), ...listOf(container.args)].map(textOf),
    mounts: objectsIn(container.volumeMounts).map(({ name, mountPath }) => ({
      volume: textOf(name),
      at: plainPath(textOf(mountPath)),
    })),
  };
}

/** A path without a slash at its end; /var/run is a link to /run on every distribution of today. */
export function plainPath(path: string): string {
  const whole = path.length > 1 ? path.replace(/\/+$/, "") : path;
  return whole === "/var/run" || whole.startsWith("/var/run/") ? whole.slice("/var".length) : whole;
}

/** Is it that directory, or below it? */
export function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

/** The path on the node of a path in a container; undefined: none of the node's directories is there. */
export function onNode(template: TemplateFacts, container: ContainerFacts, path: string): string | undefined {
  return translated(template, container, path, "at", "host");
}

/** The path in a container of a path on the node; undefined: it is not there. */
export function inContainer(
  template: TemplateFacts,
  container: ContainerFacts,
  path: string,
): string | undefined {
  return translated(template, container, path, "host", "at");
}

/** By the mount that is nearest to the path. */
function translated(
  { hostPaths }: TemplateFacts,
  { mounts }: ContainerFacts,
  path: string,
  from: "at" | "host",
  to: "at" | "host",
): string | undefined {
  const plain = plainPath(path);
  const [mount] = mounts
    .map(({ volume, at }) => ({ at, host: hostPaths.get(volume) ?? "" }))
    .filter((each) => each[from] !== "" && isBelow(plain, each[from]))
    .sort((left, right) => right[from].length - left[from].length);
  if (mount === undefined || mount[to] === "") return undefined;
  const withoutRoot = (directory: string) => (directory === "/" ? "" : directory);
  return plainPath(`${withoutRoot(mount[to])}${plain.slice(withoutRoot(mount[from]).length)}`) || "/";
}
