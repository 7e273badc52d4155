/** Prepares the networks of one try: files for the daemon, the pod's annotation, and the links that the networks need on their node. */

import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { isJsonObject, textOf } from "../../base/json.ts";
import { UserError } from "../command/user-error.ts";
import { documentKind } from "../configuration/kind.ts";
import { locateDocuments } from "../configuration/position.ts";
import { demonstrationClusterNetwork, demonstrationNads, demonstrationSelection } from "./demonstration.ts";
import type { ScratchNode } from "./scratch.ts";

/** The user's options. Defaults are the demonstration's, or nothing if other networks are named. */
export interface NetworkOptions {
  /** Value of the annotation k8s.v1.cni.cncf.io/networks. */
  readonly networks?: string | undefined;
  /** Manifests of NetworkAttachmentDefinitions. */
  readonly nad?: readonly string[] | undefined;
  /** A .conf or .conflist file. */
  readonly clusterNetwork?: string | undefined;
}

/** How the error begins where all NADs of files are selected, and there are none. */
export const noNetworkIn = "no NetworkAttachmentDefinition in";

export interface TrialNetworks {
  /** Absolute path of the cluster network's file. */
  readonly clusterNetwork: string;
  /** Value of the annotation. */
  readonly selection: string;
  /** Directory with the manifests, for the daemon. */
  readonly nadDir: string;
  /** Links that a plugin has as its `master`. */
  readonly masters: readonly string[];
  /** Of the manifests, those with a name. */
  readonly definitions: readonly Definition[];
}

/** A NetworkAttachmentDefinition of a manifest. */
export interface Definition {
  readonly namespace: string;
  readonly name: string;
  /** `spec.config`; "" where it has none. */
  readonly config: string;
}

/** The user's networks, before anything is written. */
export interface NamedNetworks {
  readonly manifests: readonly { readonly file: string; readonly text: string }[];
  readonly definitions: readonly Definition[];
  /** The cluster network's configuration. */
  readonly clusterText: string;
  /** Value of the annotation. */
  readonly selection: string;
  readonly masters: readonly string[];
}

/**
 * Reads the user's files. Changes nothing.
 * @param podNamespace NADs of that namespace are selected by their name alone
 * @throws {UserError} for a missing file, and if all NADs are selected and there are none
 */
export function networksOf(options: NetworkOptions, podNamespace: string): NamedNetworks {
  const isDemonstration =
    options.networks === undefined && options.nad === undefined && options.clusterNetwork === undefined;
  const manifests = isDemonstration
    ? demonstrationNads.map((nad) => ({ file: `${nad.metadata.name}.json`, text: JSON.stringify(nad) }))
    : (options.nad ?? []).map((file) => ({ file: basename(file), text: readText(file) }));
  const clusterText =
    options.clusterNetwork === undefined
      ? JSON.stringify(demonstrationClusterNetwork)
      : readText(options.clusterNetwork);
  const documents = manifests.flatMap(({ text }) => parseLeniently(text));
  const definitions = definitionsIn(documents, podNamespace);
  const all = isDemonstration ? demonstrationSelection : selectAll(definitions, podNamespace);
  if (options.networks === undefined && options.nad !== undefined && all === "") {
    throw new UserError(
      `${noNetworkIn} ${options.nad.join(", ")}`,
      "multusctl validate FILE shows what is in a file",
    );
  }
  return {
    manifests,
    definitions,
    clusterText,
    selection: options.networks ?? all,
    masters: mastersIn([clusterText, ...definitions.map(({ config }) => config)].flatMap(parseLeniently)),
  };
}

/**
 * Writes the daemon's files into the scratch directory.
 * @param podNamespace NADs of that namespace are selected by their name alone
 * @throws {UserError} for a missing file, and if all NADs are selected and there are none
 */
export function prepareNetworks(
  scratch: ScratchNode,
  options: NetworkOptions,
  podNamespace: string,
): TrialNetworks {
  const { manifests, definitions, clusterText, selection, masters } = networksOf(options, podNamespace);
  const nadDir = scratch.makeDirectory("nads");
  manifests.forEach(({ file, text }, index) => {
    scratch.writeFile(manifestCopy("", index, file), text);
  });
  const clusterNetwork =
    options.clusterNetwork === undefined
      ? scratch.writeFile("10-demo-bridge.conflist", clusterText)
      : resolve(options.clusterNetwork);
  return { clusterNetwork, nadDir, selection, masters, definitions };
}

/** Path of the daemon's copy of a manifest. @param directory of the scratch node @param index of the file among the user's */
export function manifestCopy(directory: string, index: number, file: string): string {
  return join(directory, "nads", `${index}-${basename(file)}`);
}

function readText(file: string): string {
  if (!existsSync(file)) throw new UserError(`${file} does not exist`);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UserError(`${file} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** Documents of a YAML or JSON text; none if it cannot be parsed, as the daemon reports the error. */
function parseLeniently(text: string): unknown[] {
  return locateDocuments(text)
    .map(({ value }) => value)
    .filter((value) => value !== undefined);
}

/** The NADs in the documents, in order. Skips other objects, such as pods and what is none; the daemon reports those of the API group whose kind is misspelt. */
function definitionsIn(documents: readonly unknown[], podNamespace: string): Definition[] {
  const items = documents.flatMap((document) =>
    isJsonObject(document) && Array.isArray(document.items) ? document.items : [document],
  );
  return items
    .filter(isJsonObject)
    .filter((item) => documentKind(item) === "nad" || textOf(item.apiVersion).startsWith("k8s.cni.cncf.io/"))
    .flatMap(({ metadata, spec }) => {
      if (!isJsonObject(metadata)) return [];
      const { name, namespace } = metadata;
      const config = isJsonObject(spec) && typeof spec.config === "string" ? spec.config : "";
      return [
        { name: `${name}`, namespace: typeof namespace === "string" ? namespace : podNamespace, config },
      ];
    });
}

/** The selection of every NAD, in order. */
function selectAll(definitions: readonly Definition[], podNamespace: string): string {
  return definitions
    .map(({ name, namespace }) => (namespace === podNamespace ? name : `${namespace}/${name}`))
    .join(",");
}

/** Every `master` in the configurations: links that a scratch node lacks. */
function mastersIn(configurations: readonly unknown[]): string[] {
  const masters = new Set<string>();
  const visit = (value: unknown, key: string): void => {
    if (key === "master" && typeof value === "string" && value !== "") masters.add(value);
    if (typeof value === "object" && value !== null) {
      for (const [name, member] of Object.entries(value)) visit(member, name);
    }
  };
  for (const configuration of configurations) visit(configuration, "");
  return [...masters];
}
