/** NetworkAttachmentDefinitions: what one is, and where they come from, as far as this room cares. */

/** A NetworkAttachmentDefinition, as much of it as matters here. */
export interface Nad {
  readonly namespace: string;
  readonly name: string;
  /** spec.config as JSON text; empty if there is none. */
  readonly config: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
  /** Names the object in errors: file and object. */
  readonly where: string;
}

export type NadName = Pick<Nad, "namespace" | "name">;

export interface NadSource {
  /** undefined: there is none. @throws {CniError} if it cannot be read */
  get(namespace: string, name: string): Promise<Nad | undefined>;
  /** Those that are known without a question to anybody, for advice about a name that is not found. Left out: none are. */
  names?(): Promise<readonly NadName[]>;
}

/** As for objects of Kubernetes that are made to hold data: 1 MiB. A larger one is no configuration but a mistake. */
const longestConfig = 1024 * 1024;

/** The problem of the length of spec.config; undefined: none. @param length bytes */
export function nadConfigProblem(length: number): string | undefined {
  return length <= longestConfig
    ? undefined
    : `spec.config has ${length} bytes, and at most ${longestConfig} are allowed`;
}

/** Several sources as one: the first that has the object. One that cannot be asked is an error, as it may have it. */
export function firstOf(sources: readonly NadSource[]): NadSource {
  return {
    async get(namespace, name) {
      for (const source of sources) {
        const nad = await source.get(namespace, name);
        if (nad !== undefined) return nad;
      }
      return undefined;
    },
    async names() {
      const all = await Promise.all(sources.map(async (source) => (await source.names?.()) ?? []));
      return all.flat();
    },
  };
}
