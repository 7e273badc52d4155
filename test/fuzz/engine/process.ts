/**
 * One target for a while, as a process of its own: what `npm run fuzz` starts.
 *
 * `node process.ts list`: the names of all targets, one a line
 * `node process.ts loop TARGET SEED SECONDS DIRECTORY`: fuzzes; keeps inputs that reach new code in DIRECTORY/corpus and the input that runs in DIRECTORY/current, so
 *   that it is there whatever the process dies of. Ends with exit code 1 where an input fails. The last line of stdout is the account, as JSON. SIGTERM and SIGINT end it early.
 * `node process.ts run TARGET FILE`: one input
 */

import { createHash } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fuzzTargets } from "../targets/index.ts";
import { FuzzFailure, runCampaign, runInput } from "./campaign.ts";
import { Coverage } from "./coverage.ts";
import type { FuzzTarget } from "./target.ts";

function findTarget(name: string): FuzzTarget {
  const target = fuzzTargets.find((candidate) => candidate.name === name);
  if (target === undefined)
    throw new Error(`no target ${name}; there are ${fuzzTargets.map((one) => one.name).join(", ")}`);
  return target;
}

/** Says what failed. @returns exit code 1 */
function report(error: unknown): number {
  if (!(error instanceof FuzzFailure)) throw error;
  const stack = error.cause instanceof Error ? (error.cause.stack ?? "") : "";
  process.stderr.write(
    `FAILED ${error.message}\n${stack}\ninput (base64): ${error.input.toString("base64")}\n`,
  );
  return 1;
}

async function loop(target: FuzzTarget, seed: number, seconds: number, directory: string): Promise<number> {
  const corpusDirectory = join(directory, "corpus");
  mkdirSync(corpusDirectory, { recursive: true });
  const corpus = readdirSync(corpusDirectory).map((file) => readFileSync(join(corpusDirectory, file)));
  const current = openSync(join(directory, "current"), "w");
  const end = performance.now() + seconds * 1_000;
  let isEnding = false;
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.on(signal, () => {
      isEnding = true;
    });
  }
  using coverage = new Coverage();
  let runs = 0;
  try {
    const outcome = await runCampaign(target, {
      seed,
      corpus,
      coverage,
      goesOn: (done) => {
        runs = done;
        return !isEnding && performance.now() < end;
      },
      // Parsers are synchronous: without a pause no signal would be seen.
      pause: (done) => (done % 256 === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined),
      beforeRun(input) {
        ftruncateSync(current, input.length);
        writeSync(current, input, 0, input.length, 0);
      },
      onKept(input) {
        const name = createHash("sha256").update(input).digest("hex").slice(0, 32);
        writeFileSync(join(corpusDirectory, name), input);
      },
    });
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
    return 0;
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ runs, blocks: 0, corpus: 0 })}\n`);
    return report(error);
  } finally {
    closeSync(current);
    target.close?.();
  }
}

async function main([command, name = "", ...args]: readonly string[]): Promise<number> {
  if (command === "list") {
    process.stdout.write(fuzzTargets.map((target) => `${target.name}\n`).join(""));
    return 0;
  }
  const target = findTarget(name);
  if (command === "loop") {
    const [seed = "", seconds = "", directory = ""] = args;
    return loop(target, Number(seed), Number(seconds), directory);
  }
  if (command !== "run") throw new Error("list, loop or run");
  try {
    await runInput(target, readFileSync(args[0] ?? ""));
    process.stdout.write("it passes\n");
    return 0;
  } catch (error) {
    return report(error);
  } finally {
    target.close?.();
  }
}

process.exitCode = await main(process.argv.slice(2));
