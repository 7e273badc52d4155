/** The recorded cases of Go multus, as types, and the texts of one read from disk. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One run of a delegate. */
export interface Call {
  readonly plugin: string;
  /** The CNI_ variables. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: JsonObject;
  readonly exit: number;
  /** JSON, or the text of a plugin that printed none. */
  readonly stdout: Json;
}

/** Files under the CNI directory by their path in it: JSON, or the text of a torn one. */
export type StateFiles = Readonly<Record<string, Json>>;

export interface Step {
  readonly command: string;
  readonly given: {
    readonly env: Readonly<Record<string, string>>;
    readonly stdin: JsonObject;
    /** Files removed just before the call. */
    readonly rm?: readonly string[];
    /** Files written just before the call, by path. */
    readonly write?: Readonly<Record<string, string>>;
    readonly deletePod?: boolean;
  };
  readonly exit: number;
  readonly stdout: Json;
  readonly calls: readonly Call[];
  readonly files: StateFiles;
  readonly networkStatus?: Json;
  /** Type, reason, message; sorted. */
  readonly events?: readonly (readonly [string, string, string])[];
  /** Default routes of the namespace. */
  readonly routes?: readonly string[];
}

export interface RecordedNad {
  readonly namespace: string;
  readonly name: string;
  /** JSON, or a text as it is; null: the object has no spec. */
  readonly config: Json;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface GoldenCase {
  readonly name: string;
  readonly about: string;
  readonly recordedFrom: string;
  readonly plugins: readonly string[];
  readonly hostFiles?: Readonly<Record<string, Json>>;
  readonly nads?: readonly RecordedNad[];
  readonly pod: {
    readonly namespace: string;
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
    readonly absent?: boolean;
    /** Of a pod that has taken the name since; without it the API has the pod that CNI_ARGS names. */
    readonly uid?: string;
  };
  readonly netnsSetup?: readonly (readonly string[])[];
  readonly steps: readonly Step[];
}

/** The case of that name. */
export function readCase(name: string): GoldenCase {
  return JSON.parse(readFileSync(join(import.meta.dirname, `${name}.json`), "utf8")) as GoldenCase;
}

/** The NetworkAttachmentDefinition as an object of the API. */
export function nadObject({ namespace, name, config, annotations }: RecordedNad): object {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  return {
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: { namespace, name, annotations },
    spec: config === null ? {} : { config: text },
  };
}

/** The cases that have a file each, by name. */
export const cases: readonly GoldenCase[] = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".json"))
  .sort()
  .map((file) => readCase(file.slice(0, -".json".length)));

/** The generated cases, in the order of their seeds: one a line, in one compressed file. */
export const generatedCases: readonly GoldenCase[] = brotliDecompressSync(
  readFileSync(join(import.meta.dirname, "generated.jsonl.br")),
)
  .toString("utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as GoldenCase);

/** Every recorded case. */
export const allCases: readonly GoldenCase[] = [...cases, ...generatedCases];
