/** The state of the sources: version, commit, and the time that files of an image or an archive have. */

import { execFileSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { projectDirectory } from "../setup/project.mjs";

/** The version, which package.json alone has. @returns {string} */
export function projectVersion() {
  return JSON.parse(readFileSync(join(projectDirectory, "package.json"), "utf8")).version;
}

/** @param {readonly string[]} args @returns {string | undefined} what git prints; undefined outside of a checkout of this project */
function git(...args) {
  try {
    return execFileSync("git", ["-C", projectDirectory, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined;
  }
}

/**
 * @returns {{ revision: string | undefined, changed: readonly string[], time: number }} revision: the commit, undefined where there is no git or no checkout; changed: files that
 *   differ from it, as `git status --porcelain` names them; time: SOURCE_DATE_EPOCH, else the commit's, else 0, in seconds since the epoch
 * @throws {Error} where SOURCE_DATE_EPOCH is no number of seconds
 */
export function sourceState() {
  const { SOURCE_DATE_EPOCH: given } = process.env;
  if (given !== undefined && !/^\d{1,12}$/.test(given)) {
    throw new Error(`SOURCE_DATE_EPOCH=${given}: seconds since 1970, in digits`);
  }
  const top = git("rev-parse", "--show-toplevel");
  const isOurs = top !== undefined && top === realpathSync(projectDirectory);
  const commit = isOurs ? git("log", "-1", "--format=%H %ct") : undefined;
  const [revision, committed] = commit?.split(" ") ?? [];
  const status = revision === undefined ? undefined : git("status", "--porcelain");
  return {
    revision,
    changed: status === undefined || status === "" ? [] : status.split("\n"),
    time: Number(given ?? committed ?? 0),
  };
}

/** @param {string} tag @returns {string | undefined} its commit; undefined where there is no such tag */
export function taggedCommit(tag) {
  return git("rev-parse", "--quiet", "--verify", `refs/tags/${tag}^{commit}`);
}
