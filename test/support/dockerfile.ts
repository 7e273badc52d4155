/** The project's Dockerfile as instructions: what tests do in its place, and the image's configuration that it states. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DockerfileParser } from "dockerfile-ast";
import type { ImageConfig } from "./oci-image.ts";

export interface Instruction {
  /** In upper case. */
  readonly keyword: string;
  /** Flags not among them. */
  readonly arguments: readonly string[];
  /** As written, on one line: flags and arguments. */
  readonly text: string;
}

/** From one FROM to the next; before the first there is a stage of ARGs. */
export type Stage = readonly Instruction[];

export const dockerfile = join(import.meta.dirname, "..", "..", "Dockerfile");

/** The stages that a FROM begins. */
export function stages(): readonly Stage[] {
  const all: Instruction[][] = [];
  const source = readFileSync(dockerfile, "utf8");
  const lines = source.split("\n");
  for (const instruction of DockerfileParser.parse(source).getInstructions()) {
    const { start, end } = instruction.getRange();
    const words = lines.slice(start.line, end.line + 1).map((line) => line.replace(/\\$/, "").trim());
    const keyword = instruction.getKeyword().toUpperCase();
    if (keyword === "FROM") all.push([]);
    all.at(-1)?.push({
      keyword,
      arguments: instruction.getArguments().map((argument) => argument.getValue()),
      text: words.join(" ").slice(keyword.length).trim(),
    });
  }
  return all;
}

/** @throws {Error} where the last stage does not say it once */
function only(keyword: string): Instruction {
  const found = (stages().at(-1) ?? []).filter((instruction) => instruction.keyword === keyword);
  const [first] = found;
  if (first === undefined || found.length > 1)
    throw new Error(`${found.length} ${keyword} in the last stage`);
  return first;
}

/** The last stage's settings of the image beside its files. */
export function imageConfig(): ImageConfig {
  return {
    Entrypoint: JSON.parse(only("ENTRYPOINT").text),
    Env: only("ENV").arguments,
    User: only("USER").text,
  };
}

/** The image's environment variables for the C library's allocator, `NAME=value`. */
export function allocatorSettings(): readonly string[] {
  return (imageConfig().Env ?? []).filter((variable) => variable.startsWith("MALLOC_"));
}
