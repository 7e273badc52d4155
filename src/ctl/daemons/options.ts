/** Options of commands that ask all nodes. */

import { type Command, type CommandUnknownOpts, InvalidArgumentError } from "@commander-js/extra-typings";
import type { NodesScope } from "./nodes.ts";

export interface AllNodesOptions {
  readonly all?: true | undefined;
  readonly node?: readonly string[] | undefined;
  readonly namespace: string;
  readonly timeout: number;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** @returns the command, with `--all`, `--node`, `--namespace` and `--timeout` */
export function addNodesOptions(command: Command) {
  return command
    .option("--all", "ask the daemons of all nodes, through the API server (default of kubectl's plugin)")
    .option("--node <name...>", "ask those of these nodes")
    .option("--namespace <namespace>", "of all nodes: that of Multus's DaemonSet", "kube-system")
    .option("--timeout <seconds>", "of all nodes: for each one's answer", seconds, 20);
}

/** Options that name what is on this node. */
const optionsOfNode = ["socketDir", "cniDir", "cniConfDir", "binDir"];

/** Are all nodes meant, or some of them? @param ofCluster unless an option says that it is this one */
export function isOfAllNodes(
  { all, node }: Pick<AllNodesOptions, "all" | "node">,
  command: CommandUnknownOpts,
  ofCluster: boolean,
): boolean {
  if (all === true || node !== undefined) return true;
  return ofCluster && optionsOfNode.every((name) => command.getOptionValueSource(name) !== "cli");
}

function seconds(text: string): number {
  const number = Number(text);
  if (number >= 1 && number <= 600) return number;
  throw new InvalidArgumentError("seconds, from 1 to 600");
}

export function nodesScope({ namespace, node = [] }: AllNodesOptions): NodesScope {
  return { namespace, nodes: node };
}
