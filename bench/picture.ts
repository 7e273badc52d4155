/** Draws the picture of the README from the results of a benchmark: `node bench/picture.ts bench/results/….json` writes docs/images/attach.svg. Names of subjects after it leave these out. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pictureFile } from "../src/ctl/bench/plot/svg.ts";
import { attachBars, type BenchResults, type BenchSetting } from "./report.ts";

const [file, ...leftOut] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: node bench/picture.ts bench/results/….json [NAME LEFT OUT]…");
const { machine, native } = JSON.parse(readFileSync(file, "utf8")) as BenchResults & BenchSetting;
if (native === undefined) throw new Error(`${file} has no results of part native`);
const out = join(import.meta.dirname, "..", "docs", "images", "attach.svg");
const heading = `ADD of a pod: a bridge, macvlan for the rest; ${machine.processors} processors (median; line: p99)`;
const shown = native.rows.filter(({ subject }) => !leftOut.includes(subject));
writeFileSync(out, pictureFile(attachBars(shown, "ADD"), heading));
process.stdout.write(`${out}\n`);
