/** Reads the arguments of the tasks' programs: for an unknown option they print one line, not a stack trace. */

import { parseArgs } from "node:util";

/**
 * `parseArgs` of `node:util`. Where it refuses the arguments, the process ends with exit code 2.
 * @template {import("node:util").ParseArgsConfig} Config
 * @param {string} task its name, for the line that says where its options are listed
 * @param {Config} config
 */
export function parseTaskArguments(task, config) {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!error.code?.startsWith("ERR_PARSE_ARGS_")) throw error;
    // The rest is advice for arguments that begin with a dash.
    const [problem] = error.message.split(". To specify");
    process.stderr.write(`! ${problem}; \`node tools/run.mjs ${task} --help\` lists what there is\n`);
    return process.exit(2);
  }
}

/** @param {readonly string[]} args of a task @returns whether they ask for its help */
export function wantsHelp(args) {
  return args.includes("--help") || args.includes("-h");
}
