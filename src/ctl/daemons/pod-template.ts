/** Reads what preflight needs of a pod's template: containers, and which of the node's directories they have where. */

import { type JsonObject, listOf, objectAt, objectsIn, textOf } from "../../base/json.ts";

export interface ContainerFacts {
  readonly name: string;
  readonly image: string;
  /** `command` and `args`; empty: the image's own. */
  readonly words: readonly string[];
  readonly mounts: readonly Mount[];
}

interface Mount {
  readonly volume: string;
  readonly at: string;
  /** Of the volume; "": all of it. */
  readonly subPath: string;
}

interface ConfigMapVolume {
  readonly name: string;
  /** Keys by path in the volume; undefined: every key is a file of its name. */
  readonly keys: ReadonlyMap<string, string> | undefined;
}

export interface TemplateFacts {
  readonly containers: readonly ContainerFacts[];
  readonly initContainers: readonly ContainerFacts[];
  /** Paths on the node by the volume's name. */
  readonly hostPaths: ReadonlyMap<string, string>;
  /** By the volume's name. */
  readonly configMaps: ReadonlyMap<string, ConfigMapVolume>;
  readonly nodeSelector: JsonObject;
  /** Rules for nodes that have to be kept; empty: there are none. */
  readonly nodeAffinity: readonly JsonObject[];
}

/** @param spec of a pod, anything */
export function templateFacts(spec: JsonObject): TemplateFacts {
  const hostPaths = new Map<string, string>();
  const configMaps = new Map<string, ConfigMapVolume>();
  for (const volume of objectsIn(spec.volumes)) {
    const name = textOf(volume.name);
    const path = textOf(objectAt(volume, "hostPath").path);
    const configMap = objectAt(volume, "configMap");
    if (path !== "") hostPaths.set(name, plainPath(path));
    if (configMap.name !== undefined) configMaps.set(name, configMapVolume(configMap));
  }
  return {
    containers: objectsIn(spec.containers).map(containerFacts),
    initContainers: objectsIn(spec.initContainers).map(containerFacts),
    hostPaths,
    configMaps,
    nodeSelector: objectAt(spec, "nodeSelector"),
    nodeAffinity: objectsIn(
      objectAt(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
        .nodeSelectorTerms,
    ),
  };
}

function configMapVolume({ name, items }: JsonObject): ConfigMapVolume {
  const keys = objectsIn(items).map(({ key, path }) => [textOf(path), textOf(key)] as const);
  return { name: textOf(name), keys: items === undefined ? undefined : new Map(keys) };
}

function containerFacts(container: JsonObject): ContainerFacts {
  return {
    name: textOf(container.name),
    image: textOf(container.image),
    words: [...listOf(container.command), ...listOf(container.args)].map(textOf),
    mounts: objectsIn(container.volumeMounts).map(({ name, mountPath, subPath }) => ({
      volume: textOf(name),
      at: plainPath(textOf(mountPath)),
      subPath: textOf(subPath),
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

/** The volume of a path in a container, and the path in it; undefined: there is none. */
export function volumePath(
  { mounts }: ContainerFacts,
  path: string,
): { readonly volume: string; readonly path: string } | undefined {
  const [mount] = mounts
    .filter(({ at }) => at !== "" && isBelow(path, at))
    .sort((left, right) => right.at.length - left.at.length);
  if (mount === undefined) return undefined;
  const { volume, at, subPath } = mount;
  const below = path.slice(at === "/" ? 1 : at.length + 1);
  return { volume, path: [subPath, below].filter((part) => part !== "").join("/") };
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

function joined(host: string, subPath: string): string {
  return host === "" || subPath === "" ? host : plainPath(`${host === "/" ? "" : host}/${subPath}`);
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
    .map(({ volume, at, subPath }) => ({ at, host: joined(hostPaths.get(volume) ?? "", subPath) }))
    .filter((each) => each[from] !== "" && isBelow(plain, each[from]))
    .sort((left, right) => right[from].length - left[from].length);
  if (mount === undefined || mount[to] === "") return undefined;
  const withoutRoot = (directory: string) => (directory === "/" ? "" : directory);
  return plainPath(`${withoutRoot(mount[to])}${plain.slice(withoutRoot(mount[from]).length)}`) || "/";
}
