/** The result caches that real libcni wrote under Go multus (the recorded cases) are read with everything in them, and written back the same. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ResultCache } from "../../../src/cni/cache.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { cases, type JsonObject } from "../../golden/cases.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const recorded = cases.flatMap(({ name, steps }) =>
  steps.flatMap(({ command, files }) =>
    Object.entries(files)
      .filter(([file]) => file.startsWith("results/"))
      .map(([file, content]) => ({ name: `${name}, after ${command}: ${file}`, file, content })),
  ),
);

describe("recorded result caches", () => {
  it("are there", () => {
    expect(recorded.length).toBeGreaterThan(20);
  });

  it.each(recorded)("$name", async ({ file, content }) => {
    using directory = new ScratchDirectory();
    const path = directory.write(file, JSON.stringify(content));
    const cache = new ResultCache(directory.path, silentLogger);
    const expected = content as JsonObject;
    const [attachment, ...others] = await cache.list(String(expected.containerId));
    expect(others).toEqual([]);
    if (attachment === undefined) throw new Error("not read");
    expect(cache.read(attachment)).toEqual(attachment);
    cache.write(attachment);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(expected);
  });
});
