/** Texts out of the recorded runs of test/golden: what real parsers got and wrote, as seeds. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const directory = join(import.meta.dirname, "../../golden");
const longest = 8_192;

let all: readonly unknown[] | undefined;

function recordings(): readonly unknown[] {
  all ??= readdirSync(directory)
    .filter((file) => file.endsWith(".json"))
    .map((file): unknown => JSON.parse(readFileSync(join(directory, file), "utf8")));
  return all;
}

/** Every value in the recordings. */
function* valuesIn(value: unknown, key = ""): Generator<readonly [key: string, value: unknown]> {
  yield [key, value];
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) yield* valuesIn(member, name);
}

/**
 * Values of the recordings as text, each once.
 * @param accept is given the key that a value is under
 */
export function goldenTexts(accept: (key: string, value: unknown) => boolean): string[] {
  const texts = new Set<string>();
  for (const [key, value] of recordings().flatMap((recording) => [...valuesIn(recording)])) {
    if (!accept(key, value)) continue;
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (text.length <= longest) texts.add(text);
  }
  return [...texts];
}

const has = (value: unknown, key: string) =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key);

/** Configurations of networks, single ones and lists. */
export const goldenConfigs = (): string[] =>
  goldenTexts((_, value) => has(value, "cniVersion") && (has(value, "type") || has(value, "plugins")));
/** Results of plugins. */
export const goldenResults = (): string[] =>
  goldenTexts((_, value) => has(value, "cniVersion") && (has(value, "interfaces") || has(value, "ips")));
/** Netconfs on stdin of Multus. */
export const goldenNetconfs = (): string[] =>
  goldenTexts((_, value) => has(value, "delegates") || has(value, "clusterNetwork"));
/** Texts of an annotation. */
export const goldenAnnotations = (name: string): string[] =>
  goldenTexts((key, value) => key === name && typeof value === "string");
