/** Checks the node's state: plans and results, recorded DELs, free space, and access rights. */

import { existsSync, lstatSync, statfsSync } from "node:fs";
import { isMissingFile } from "../../base/system-error.ts";
import type { Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import { readSpool } from "../../multus/spool/spool.ts";
import { readAttachments } from "../node/attachments.ts";
import type { NodeCheck } from "../text/finding.ts";
import { formatAge, listed } from "../text/quantities.ts";
import { fail, type NodeFinding, pass, skip, warn } from "./finding.ts";

/** Free fractions below which doctor warns, and below which it reports an error. */
const littleLeft = 0.1;
const nothingLeft = 0.02;
const shown = 5;
/** How many files with a problem are named. */
const shownProblems = 20;

export async function checkNodeState(cniDir: string, kernels: Kernels): Promise<NodeFinding[]> {
  try {
    lstatSync(cniDir);
  } catch (error) {
    const check = "state/directory";
    return isMissingFile(error)
      ? [
          pass(
            check,
            `there is no ${cniDir}: no pod has been attached yet, or the directory is another one (--cni-dir)`,
          ),
        ]
      : [skip(check, errorText(error), "run it with sudo")];
  }
  return [
    ...(await attempt("state/directory", () => checkModes(cniDir))),
    ...(await attempt("state/attachments", () => checkAttachments(cniDir, kernels))),
    ...(await attempt("state/spool", () => checkSpool(cniDir))),
    ...(await attempt("state/disk", () => checkDisk(cniDir))),
  ];
}

async function attempt(
  check: NodeCheck,
  look: () => NodeFinding[] | Promise<NodeFinding[]>,
): Promise<NodeFinding[]> {
  try {
    return await look();
  } catch (error) {
    return [skip(check, errorText(error), "run it with sudo")];
  }
}

function checkModes(cniDir: string): NodeFinding[] {
  const check = "state/directory";
  const { mode, uid } = lstatSync(cniDir);
  return [
    (mode & 0o022) !== 0 || uid !== 0
      ? fail(
          check,
          `${cniDir} belongs to uid ${uid}, mode ${(mode & 0o777).toString(8)}: others can write the configurations that a DEL runs as root`,
          `chown root ${cniDir} && chmod 0700 ${cniDir}`,
        )
      : pass(check, `${cniDir} can be written by root only`),
  ];
}

async function checkAttachments(cniDir: string, kernels: Kernels): Promise<NodeFinding[]> {
  const check = "state/attachments";
  const { attachments, problems, namespaces } = await readAttachments(cniDir, kernels);
  const findings = problems
    .slice(0, shownProblems)
    .map(({ file, problem }) =>
      warn(
        check,
        `${file}: ${problem}`,
        "its DEL uses the readable part; remove the file when its pod is gone",
      ),
    );
  if (problems.length > shownProblems) {
    const rest = problems.length - shownProblems;
    findings.push(warn(check, `${rest} further files are damaged`, "multusctl ls shows them"));
  }
  const stale = new Set<string>();
  let isSeen = false;
  for (const [netns, containers] of namespaces) {
    if (existsSync(netns)) isSeen = true;
    else for (const containerId of containers) stale.add(containerId);
  }
  if (stale.size > 0 && isSeen) {
    findings.push(
      warn(
        check,
        `${stale.size} containers have state and no network namespace any more: ${firstOf([...stale])}`,
        "the runtime's next GC deletes them (with cniVersion 1.1.0 in Multus's file); before that, look whether their DEL fails: kubectl get events -A, the daemon's log",
      ),
    );
  } else if (stale.size > 0) {
    findings.push(
      skip(
        check,
        `none of the network namespaces of ${stale.size} containers is visible from here`,
        "run it on the node itself",
      ),
    );
  }
  const unplanned = new Set(
    attachments.filter(({ state }) => state === "unplanned").map(({ containerId }) => containerId),
  );
  if (unplanned.size > 0) {
    findings.push(
      warn(
        check,
        `${unplanned.size} containers have results without a plan: ${firstOf([...unplanned])}`,
        "their DEL uses the results; multusctl ls shows them",
      ),
    );
  }
  if (findings.length > 0) return findings;
  const containers = new Set(attachments.map(({ containerId }) => containerId)).size;
  return [
    pass(
      check,
      `${attachments.length} attachments of ${containers} containers, all of them with plan and namespace`,
    ),
  ];
}

async function checkSpool(cniDir: string): Promise<NodeFinding[]> {
  const check = "state/spool";
  const { directory, waiting, failed, broken, retried, oldestMs, obstacle } = await readSpool(cniDir);
  const findings: NodeFinding[] = [];
  if (failed + broken > 0) {
    findings.push(
      fail(
        check,
        `${failed} recorded DELs in ${directory} were given up, ${broken} cannot be read`,
        "addresses and links of those containers may be left: the daemon's log has the reason. Fix it and remove the prefix failed- from the files' names, and they are retried; or clean up by hand and remove the files",
      ),
    );
  }
  if (waiting > 0 && obstacle !== undefined) {
    findings.push(
      fail(
        check,
        `${waiting} recorded DELs cannot be replayed: ${obstacle}`,
        `a record that could not be removed afterwards stays as it is: make ${directory} writable`,
      ),
    );
  } else if (waiting > 0) {
    findings.push(
      warn(
        check,
        `${waiting} recorded DELs wait, ${retried} of them after a failed try, the oldest for ${formatAge((oldestMs ?? 0) / 1000)}`,
        retried > 0
          ? "the daemon's log says why they fail: fix that. The daemon retries them for a day, at most 20 minutes apart"
          : "they are replayed once a daemon answers; after a reboot of the node, with the next call of the plugin",
      ),
    );
  }
  return findings.length > 0 ? findings : [pass(check, "no recorded DEL waits")];
}

function checkDisk(cniDir: string): NodeFinding[] {
  const check = "state/disk";
  const { blocks, bavail, bsize, files, ffree } = statfsSync(cniDir);
  const space = blocks === 0 ? 1 : bavail / blocks;
  const inodes = files === 0 ? 1 : ffree / files;
  const percent = (part: number) => `${Math.floor(part * 100)} %`;
  const text = `${percent(space)} of the space (${Math.floor((bavail * bsize) / 1e6)} MB) and ${percent(inodes)} of the inodes of ${cniDir} are free`;
  const least = Math.min(space, inodes);
  const remedy = "without a plan on disk no pod is attached: free some space (images and logs, most likely)";
  if (least < nothingLeft) return [fail(check, text, remedy)];
  return [least < littleLeft ? warn(check, text, remedy) : pass(check, text)];
}

function firstOf(ids: readonly string[]): string {
  return listed(
    ids.map((id) => id.slice(0, 13)),
    shown,
  );
}
