/** Fuzzes for a given time: one process per target, one at a time per processor. Keeps failing inputs below build/fuzz/. */

import { randomInt } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseTaskArguments } from "../setup/arguments.mjs";
import { describeMissing, ensureTools } from "../setup/debian.mjs";
import { interruption, progress, run, SetupError } from "../setup/process.mjs";
import { pinnedNode, projectDirectory } from "../setup/project.mjs";

/** For `--help`. */
export const fuzzUsage = `[--minutes N] [--only TARGET]… [--seed S] [--input FILE]
  --minutes N     in all, shared among the targets (10)
  --only TARGET   this one, or all whose names begin so: shim/, kernels/, multus/netconf; more than once
  --seed S        of an earlier run (1 to 4294967295)
  --input FILE    run only this input, with --only
  --list          names of all targets`;

const outputDirectory = join(projectDirectory, "build", "fuzz");
const driver = join(projectDirectory, "build", "fuzz-shim");
const libFuzzer = join(projectDirectory, "build", "fuzz-shim-libfuzzer");
const processScript = join(projectDirectory, "test", "fuzz", "engine", "process.ts");
/** An input that goes on for so long while its process computes hangs. */
const hangSeconds = 60;
const lookEveryMs = 5_000;
const longestInput = 4_096;
/** The shortest time of a target: below it a process does little but start. */
const leastSeconds = 3;

/** Builds what runs the shim's decoders. @returns {Promise<boolean>} is it libFuzzer? */
async function prepareShim() {
  const missing = await ensureTools(["compiler"]);
  if (missing.length > 0) throw new SetupError(`the shim can't be built:\n${describeMissing(missing)}`);
  const { buildShim } = await import("../build/shim.mjs");
  await buildShim({ fuzz: true });
  const withoutClang = await ensureTools(["fuzzer"]);
  if (withoutClang.length > 0) {
    progress(`the shim's decoders are fuzzed without coverage:\n${describeMissing(withoutClang)}`);
    return false;
  }
  await buildShim({ fuzz: "libfuzzer" });
  return true;
}

const outputOf = async (command, args) => {
  const { exitCode, output } = await run(command, args, { quiet: true });
  if (exitCode !== 0) throw new SetupError(`${command} ${args.join(" ")} failed:\n${output}`);
  return output.split("\n").filter((line) => line !== "");
};

/** Seconds of processor time that a process has used, or 0 if it is gone. */
function cpuSeconds(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

/** Ends a process whose input does not change while it computes. @returns a function that stops looking, and says whether it was ended */
function watchForHang(child, currentInput) {
  let changed = 0;
  let cpuThen = 0;
  let hangs = false;
  const timer = setInterval(() => {
    const at = existsSync(currentInput) ? statSync(currentInput).mtimeMs : 0;
    if (at !== changed) {
      changed = at;
      cpuThen = cpuSeconds(child.pid);
    } else if (cpuSeconds(child.pid) - cpuThen > hangSeconds) {
      hangs = true;
      child.kill("SIGKILL");
    }
  }, lookEveryMs);
  return () => {
    clearInterval(timer);
    return hangs;
  };
}

/**
 * @typedef {{ name: string, runs: number, coverage: string, failure: string | undefined, input: string | undefined, seconds?: number }} Account
 */

/** A decoder of the shim with libFuzzer. @returns {Promise<Account>} */
async function fuzzWithLibFuzzer(name, seed, seconds) {
  const directory = join(outputDirectory, name);
  const corpus = join(directory, "corpus");
  const seeds = join(directory, "seeds");
  for (const made of [corpus, seeds]) mkdirSync(made, { recursive: true });
  const before = new Set(readdirSync(directory));
  const { exitCode, output } = await run(
    libFuzzer,
    [
      corpus,
      seeds,
      `-max_total_time=${seconds}`,
      `-seed=${seed}`,
      `-max_len=${longestInput}`,
      `-timeout=${hangSeconds / 2}`,
      `-artifact_prefix=${directory}/`,
      "-print_final_stats=1",
    ],
    { quiet: true, env: { FUZZ_TARGET: name.slice("shim/".length), FUZZ_SEEDS: seeds } },
  );
  const made = readdirSync(directory).find(
    (file) => !before.has(file) && /^(crash|leak|timeout|oom)-/.test(file),
  );
  const last = [...output.matchAll(/cov: (\d+) ft: \d+ corp: (\d+)/g)].at(-1);
  const failed = exitCode !== 0 && interruption() === undefined;
  return {
    name,
    runs: Number(/number_of_executed_units: (\d+)/.exec(output)?.[1] ?? 0),
    coverage: last === undefined ? "" : `${last[1]} edges, corpus ${last[2]}`,
    failure: failed ? excerpt(output, exitCode) : undefined,
    input: made === undefined ? undefined : join(directory, made),
  };
}

/** A decoder of the shim with its own driver. @returns {Promise<Account>} */
async function fuzzWithDriver(name, seed, seconds) {
  const input = crashFile(name, seed);
  const { exitCode, output } = await run(
    driver,
    ["loop", name.slice("shim/".length), String(seed), String(seconds * 1_000), input],
    { quiet: true },
  );
  const failed = exitCode !== 0 && interruption() === undefined;
  return {
    name,
    runs: Number(/(\d+) runs/.exec(output)?.[1] ?? 0),
    coverage: "",
    failure: failed ? excerpt(output, exitCode) : undefined,
    input: failed && existsSync(input) ? input : undefined,
  };
}

/** A target of test/fuzz/targets. @returns {Promise<Account>} */
async function fuzzInNode(name, seed, seconds) {
  const directory = join(outputDirectory, name);
  mkdirSync(directory, { recursive: true });
  const current = join(directory, "current");
  rmSync(current, { force: true });
  let stopLooking = () => false;
  const { exitCode, output } = await run(
    pinnedNode,
    [processScript, "loop", name, String(seed), String(seconds), directory],
    {
      quiet: true,
      onSpawn(child) {
        stopLooking = watchForHang(child, current);
      },
    },
  );
  const hangs = stopLooking();
  const account = JSON.parse(/^\{"runs":.*\}$/m.exec(output)?.[0] ?? '{"runs":0,"blocks":0,"corpus":0}');
  const failed = exitCode !== 0 && (hangs || interruption() === undefined);
  const input = failed && existsSync(current) ? crashFile(name, seed) : undefined;
  if (input !== undefined) copyFileSync(current, input);
  return {
    name,
    runs: account.runs,
    coverage: account.blocks === 0 ? "" : `${account.blocks} blocks, corpus ${account.corpus}`,
    failure: failed
      ? hangs
        ? `hangs: more than ${hangSeconds} s of processor time for one input`
        : excerpt(output, exitCode)
      : undefined,
    input,
  };
}

function crashFile(name, seed) {
  mkdirSync(join(outputDirectory, name), { recursive: true });
  return join(outputDirectory, name, `crash-${seed}`);
}

/** A process's output about its end, without its progress. */
function excerpt(output, exitCode) {
  const lines = output.split("\n").filter((line) => !/^#\d|^(INFO|stat::|DE:|MS:|\{"runs")/.test(line));
  const text = lines.slice(0, 40).join("\n").trim().slice(0, 6_000);
  return text === "" ? `it ended with exit code ${exitCode} and said nothing` : text;
}

/** Runs one input of one target. */
async function runInput(names, file) {
  const [name, ...others] = names;
  if (name === undefined || others.length > 0) throw new SetupError("--input needs --only with one target");
  const path = resolve(process.env.INIT_CWD ?? projectDirectory, file);
  const { exitCode } = name.startsWith("shim/")
    ? await run(driver, ["run", name.slice("shim/".length), path])
    : await run(pinnedNode, [processScript, "run", name, path]);
  return exitCode;
}

function printAccount({ name, runs, coverage, failure, input, seconds }, seed) {
  process.stdout.write(
    `${failure === undefined ? "ok  " : "FAIL"} ${name.padEnd(28)} ${String(runs).padStart(10)} runs in ${seconds} s  seed ${seed}${coverage === "" ? "" : `  ${coverage}`}\n`,
  );
  if (failure === undefined) return;
  process.stdout.write(`${failure.replace(/^/gm, "     ")}\n`);
  if (input === undefined) return;
  const shown = relative(projectDirectory, input);
  process.stdout.write(`     input: ${shown}\n     again: npm run fuzz -- --only ${name} --input ${shown}\n`);
}

/**
 * The task `fuzz`.
 * @param {readonly string[]} args see fuzzUsage
 * @returns {Promise<number>} exit code: 1 where anything failed
 * @throws {SetupError}
 */
export async function fuzz(args) {
  const { values } = parseTaskArguments("fuzz", {
    args: [...args],
    options: {
      minutes: { type: "string", default: "10" },
      only: { type: "string", multiple: true, default: [] },
      seed: { type: "string" },
      input: { type: "string" },
      list: { type: "boolean", default: false },
    },
  });
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? randomInt(1, 2 ** 32) : Number(values.seed);
  if (!(minutes > 0) || !Number.isInteger(seed) || seed < 1 || seed >= 2 ** 32) {
    throw new SetupError(`npm run fuzz -- ${fuzzUsage}`);
  }
  const hasLibFuzzer = await prepareShim();
  const all = [
    ...(await outputOf(driver, ["targets"])).map((name) => `shim/${name}`),
    ...(await outputOf(pinnedNode, [processScript, "list"])),
  ];
  if (values.list) {
    process.stdout.write(`${all.join("\n")}\n`);
    return 0;
  }
  const isChosen = (name) => values.only.length === 0 || values.only.some((only) => name.startsWith(only));
  const exact = all.filter((name) => values.only.includes(name));
  const names = exact.length > 0 && exact.length === values.only.length ? exact : all.filter(isChosen);
  if (names.length === 0)
    throw new SetupError(`no target ${values.only.join(", ")}; there are ${all.join(", ")}`);
  if (values.input !== undefined) return runInput(names, values.input);

  const workers = Math.min(names.length, availableParallelism());
  const seconds = Math.max(leastSeconds, Math.floor((minutes * 60 * workers) / names.length));
  progress(`${names.length} targets, ${seconds} s each, ${workers} at once, seed ${seed}`);
  const waiting = [...names];
  const accounts = [];
  const work = async () => {
    for (
      let name = waiting.shift();
      name !== undefined && interruption() === undefined;
      name = waiting.shift()
    ) {
      const isOfShim = name.startsWith("shim/");
      const fuzzShim = hasLibFuzzer ? fuzzWithLibFuzzer : fuzzWithDriver;
      const begin = performance.now();
      const account = await (isOfShim ? fuzzShim : fuzzInNode)(name, seed, seconds);
      account.seconds = Math.round((performance.now() - begin) / 1_000);
      accounts.push(account);
      printAccount(account, seed);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  const failures = accounts.filter(({ failure }) => failure !== undefined);
  const runs = accounts.reduce((sum, account) => sum + account.runs, 0);
  process.stdout.write(
    `${accounts.length} of ${names.length} targets, ${runs} runs, ${failures.length} failed; seed ${seed}\n`,
  );
  return failures.length > 0 ? 1 : 0;
}
