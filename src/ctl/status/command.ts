/** `multusctl status`: an overview of daemon and node. */

import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { loadKernels } from "../../kernels/load.ts";
import { printableLines } from "../../log/quoted.ts";
import { UserError } from "../command/user-error.ts";
import { type AllNodesOptions, addNodesOptions, isOfAllNodes } from "../daemons/options.ts";
import { daemonStatusOf } from "../node/daemon-socket.ts";
import { defaultCniDir, defaultSocketDir } from "../node/installation.ts";
import { placeHere } from "../node/paths.ts";
import { summarizeNode } from "./node-summary.ts";
import { formatStatus, type NodeStatus } from "./report.ts";

const watchSeconds = 2;

/** @param ofCluster is it of all nodes if nothing else is said? */
export function statusCommand(ofCluster: boolean) {
  return addNodesOptions(new Command("status"))
    .summary("show an overview of daemon and node")
    .description(
      "Shows the daemon (version, readiness, requests, its view of the cluster, recent failures) and the node's files (attachments by network, " +
        "recorded DELs). Exit code 1 if no daemon answers; the files are shown nevertheless. With --all a row for every node of the cluster; exit code 1 if a node has no daemon " +
        "that is ready.",
    )
    .option(
      "--socket-dir <directory>",
      "socketDir of the daemon's configuration",
      placeHere(defaultSocketDir),
    )
    .option("--cni-dir <directory>", "the netconf's cniDir", defaultCniDir)
    .option("--kubeconfig <file>", "of all nodes: which cluster (default: as kubectl)")
    .option("--context <name>", "of all nodes: context of the kubeconfig (default: its current one)")
    .option("--json", "print one JSON object (with --watch one a line)")
    .option(
      "--watch [seconds]",
      `repeat every ${watchSeconds} s, or every given number of seconds`,
      parseSeconds,
    )
    .addHelpText(
      "after",
      `
With --all: NATIVE, of the networks of the last requests those that were attached without their plugins; MISSING, pods that run without their networks; DELS, recorded
ones. Needed: list on pods and get (from Kubernetes 1.35 also create) on pods/exec in the namespace; list on nodes, to see those without a daemon.

The daemon's part is GET /status on its socket. multusctl doctor names a node's problems, with advice.

Examples:
  multusctl status
  multusctl status --watch 5
  multusctl status --json | jq '.daemon.clusters[].watches'
  kubectl -n kube-system exec ds/kube-multus-ds -- multusctl status
  multusctl status --all
  multusctl status --node worker-1 --node worker-2`,
    )
    .action(async (options, command) => {
      const { socketDir, cniDir, json = false, watch } = options;
      const look = isOfAllNodes(options, command, ofCluster)
        ? await allNodesLook(options)
        : nodeLook(socketDir, cniDir);
      await show(look, json, watch === true ? watchSeconds : watch);
    });
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.1 && seconds <= 3600)) throw new InvalidArgumentError("seconds, from 0.1 to 3600");
  return seconds;
}

/** The result of one look. */
interface Seen {
  readonly ok: boolean;
  readonly json: unknown;
  readonly text: string;
  /** For stderr; "" for none. */
  readonly advice: string;
}

/** @param seconds between two reports; undefined: there is one */
async function show(look: () => Promise<Seen>, json: boolean, seconds: number | undefined): Promise<void> {
  for (;;) {
    const seen = await look();
    process.exitCode = seen.ok ? 0 : 1;
    if (json) {
      process.stdout.write(`${JSON.stringify(seen.json, undefined, seconds === undefined ? 2 : 0)}\n`);
    } else {
      // From the top of an empty screen; a pipe gets one after the other.
      if (seconds !== undefined && process.stdout.isTTY) process.stdout.write("\u001b[H\u001b[2J");
      process.stdout.write(seen.text);
      process.stderr.write(seen.advice);
    }
    if (seconds === undefined) return;
    await sleep(seconds * 1000);
  }
}

function nodeLook(socketDir: string, cniDir: string): () => Promise<Seen> {
  const kernels = loadKernels();
  return async () => {
    const status: NodeStatus = {
      ...(await askForStatus(socketDir)),
      node: await summarizeNode(cniDir, kernels),
    };
    const { problem, advice } = status;
    return {
      ok: status.daemon !== undefined,
      json: status,
      text: formatStatus(status),
      advice: advice === "" ? "" : `! ${problem}\n  ${advice}\n`,
    };
  };
}

async function allNodesLook(options: AllNodesOptions): Promise<() => Promise<Seen>> {
  const { clusterStatus, formatClusterStatus } = await import("./all-nodes.ts");
  return async () => {
    const status = await clusterStatus(options);
    return { ok: status.ok, json: status, text: printableLines(formatClusterStatus(status)), advice: "" };
  };
}

async function askForStatus(socketDir: string): Promise<Omit<NodeStatus, "node">> {
  try {
    return { daemon: await daemonStatusOf(socketDir), problem: "", advice: "" };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { daemon: undefined, problem: error.message, advice: error.advice };
  }
}
