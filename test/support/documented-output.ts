/** Outputs of commands as pages of docs/ show them, for tests that produce the same. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

const docs = join(import.meta.dirname, "..", "..", "docs");

/**
 * The text below `$ COMMAND` in a block of a page, to the end of the block.
 * @param page file name in docs/
 * @returns text that ends with a newline
 * @throws {Error} if there is no such block
 */
export function documentedOutput(page: string, command: string): string {
  const blocks = readFileSync(join(docs, page), "utf8").matchAll(/^```console\n\$ (.*)\n([\s\S]*?)^```$/gm);
  for (const [, shown, output = ""] of blocks) if (shown === command) return output;
  throw new Error(`docs/${page} has no block with $ ${command}`);
}
