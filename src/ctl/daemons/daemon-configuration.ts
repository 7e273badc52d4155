/** Finds and reads daemon-config.json of a thick DaemonSet, where its container has it from a ConfigMap. */

import { objectAt, textOf } from "../../base/json.ts";
import { withGoFlags } from "../../command-line/go-flags.ts";
import type { Api } from "../../kube/api.ts";
import { quoted } from "../../log/quoted.ts";
import { getObject, type Resource } from "../cluster/objects.ts";
import type { MultusDaemonSet } from "./daemon-sets.ts";
import { type ContainerFacts, plainPath, volumePath } from "./pod-template.ts";

const configMaps: Resource = { base: "/api/v1", name: "configmaps" };

/** Of Go multus's daemon and ours, unless `-config` names another. */
const usualFile = "/etc/cni/net.d/multus.d/daemon-config.json";

/** A file that a container has from a ConfigMap. */
export interface ConfigMapFile {
  /** Of the ConfigMap. */
  readonly name: string;
  readonly key: string;
}

/** @returns undefined: there is no volume in that place; a text: why it cannot be read from the API */
export function configurationFile({
  template,
  container,
}: Pick<MultusDaemonSet, "template" | "container">): ConfigMapFile | string | undefined {
  const file = fileOf(container);
  const found = volumePath(container, file);
  if (found === undefined) return undefined;
  const configMap = template.configMaps.get(found.volume);
  if (configMap === undefined) return `${quoted(file)} is in a volume that is no ConfigMap`;
  const key = configMap.keys === undefined ? found.path : configMap.keys.get(found.path);
  return key === undefined || key === "" ? undefined : { name: configMap.name, key };
}

/** @returns undefined: it is not there @throws {ApiError} {@link ApiUnreachable} */
export async function readConfigMapFile(
  api: Api,
  namespace: string,
  { name, key }: ConfigMapFile,
): Promise<string | undefined> {
  const text = textOf(objectAt(await getObject(api, configMaps, namespace, name), "data")[key]);
  return text === "" ? undefined : text;
}

function fileOf({ words }: ContainerFacts): string {
  const given = withGoFlags(words, [{ name: "config", takes: "value" }])
    .map((argument) => /^--config=(.*)$/s.exec(argument)?.[1])
    .findLast((each) => each !== undefined);
  return plainPath(given ?? usualFile);
}
