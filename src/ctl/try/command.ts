/** `multusctl try`: options and output. */

import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { UserError } from "../command/user-error.ts";
import { usualBinDirs } from "../node/installation.ts";
import type { ScratchNode } from "../scratch/scratch.ts";
import { formatMilliseconds } from "../text/quantities.ts";
import { type Column, formatTable } from "../text/table.ts";
import type { CommandReport, InterfaceReport, PluginReport, TrialReport } from "./report.ts";
import { type TrialObserver, type TryOptions, tryNetworks } from "./trial.ts";

/** A shell's exit code of a program that Ctrl-C ended. */
const interruptedExitCode = 130;

export function tryCommand() {
  return described().action(run);
}

function described() {
  return new Command("try")
    .summary("attach networks to a scratch pod, show them, and remove them")
    .description(
      "Attaches networks to a scratch pod through the real plugin, daemon and delegates, shows them, CHECKs and DELs them. " +
        "Pod and node are separate network namespaces with a separate daemon, so that nothing of this machine changes " +
        "and nothing is left. Without options: a bridge as cluster network and two macvlan networks. Needs root.",
    )
    .option(
      "--networks <annotation>",
      "the pod's selections: the value of k8s.v1.cni.cncf.io/networks, comma or JSON form (default: all of --nad)",
    )
    .option("--nad <file...>", "manifests of NetworkAttachmentDefinitions, YAML or JSON")
    .option("--cluster-network <file>", "the cluster network, .conf or .conflist (default: a bridge)")
    .option(
      "--master <link...>",
      "links to create on the scratch node, besides those that the files name as master",
    )
    .option("--bin-dir <directory...>", `directories of plugins (default: ${usualBinDirs().join(", ")})`)
    .option("--pod-namespace <name>", "Kubernetes namespace of the pod", "default")
    .option("--socket-dir <directory>", "use the daemon that listens in this directory, and its networks")
    .option(
      "--cni-dir <directory>",
      "with --socket-dir: that daemon's cniDir, to see its results",
      "/var/lib/cni/multus",
    )
    .option(
      "--native",
      'attach networks natively where that is possible (nativeNetworks "auto"), and say for the others why not',
    )
    .option("--repeat <count>", "number of repetitions; times are medians", parseCount, 1)
    .option("--keep", "keep pod and networks until Ctrl-C")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Of a file with other objects the NetworkAttachmentDefinitions alone are taken. Links that a network names as its master are made on the scratch node. With --keep, look around with
"ip netns exec …" as printed.

Examples:
  sudo multusctl try
  sudo multusctl try --nad storage.yaml
  sudo multusctl try --native --bin-dir /opt/cni/bin
  sudo multusctl try --nad networks.yaml --networks storage,storage@data1
  sudo multusctl try --nad storage.yaml --networks '[{"name": "storage", "ips": ["10.1.2.3/24"]}]'
  sudo multusctl try --cluster-network /etc/cni/net.d/10-bridge.conflist --repeat 20 --json`,
    );
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new InvalidArgumentError("It is not a whole number from 1 on.");
  return count;
}

async function run(options: ReturnType<ReturnType<typeof described>["opts"]>): Promise<void> {
  if (options.socketDir !== undefined && options.nad !== undefined) {
    throw new UserError(
      "--nad and --socket-dir exclude each other: a running daemon reads its own manifests",
      "put them into the nadDir of that daemon's configuration, and select them with --networks",
    );
  }
  if (process.getuid?.() !== 0) throw new UserError("network namespaces need root", "run it with sudo");
  const { networks, nad, clusterNetwork, podNamespace, socketDir, repeat, keep = false } = options;
  const trial: TryOptions = {
    networks,
    nad,
    clusterNetwork,
    masters: options.master ?? [],
    binDirs: (options.binDir ?? usualBinDirs()).map((directory) => resolve(directory)),
    podNamespace,
    runningDaemon:
      socketDir === undefined
        ? undefined
        : { socketDir: resolve(socketDir), cniDir: resolve(options.cniDir) },
    repeat,
    keep,
    native: options.native ?? false,
  };
  const report = await tryNetworks(trial, options.json ? silentObserver : printingObserver(trial.native));
  if (options.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  else printEnd(report);
  process.exitCode = report.ok ? 0 : report.interrupted ? interruptedExitCode : 1;
}

/** With `--json` stdout has nothing but the object; the progress goes to stderr. */
const silentObserver: TrialObserver = {
  attached() {},
  standing: (scratch) => void process.stderr.write(describeStanding(scratch)),
  finished() {},
};

const printingObserver = (saysWay: boolean): TrialObserver => ({
  attached: (interfaces, plugins) =>
    void process.stdout.write(`${formatInterfaces(interfaces, saysWay)}${formatPlugins(plugins)}\n`),
  standing: (scratch) => void process.stdout.write(describeStanding(scratch)),
  finished: (command) => void process.stdout.write(formatCommand(command)),
});

const columns: readonly Column[] = [
  "INTERFACE",
  "ADDRESSES",
  "MAC",
  "NETWORK",
  { heading: "MS", align: "right" },
];

/** @param saysWay with the column of native and executed networks */
function formatInterfaces(interfaces: readonly InterfaceReport[], saysWay: boolean): string {
  const table = formatTable(
    saysWay ? [...columns, "ATTACHED"] : columns,
    interfaces.map((each) => [
      each.ifName,
      each.addresses.join("\n") || "-",
      each.mac,
      each.network || "-",
      each.milliseconds === undefined ? "-" : formatMilliseconds(each.milliseconds),
      ...(saysWay ? [formatWay(each)] : []),
    ]),
  );
  const isUnexplained = interfaces.some(({ way, whyExecuted }) => way === "executed" && whyExecuted === "");
  return saysWay && isUnexplained ? `${table}\n${unexplained}` : table;
}

/** @returns a line, or "" */
function formatPlugins(plugins: readonly PluginReport[]): string {
  if (plugins.length === 0) return "";
  return `Plugins that ran: ${plugins.map(({ type, path }) => path || type).join(", ")}\n`;
}

function formatWay({ way, whyExecuted }: InterfaceReport): string {
  if (way === undefined) return "-";
  if (way === "native") return "natively";
  return whyExecuted === "" ? "by its plugins" : `by its plugins: ${whyExecuted}`;
}

const unexplained = `Plugins that are named without a reason ran as the node was not set up yet (the first pod of a node: try --repeat 2), or as
they are of another release than is known. The daemon's log says which, at level verbose.
`;

function formatCommand({ command, milliseconds, runs }: CommandReport): string {
  const times = runs === 1 ? "" : ` (median of ${runs})`;
  return `${command.padEnd(5)}  ok  ${formatMilliseconds(milliseconds).padStart(7)} ms through multus${times}\n`;
}

function describeStanding(scratch: ScratchNode): string {
  return [
    "It stands until Ctrl-C. Meanwhile:",
    `  ip netns exec ${scratch.podNamespace} ip address     the pod`,
    `  ip netns exec ${scratch.nodeNamespace} ip address    the node`,
    `  ${scratch.directory}    daemon's configuration, log, cache; plugins' state\n`,
  ].join("\n");
}

function printEnd(report: TrialReport): void {
  if (report.error !== "") {
    process.stderr.write(`! ${report.error}\n`);
    if (report.advice !== "") process.stderr.write(`  ${report.advice}\n`);
  }
  if (report.left.length === 0) {
    process.stdout.write("Nothing is left: no link, namespace, process or file.\n");
  } else {
    process.stderr.write(`! left behind:\n${report.left.map((each) => `  ${each}\n`).join("")}`);
  }
}
