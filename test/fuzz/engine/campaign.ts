/** Runs one target over seeds and their mutations. */

import { cpuTime } from "../../support/cpu-time.ts";
import type { Coverage } from "./coverage.ts";
import { mutated } from "./mutation.ts";
import { Random } from "./random.ts";
import { BrokenPromise, type FuzzTarget } from "./target.ts";

/** Processor time of one input that is too much: the largest inputs here need some milliseconds. */
const mostCpuMs = 3_000;
/** Inputs between two looks at the coverage, each of which takes tens of milliseconds: more of them the longer nothing new is found. */
const firstBatch = 64;
const largestBatch = 4_096;
const largestCorpus = 2_000;

/** The input that broke something. */
export class FuzzFailure extends Error {
  override readonly name = "FuzzFailure";
  readonly target: string;
  readonly input: Buffer;

  constructor(target: string, input: Buffer, cause: unknown) {
    const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`${target}: ${text}`, { cause });
    this.target = target;
    this.input = input;
  }
}

export interface CampaignOptions {
  readonly seed: number;
  /** Is asked before each input: is there to be another one? @param runs so far */
  readonly goesOn: (runs: number) => boolean;
  /** Is waited for after each input, where it gives something to wait for. */
  readonly pause?: (runs: number) => Promise<unknown> | undefined;
  /** Inputs of earlier runs. */
  readonly corpus?: readonly Buffer[];
  /** Keeps inputs that reach new code; without it only seeds are mutated. */
  readonly coverage?: Coverage | undefined;
  /** Is told of each input before it is run. */
  readonly beforeRun?: (input: Buffer) => void;
  /** Is told of an input that reaches new code. */
  readonly onKept?: (input: Buffer) => void;
}

export interface CampaignOutcome {
  readonly runs: number;
  /** Blocks of src/ that were run; 0 without coverage. */
  readonly blocks: number;
  /** Inputs that others are made of. */
  readonly corpus: number;
}

/** @throws {FuzzFailure} for the first input that breaks something */
export async function runCampaign(target: FuzzTarget, options: CampaignOptions): Promise<CampaignOutcome> {
  const random = new Random(options.seed);
  const corpus = [...target.seeds().map((seed) => Buffer.from(seed)), ...(options.corpus ?? [])];
  const given = corpus.slice();
  const seen = new Set<string>();
  let batch: Buffer[] = [];
  let batchSize = firstBatch;
  let runs = 0;
  const run = async (input: Buffer) => {
    options.beforeRun?.(input);
    await runInput(target, input);
    runs += 1;
  };
  while (options.goesOn(runs)) {
    const input = given.shift() ?? mutated(corpus, target.words ?? [], random);
    await run(input);
    await options.pause?.(runs);
    if (options.coverage === undefined) continue;
    batch.push(input);
    if (batch.length < batchSize) continue;
    const { coverage } = options;
    const wanted = new Set([...coverage.look()].filter((block) => !seen.has(block)));
    const found = wanted.size === 0 ? [] : await inputsThatReach(wanted, batch, coverage, run);
    for (const block of wanted) seen.add(block);
    batchSize = found.length > 0 ? firstBatch : Math.min(2 * batchSize, largestBatch);
    batch = [];
    for (const kept of found.slice(0, Math.max(0, largestCorpus - corpus.length))) {
      corpus.push(kept);
      options.onKept?.(kept);
    }
  }
  return { runs, blocks: seen.size, corpus: corpus.length };
}

/**
 * Runs inputs once more, in halves and halves of those, to see which of them reach the blocks. None of them reaches blocks of a first run alone, such as
 * those of loading a module.
 */
async function inputsThatReach(
  wanted: ReadonlySet<string>,
  inputs: readonly Buffer[],
  coverage: Coverage,
  run: (input: Buffer) => Promise<void>,
): Promise<Buffer[]> {
  const halves =
    inputs.length === 1 ? [inputs] : [inputs.slice(0, inputs.length / 2), inputs.slice(inputs.length / 2)];
  const found: Buffer[] = [];
  let missing = wanted;
  for (const half of halves) {
    if (missing.size === 0) break;
    for (const input of half) await run(input);
    const blocks = coverage.look();
    const reached = new Set([...missing].filter((block) => blocks.has(block)));
    if (reached.size === 0) continue;
    found.push(...(half.length === 1 ? half : await inputsThatReach(reached, half, coverage, run)));
    missing = new Set([...missing].filter((block) => !reached.has(block)));
  }
  return found;
}

/** Runs one input. @throws {FuzzFailure} */
export async function runInput(target: FuzzTarget, input: Buffer): Promise<void> {
  // Parsers may keep views: each gets its own bytes.
  const own = Buffer.from(input);
  const begin = performance.now();
  const before = cpuTime();
  try {
    await target.run(own);
  } catch (error) {
    throw new FuzzFailure(target.name, input, error);
  }
  if (performance.now() - begin < mostCpuMs) return;
  // On a machine that does much else time alone says nothing.
  const cpuMs = (cpuTime() - before) / 1000;
  if (cpuMs > mostCpuMs) {
    throw new FuzzFailure(target.name, input, new BrokenPromise(`${Math.round(cpuMs)} ms of processor time`));
  }
}
