/** The index of a results directory equals a listing, whatever another process does there. */

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { FollowedDirectory } from "../../../src/cni/followed-results.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const containers = ["c1", "c2", "a-c1", "c1-", "1", "eth0"];
const part = fc.constantFrom("c1", "c2", "a-c1", "c1-", "1", "eth0", "net", "cbr0", "a", "if-9");
const fileName = fc.array(part, { minLength: 2, maxLength: 4 }).map((parts) => parts.join("-"));

/** Lines of a shell. */
const operation = fc.oneof(
  { weight: 4, arbitrary: fileName.map((name) => `: > '${name}'`) },
  { weight: 2, arbitrary: fileName.map((name) => `: > '.${name}' && mv -- '.${name}' '${name}'`) },
  { weight: 2, arbitrary: fc.tuple(fileName, fileName).map(([from, to]) => `mv -T -- '${from}' '${to}'`) },
  { weight: 3, arbitrary: fileName.map((name) => `rm -f -- '${name}'`) },
  { weight: 1, arbitrary: fc.tuple(fileName, fileName).map(([from, to]) => `ln -- '${from}' '${to}'`) },
  { weight: 1, arbitrary: fc.constant("rm -f -- *") },
  {
    weight: 1,
    arbitrary: fileName.map(
      (name) => `cd .. && mkdir new && : > 'new/${name}' && rm -r results && mv new results && cd results`,
    ),
  },
  { weight: 1, arbitrary: fc.constant("cd .. && rm -r results && mkdir results && cd results") },
);

it("names what a listing names, after each step", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(operation, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 5 }),
      async (steps) => {
        using scratch = new ScratchDirectory();
        const path = join(scratch.path, "results");
        mkdirSync(path);
        const followed = new FollowedDirectory(path, silentLogger);
        try {
          for (const step of steps) {
            execFileSync("sh", ["-c", `${step.map((line) => `${line} 2>&-;`).join("\n")}\n:`], {
              cwd: path,
              stdio: "ignore",
            });
            const there = readdirSync(path).sort();
            for (const containerId of containers) {
              const expected = there.filter(
                (name) => name.includes(`-${containerId}-`) && !name.startsWith("."),
              );
              // Before the names of events were looked at some may be there that are gone; none may be missing.
              expect(await followed.namesOf(containerId)).toEqual(expect.arrayContaining(expected));
            }
            await nextTurn();
            await nextTurn();
            for (const containerId of containers) {
              const expected = there.filter(
                (name) => name.includes(`-${containerId}-`) && !name.startsWith("."),
              );
              expect(await followed.namesOf(containerId)).toEqual(expected);
            }
          }
        } finally {
          followed.close();
        }
      },
    ),
    { numRuns: 40 },
  );
});
