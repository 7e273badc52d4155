/** `multusctl status`: an overview of daemon and node. */

import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { loadKernels } from "../../kernels/load.ts";
import { UserError } from "../command/user-error.ts";
import { daemonStatusOf } from "../node/daemon-socket.ts";
import { defaultCniDir, defaultSocketDir } from "../node/installation.ts";
import { placeHere } from "../node/paths.ts";
import { summarizeNode } from "./node-summary.ts";
import { formatStatus, type NodeStatus } from "./report.ts";

const watchSeconds = 2;

export function statusCommand() {
  return new Command("status")
    .summary("show an overview of daemon and node")
    .description(
      "Shows the daemon (version, readiness, requests, its view of the cluster, recent failures) and the node's files (attachments by network, " +
        "recorded DELs). Exit code 1 if no daemon answers; the files are shown nevertheless.",
    )
    .option(
      "--socket-dir <directory>",
      "socketDir of the daemon's configuration",
      placeHere(defaultSocketDir),
    )
    .option("--cni-dir <directory>", "the netconf's cniDir", defaultCniDir)
    .option("--json", "print one JSON object (with --watch one a line)")
    .option(
      "--watch [seconds]",
      `repeat every ${watchSeconds} s, or every given number of seconds`,
      parseSeconds,
    )
    .addHelpText(
      "after",
      `
The daemon's part is GET /status on its socket. multusctl doctor names a node's problems, with advice.

Examples:
  multusctl status
  multusctl status --watch 5
  multusctl status --json | jq '.daemon.clusters[].watches'
  kubectl -n kube-system exec ds/kube-multus-ds -- multusctl status`,
    )
    .action(({ socketDir, cniDir, json = false, watch }) =>
      showStatus(socketDir, cniDir, json, watch === true ? watchSeconds : watch),
    );
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.1 && seconds <= 3600)) throw new InvalidArgumentError("seconds, from 0.1 to 3600");
  return seconds;
}

/** @param seconds between two reports; undefined: there is one */
async function showStatus(
  socketDir: string,
  cniDir: string,
  json: boolean,
  seconds: number | undefined,
): Promise<void> {
  const kernels = loadKernels();
  for (;;) {
    const status: NodeStatus = {
      ...(await askForStatus(socketDir)),
      node: await summarizeNode(cniDir, kernels),
    };
    process.exitCode = status.daemon === undefined ? 1 : 0;
    if (json) {
      process.stdout.write(`${JSON.stringify(status, undefined, seconds === undefined ? 2 : 0)}\n`);
    } else {
      // From the top of an empty screen; a pipe gets one after the other.
      if (seconds !== undefined && process.stdout.isTTY) process.stdout.write("\u001b[H\u001b[2J");
      process.stdout.write(formatStatus(status));
      if (status.advice !== "") process.stderr.write(`! ${status.problem}\n  ${status.advice}\n`);
    }
    if (seconds === undefined) return;
    await sleep(seconds * 1000);
  }
}

async function askForStatus(socketDir: string): Promise<Omit<NodeStatus, "node">> {
  try {
    return { daemon: await daemonStatusOf(socketDir), problem: "", advice: "" };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { daemon: undefined, problem: error.message, advice: error.advice };
  }
}
