/** The networks of docs/examples/devices, and what each says that its plugins receive. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

const directory = join(import.meta.dirname, "..", "..", "docs", "examples", "devices");

const resourceAnnotation = "k8s.v1.cni.cncf.io/resourceName";
const networksAnnotation = "k8s.v1.cni.cncf.io/networks";

export interface ExamplePlugin {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
}

/** A configuration of one plugin, or of a list of them. */
export type ExampleConfig = { readonly cniVersion: string } & (
  | ExamplePlugin
  | { readonly plugins: readonly ExamplePlugin[] }
);

/** A plugin's stdin. `prevResult` and paths end with `…` there, where they depend on the run. */
export interface ReceivedConfig {
  readonly name: string;
  readonly type: string;
  readonly deviceID?: string;
  readonly pciBusID?: string;
  readonly runtimeConfig?: Readonly<Record<string, unknown>>;
}

interface ExamplePod {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly containers: readonly {
      readonly name: string;
      readonly resources?: { readonly limits: Readonly<Record<string, string>> };
    }[];
  };
}

export interface DeviceExample {
  /** The manifests as they are. */
  readonly manifests: string;
  /** Name of the NetworkAttachmentDefinition. */
  readonly network: string;
  readonly config: ExampleConfig;
  /** The resource that it takes devices of. */
  readonly resource: string | undefined;
  readonly pod: ExamplePod;
  readonly selections: readonly {
    readonly name: string;
    readonly interface?: string;
    readonly mac?: string;
    readonly "infiniband-guid"?: string;
  }[];
  /** The node's devices of each resource. */
  readonly devices: Readonly<Record<string, readonly string[]>>;
  /** Configurations that the plugins receive of an ADD, in the order in which they run. */
  readonly stdin: readonly ReceivedConfig[];
}

/** @param name of the files, without `.yaml` @throws {Error} where a file is not what an example is */
export function deviceExample(name: string): DeviceExample {
  const manifests = readFileSync(join(directory, `${name}.yaml`), "utf8");
  const [definition, pod, ...others] = parseAllDocuments(manifests).map((document) => document.toJS());
  if (definition?.kind !== "NetworkAttachmentDefinition" || pod?.kind !== "Pod" || others.length > 0) {
    throw new Error(`${name}.yaml: not a NetworkAttachmentDefinition and a Pod`);
  }
  const networks: string = pod.metadata.annotations[networksAnnotation];
  return {
    manifests,
    network: definition.metadata.name,
    config: JSON.parse(definition.spec.config),
    resource: definition.metadata.annotations?.[resourceAnnotation],
    pod,
    selections: networks.trim().startsWith("[") ? JSON.parse(networks) : [{ name: networks }],
    ...JSON.parse(readFileSync(join(directory, `${name}.stdin.json`), "utf8")),
  };
}
