/** Every target for a short while, with a seed that is new each time; and is every parser in one? */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { FuzzFailure, runCampaign } from "./engine/campaign.ts";
import { freshSeed } from "./engine/random.ts";
import { fuzzTargets } from "./targets/index.ts";

/** Of each target; `npm run fuzz` goes on for as long as one likes. */
const mostRuns = 600;
const mostMs = 300;

const seed = freshSeed();
const targets = fuzzTargets.filter(({ needsShim }) => needsShim !== true);

afterAll(() => {
  for (const target of targets) target.close?.();
});

it.each(targets)("$name keeps its promises", async (target) => {
  const end = performance.now() + mostMs;
  // The first inputs are the seeds: they are read however slow the machine is.
  const fewest = target.seeds().length + 50;
  try {
    const { runs } = await runCampaign(target, {
      seed,
      goesOn: (done) => done < fewest || (done < mostRuns && performance.now() < end),
    });
    expect(runs).toBeGreaterThanOrEqual(fewest);
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    throw new Error(
      `${error.message}\nseed ${seed}; again: FUZZ_SEED=${seed} npm test -- --project fuzz -t "${target.name} keeps"\n` +
        `the input (base64): ${error.input.toString("base64")}`,
      { cause: error.cause },
    );
  }
});

const root = join(import.meta.dirname, "../..");

/** Names of what parses: `parse…`, `decode…`, `read…`, `split…`, `kept…`. */
const parserName = /^export (?:async )?function ((?:parse|decode|read|split|kept)[A-Z]\w*)/gm;

/** Those that get no text from outside by themselves. */
const noParsers: Readonly<Record<string, string>> = {
  "src/base/regular-file.ts readFileStart": "reads bytes for others",
  "src/base/regular-file.ts readRegularFile": "reads bytes for others",
  "src/ctl/command/certificate-duration.ts parseCertificateDuration":
    "an option, which certificateSeconds reads",
  "src/daemon-config/config.ts readDaemonConfig": "reads the file for parseDaemonConfig",
  "src/daemon/http/request-body.ts readBody": "collects a body; the suite fuzz sends some to the server",
  "src/multus/state/plan-file.ts readPlan": "reads the file for decodePlan",
  "src/multus/state/container.ts readContainer": "reads the file for decodePlan, and hands its entries on",
  "src/multus/spool/spool.ts readSpool": "lists the directory for spoolNameKind",
  "src/kube/certificates/certificate-file.ts readCurrentPair": "reads the files for checkPair",
  "src/kube/certificates/certificate-file.ts readCurrentCertificate": "reads the files for checkPair",
  "src/ctl/daemons/nodes.ts readNodes": "reads objects of the API; test/fuzz/ctl/nodes.test.ts makes them up",
  "src/ctl/daemons/nodes.ts readMultusPods": "reads pods for readNodes",
  "src/ctl/daemons/daemon-configuration.ts readConfigMapFile":
    "reads an object of the API; test/fuzz/ctl/preflight.test.ts makes them up",
  "src/ctl/validate/input.ts readInput": "reads the file for checkText",
  "src/ctl/node/attachments.ts readAttachments": "reads the files for decodePlan and ResultCache",
};

it("every parser has a target", () => {
  const parsers = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .flatMap((file) =>
      Array.from(
        readFileSync(join(root, "src", file), "utf8").matchAll(parserName),
        ([, name]) => `src/${file} ${name}`,
      ),
    );
  const covered = [...fuzzTargets.flatMap(({ covers }) => covers), ...Object.keys(noParsers)];
  expect(parsers.filter((parser) => !covered.includes(parser))).toEqual([]);
  expect(covered.filter((parser) => !parsers.includes(parser))).toEqual([]);
});

it("names are given once", () => {
  const names = fuzzTargets.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
