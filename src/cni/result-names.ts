/** The names of the files in a results directory, by listing it. */

import { directoryEntries } from "../base/directory.ts";

/**
 * The names of all entries, in no order; nothing where there is no such directory. Gives way to other work. A name that begins with a dot is no entry's: a file that is
 * being written has one.
 * @throws {Error} of node:fs
 */
export async function* resultNames(directory: string): AsyncGenerator<string> {
  for await (const { name } of directoryEntries(directory)) if (!name.startsWith(".")) yield name;
}

/** Those that have `-<containerId>-` in them, in order. @throws {Error} of node:fs */
export async function listedNamesOf(directory: string, containerId: string): Promise<string[]> {
  const middle = `-${containerId}-`;
  const names: string[] = [];
  for await (const name of resultNames(directory)) if (name.includes(middle)) names.push(name);
  return names.sort();
}
