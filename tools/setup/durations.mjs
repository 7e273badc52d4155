/** How long things took the last time on this machine, so that whoever waits knows for how long. */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Seconds and minutes as people say them. @param {number} seconds */
export function durationText(seconds) {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** @param {string} file */
function durationsIn(file) {
  try {
    const kept = JSON.parse(readFileSync(file, "utf8"));
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch {
    return {}; // the first time, or torn: nothing depends on it
  }
}

/**
 * @param {string} file where durations are kept
 * @param {string} name of what took so long
 * @returns {string} `the last time took 4 min 12 s`; "" where there was none
 */
export function lastTime(file, name) {
  const seconds = durationsIn(file)[name];
  return typeof seconds === "number" && Number.isFinite(seconds) && seconds >= 0
    ? `the last time took ${durationText(seconds)}`
    : "";
}

/** @param {string} file @param {string} name @param {number} seconds */
export function rememberDuration(file, name, seconds) {
  const kept = { ...durationsIn(file), [name]: Math.round(seconds * 10) / 10 };
  const written = `${file}.${process.pid}`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(written, `${JSON.stringify(kept, undefined, 2)}\n`);
  renameSync(written, file);
}
