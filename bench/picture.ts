/** Draws the picture of the README from the results of a benchmark: `node bench/picture.ts bench/results/….json` writes docs/images/attach.svg. Names of subjects after it leave these out. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pictureFile } from "../src/ctl/bench/plot/svg.ts";
import { errorText } from "../src/log/error-text.ts";
import { attachBars, type BenchResults, type BenchSetting } from "./report.ts";

const [file, ...leftOut] = process.argv.slice(2);
const usage = "node bench/picture.ts bench/results/….json [NAME LEFT OUT]…\n";
if (file === "--help" || file === "-h") {
  process.stdout.write(usage);
  process.exit(0);
}

/** Ends the process: an argument is wrong. */
function refuse(problem: string): never {
  process.stderr.write(`! ${problem}\n  ${usage}`);
  process.exit(2);
}

function resultsIn(path: string): BenchResults & BenchSetting {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return refuse(`${path} cannot be read: ${errorText(error)}`);
  }
}

if (file === undefined) refuse("no results are named");
const { machine, native } = resultsIn(file);
if (native === undefined) refuse(`${file} has no results of part native`);
const out = join(import.meta.dirname, "..", "docs", "images", "attach.svg");
const heading = `ADD of a pod: a bridge, macvlan for the rest; ${machine.processors} processors (median; line: p99)`;
const shown = native.rows.filter(({ subject }) => !leftOut.includes(subject));
writeFileSync(out, pictureFile(attachBars(shown, "ADD"), heading));
process.stdout.write(`${out}\n`);
