/** `multusctl doctor`: checks a node and advises on each problem. It changes nothing. */

import { existsSync } from "node:fs";
import { Command } from "@commander-js/extra-typings";
import { loadKernels } from "../../kernels/load.ts";
import { nodeNameIn } from "../../kube/node-name.ts";
import { printableLines } from "../../log/quoted.ts";
import { openApi } from "../cluster/access.ts";
import { UserError } from "../command/user-error.ts";
import { addNodesOptions, isOfAllNodes } from "../daemons/options.ts";
import { defaultCertDir, defaultCniDir, defaultSocketDir, usualBinDirs } from "../node/installation.ts";
import { placeHere } from "../node/paths.ts";
import { certDirOf, checkCertificate } from "./certificate.ts";
import { type ClusterQuestions, checkCluster } from "./cluster.ts";
import { checkContainerd } from "./containerd.ts";
import { checkCrio, lookForCrio } from "./crio.ts";
import { checkDaemon } from "./daemon.ts";
import { seesDevices } from "./devices.ts";
import { CheckFindings, findingJson, formatFindings, type NodeFinding, summary } from "./finding.ts";
import { checkGoMultus } from "./go-multus.ts";
import { checkNodeState } from "./node-state.ts";
import { checkPrograms } from "./programs.ts";
import { checkRuntimeFiles } from "./runtime-files.ts";

const processes = "/proc";

/** @param ofCluster is it of all nodes if nothing else is said? */
export function doctorCommand(ofCluster: boolean) {
  return described().action((options, command) =>
    isOfAllNodes(options, command, ofCluster) ? examineAll(options) : examine(options),
  );
}

type DoctorOptions = ReturnType<ReturnType<typeof described>["opts"]>;

function described() {
  return addNodesOptions(new Command("doctor"))
    .summary("find problems of Multus on this node")
    .description(
      "Checks the runtime's configuration, the plugin, the daemon, the cluster and the node's state, and gives advice with each finding. It changes " +
        "nothing. It lists the checks that it had to skip, without root or without a cluster. Exit code 1 if a check has failed. With --all: the findings of every node, as its daemon's pod sees it; exit " +
        "code 1 also if a node has no daemon that answers.",
    )
    .option(
      "--cni-conf-dir <directory>",
      "where the runtime reads network configurations",
      placeHere("/etc/cni/net.d"),
    )
    .option("--bin-dir <directory>", "where the plugin is (default: binDir of Multus's configuration)")
    .option("--socket-dir <directory>", "the daemon's (default: daemonSocketDir of Multus's configuration)")
    .option("--cni-dir <directory>", "plans and results (default: cniDir of Multus's configuration)")
    .option(
      "--cert-dir <directory>",
      `directory of the node's certificate (default: from Multus's kubeconfig, else ${defaultCertDir})`,
    )
    .option("--containerd-config <file>", "containerd's configuration", "/etc/containerd/config.toml")
    .option("--crio-config <file>", "CRI-O's configuration, drop-ins in <file>.d", "/etc/crio/crio.conf")
    .option(
      "--kubeconfig <file>",
      "which cluster, and whose rights (default: that of Multus's configuration, else as kubectl)",
    )
    .option("--context <name>", "context of the kubeconfig (default: its current one)")
    .option("--no-cluster", "do not ask the API server")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Verdicts: PASS; WARN, look at it; FAIL, pods cannot be attached, run without their networks, or can be tampered with; SKIP, it cannot be seen from here.

On the node it sees everything. The daemon's pod has some of the node's directories below /host, where they are found, and others not at all: there it skips the
runtime's own configuration, the plugins and the pods' network namespaces.

Examples:
  sudo multusctl doctor
  multusctl doctor --no-cluster --json | jq '.findings[] | select(.verdict == "fail")'
  kubectl -n kube-system exec ds/kube-multus-ds -- multusctl doctor
  multusctl doctor --all
  sudo multusctl doctor --kubeconfig /etc/kubernetes/admin.conf        (also looks at the node, as an administrator)`,
    );
}

async function examineAll(options: DoctorOptions): Promise<void> {
  const { examineNodes, formatClusterDoctor } = await import("./all-nodes.ts");
  const report = await examineNodes(options);
  process.stdout.write(
    options.json ? `${JSON.stringify(report, undefined, 2)}\n` : printableLines(formatClusterDoctor(report)),
  );
  process.exitCode = report.ok ? 0 : 1;
}

async function examine(options: DoctorOptions): Promise<void> {
  const findings = await findingsOf(options);
  const ok = findings.every(({ severity }) => severity !== "error");
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ok, findings: findings.map(findingJson) }, undefined, 2)}\n`
      : `${formatFindings(findings)}${summary(findings)}`,
  );
  process.exitCode = ok ? 0 : 1;
}

async function findingsOf(options: DoctorOptions): Promise<NodeFinding[]> {
  const { cniConfDir, containerdConfig, crioConfig, cluster } = options;
  const kernels = loadKernels();
  const now = Date.now();
  // An unreadable configuration does not name its plugins' directories.
  const usual = options.binDir === undefined ? usualBinDirs() : [options.binDir];
  // The daemon's pod has no such directories.
  const present = usual.filter((directory) => existsSync(directory));
  const crio = lookForCrio(crioConfig, processes);
  const runtime = checkRuntimeFiles(cniConfDir, kernels, present, crio.network?.defaultNetwork.value);
  const netconf = runtime.file?.netconf;
  const binDir = options.binDir ?? netconf?.binDir ?? usual[0] ?? "";
  const socketDir = options.socketDir ?? placeHere(runtime.file?.socketDir ?? defaultSocketDir);
  const daemon = await checkDaemon(socketDir, runtime.file?.daemonCommand ?? [], now);
  const kubeconfig = netconf?.kubeconfig ?? "";
  return [
    ...runtime.findings,
    // With CRI-O as the runtime there need not be a containerd.
    ...(crio.network === undefined || existsSync(containerdConfig)
      ? checkContainerd(containerdConfig, cniConfDir, binDir)
      : []),
    ...crio.findings,
    ...(crio.network === undefined ? [] : checkCrio(crio.network, cniConfDir, binDir, netconf?.name ?? "")),
    ...(existsSync(binDir)
      ? await checkPrograms(binDir, runtime.file?.type ?? "multus", daemon.status?.version ?? "")
      : new CheckFindings("plugin/multus").skip(
          `there is no ${binDir} here`,
          "--bin-dir names the directory of the plugins",
        )),
    ...daemon.findings,
    ...checkCertificate(
      options.certDir ?? certDirOf(kubeconfig) ?? defaultCertDir,
      daemon.status?.nodeName || nodeNameIn(process.env),
      now,
    ),
    ...(await checkNodeState(options.cniDir ?? netconf?.cniDir ?? defaultCniDir, kernels)),
    ...checkGoMultus(cniConfDir, kubeconfig, processes, now),
    ...(cluster
      ? await clusterFindings(options, kubeconfig, {
          nodeName: daemon.status?.nodeName ?? "",
          multusNamespace: netconf?.multusNamespace ?? "kube-system",
          maxNetworksPerPod: netconf?.maxNetworksPerPod,
          context: { kernels, binDirs: [] },
          seesDevices: daemon.status && seesDevices(daemon.status),
        })
      : new CheckFindings("cluster/api").skip("the cluster was not asked (--no-cluster)")),
  ];
}

/** @param configured the kubeconfig of Multus's configuration, "" for none */
async function clusterFindings(
  { kubeconfig, context }: DoctorOptions,
  configured: string,
  questions: Omit<ClusterQuestions, "api" | "server">,
): Promise<NodeFinding[]> {
  const own = configured !== "" && existsSync(configured) ? configured : undefined;
  try {
    using access = await openApi(kubeconfig ?? own, context, process.env);
    return await checkCluster({ ...questions, api: access.api, server: access.server });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return new CheckFindings("cluster/api").skip(
      error.message,
      error.advice || "--kubeconfig names a cluster",
    );
  }
}
