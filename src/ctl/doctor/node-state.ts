/** Checks the node's state: plans and results, recorded DELs, free space, and access rights. */

import { existsSync, lstatSync, statfsSync } from "node:fs";
import { isMissingFile } from "../../base/system-error.ts";
import type { Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import { readSpool } from "../../multus/spool/spool.ts";
import { readAttachments } from "../node/attachments.ts";
import type { NodeCheck } from "../text/finding.ts";
import { formatAge, listed } from "../text/quantities.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";

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
    const findings = new CheckFindings("state/directory");
    return isMissingFile(error)
      ? findings.pass(
          `there is no ${cniDir}: no pod has been attached yet, or the directory is another one (--cni-dir)`,
        )
      : findings.skip(errorText(error), "run it with sudo");
  }
  return [
    ...(await attempt("state/directory", (findings) => checkModes(findings, cniDir))),
    ...(await attempt("state/attachments", (findings) => checkAttachments(findings, cniDir, kernels))),
    ...(await attempt("state/spool", (findings) => checkSpool(findings, cniDir))),
    ...(await attempt("state/disk", (findings) => checkDisk(findings, cniDir))),
  ];
}

async function attempt(
  check: NodeCheck,
  look: (findings: CheckFindings) => NodeFinding[] | Promise<NodeFinding[]>,
): Promise<NodeFinding[]> {
  try {
    return await look(new CheckFindings(check));
  } catch (error) {
    return new CheckFindings(check).skip(errorText(error), "run it with sudo");
  }
}

function checkModes(findings: CheckFindings, cniDir: string): NodeFinding[] {
  const { mode, uid } = lstatSync(cniDir);
  if ((mode & 0o022) === 0 && uid === 0) return findings.pass(`${cniDir} can be written by root only`);
  return findings.fail(
    `${cniDir} belongs to uid ${uid}, mode ${(mode & 0o777).toString(8)}: others can write the configurations that a DEL runs as root`,
    `chown root ${cniDir} && chmod 0700 ${cniDir}`,
  );
}

async function checkAttachments(
  findings: CheckFindings,
  cniDir: string,
  kernels: Kernels,
): Promise<NodeFinding[]> {
  const { attachments, problems, namespaces } = await readAttachments(cniDir, kernels);
  for (const { file, problem } of problems.slice(0, shownProblems)) {
    findings.warn(
      `${file}: ${problem}`,
      "its DEL uses the readable part; remove the file when its pod is gone",
    );
  }
  if (problems.length > shownProblems) {
    const rest = problems.length - shownProblems;
    findings.warn(`${rest} further files are damaged`, "multusctl ls shows them");
  }
  const stale = new Set<string>();
  let isSeen = false;
  for (const [netns, containers] of namespaces) {
    if (existsSync(netns)) isSeen = true;
    else for (const containerId of containers) stale.add(containerId);
  }
  if (stale.size > 0 && isSeen) {
    findings.warn(
      `${stale.size} containers have state and no network namespace any more: ${firstOf([...stale])}`,
      "the runtime's next GC deletes them (with cniVersion 1.1.0 in Multus's file); before that, look whether their DEL fails: kubectl get events -A, the daemon's log",
    );
  } else if (stale.size > 0) {
    findings.skip(
      `none of the network namespaces of ${stale.size} containers is visible from here`,
      "run it on the node itself",
    );
  }
  const unplanned = new Set(
    attachments.filter(({ state }) => state === "unplanned").map(({ containerId }) => containerId),
  );
  if (unplanned.size > 0) {
    findings.warn(
      `${unplanned.size} containers have results without a plan: ${firstOf([...unplanned])}`,
      "their DEL uses the results; multusctl ls shows them",
    );
  }
  const containers = new Set(attachments.map(({ containerId }) => containerId)).size;
  return findings.orPass(
    `${attachments.length} attachments of ${containers} containers, all of them with plan and namespace`,
  );
}

async function checkSpool(findings: CheckFindings, cniDir: string): Promise<NodeFinding[]> {
  const { directory, waiting, failed, broken, retried, oldestMs, obstacle } = await readSpool(cniDir);
  if (failed + broken > 0) {
    findings.fail(
      `${failed} recorded DELs in ${directory} were given up, ${broken} cannot be read`,
      "addresses and links of those containers may be left: the daemon's log has the reason. Fix it and remove the prefix failed- from the files' names, and they are retried; or clean up by hand and remove the files",
    );
  }
  if (waiting > 0 && obstacle !== undefined) {
    findings.fail(
      `${waiting} recorded DELs cannot be replayed: ${obstacle}`,
      `a record that could not be removed afterwards stays as it is: make ${directory} writable`,
    );
  } else if (waiting > 0) {
    findings.warn(
      `${waiting} recorded DELs wait, ${retried} of them after a failed try, the oldest for ${formatAge((oldestMs ?? 0) / 1000)}`,
      retried > 0
        ? "the daemon's log says why they fail: fix that. The daemon retries them for a day, at most 20 minutes apart"
        : "they are replayed once a daemon answers; after a reboot of the node, with the next call of the plugin",
    );
  }
  return findings.orPass("no recorded DEL waits");
}

function checkDisk(findings: CheckFindings, cniDir: string): NodeFinding[] {
  const { blocks, bavail, bsize, files, ffree } = statfsSync(cniDir);
  const space = blocks === 0 ? 1 : bavail / blocks;
  const inodes = files === 0 ? 1 : ffree / files;
  const percent = (part: number) => `${Math.floor(part * 100)} %`;
  const text = `${percent(space)} of the space (${Math.floor((bavail * bsize) / 1e6)} MB) and ${percent(inodes)} of the inodes of ${cniDir} are free`;
  const least = Math.min(space, inodes);
  const remedy = "without a plan on disk no pod is attached: free some space (images and logs, most likely)";
  if (least < nothingLeft) return findings.fail(text, remedy);
  return least < littleLeft ? findings.warn(text, remedy) : findings.pass(text);
}

function firstOf(ids: readonly string[]): string {
  return listed(
    ids.map((id) => id.slice(0, 13)),
    shown,
  );
}
