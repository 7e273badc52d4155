/** `multusctl validate`: finds problems in configuration files and in a cluster's NetworkAttachmentDefinitions, with their places. */

import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { loadKernels } from "../../kernels/load.ts";
import { usualNetworksPerPod } from "../../multus/input/bounds.ts";
import schema from "../../multus/input/netconf.schema.json" with { type: "json" };
import { openApi } from "../cluster/access.ts";
import { checkCluster } from "../cluster/check.ts";
import {
  type ClusterReport,
  clusterReportJson,
  findingAbout,
  formatClusterFindings,
} from "../cluster/finding.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import { checkText, type FileReport } from "../configuration/files.ts";
import { kindNames } from "../configuration/kind.ts";
import { isNode, linksOfNode, usualBinDirs } from "../node/installation.ts";
import { type Finding, formatFinding } from "../text/finding.ts";
import { count } from "../text/quantities.ts";
import { readInput } from "./input.ts";

type ValidateOptions = ReturnType<ReturnType<typeof described>["opts"]>;

function described() {
  return new Command("validate")
    .summary("check configuration files, and the networks of a cluster")
    .description(
      "Checks with the daemon's own parsers. Files: Multus's configuration (netconf), that of its daemon (daemon-config.json), network configurations (.conf, .json, " +
        ".conflist) and manifests of NetworkAttachmentDefinitions (YAML or JSON, several documents a file). The kind of a file is " +
        "detected from its content. A cluster: its NetworkAttachmentDefinitions, and the annotations of its pods; names the pods that " +
        "select a broken or missing network. Exit code 1 if there is an error; warnings and notes alone are no error.",
    )
    .argument("[file...]", 'files; "-" is stdin')
    .option("-A, --all-namespaces", "check the whole cluster")
    .addOption(
      new Option(
        "-n, --namespace <namespace>",
        "check one namespace of the cluster: its definitions, its pods, and the definitions of others that they use",
      ).conflicts("allNamespaces"),
    )
    .option(
      "--kubeconfig <file>",
      "which cluster (default: KUBECONFIG, else ~/.kube/config, else that of the pod which it runs in)",
    )
    .option("--context <name>", "context of the kubeconfig (default: its current one)")
    .option(
      "--multus-namespace <namespace>",
      "the netconf's multusNamespace, for default networks that name no namespace",
      "kube-system",
    )
    .addOption(
      new Option("--max-networks-per-pod <number>", "the netconf's maxNetworksPerPod")
        .default(usualNetworksPerPod)
        .argParser(networksNumber),
    )
    .option(
      "--bin-dir <directory...>",
      `directories of plugins (default: ${usualBinDirs().join(", ")}; for a cluster only if this machine is a node)`,
    )
    .option(
      "--native",
      'also say for each network whether it is attached natively with nativeNetworks "auto", or why its plugins are run',
    )
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Line and column of what a cluster has count in the text of the field or annotation that is named. Pods that have ended, and those in the host's network, are not
looked at. Needed for a cluster: get and list on network-attachment-definitions.k8s.cni.cncf.io, list on pods; list on nodes to see
which devices there are.

Examples:
  multusctl validate /etc/cni/net.d/00-multus.conf
  multusctl validate networks/*.yaml --bin-dir /opt/cni/bin
  multusctl validate --all-namespaces
  multusctl validate --native network.yaml
  multusctl validate --namespace shop --context production my-network.yaml
  multusctl validate -A --json | jq -r '.cluster.findings[] | select(.severity == "error") | .pods[]' | sort -u`,
    );
}

export function validateCommand() {
  return described().action((files, options, command) => {
    const ofCluster = options.allNamespaces === true || options.namespace !== undefined;
    if (files.length === 0 && !ofCluster) {
      command.error("error: nothing to check: give files, --all-namespaces or --namespace");
    }
    for (const option of ["kubeconfig", "context"] as const) {
      if (!ofCluster && options[option] !== undefined) {
        command.error(`error: --${option} goes with --all-namespaces or --namespace`);
      }
    }
    for (const option of ["namespace", "context"] as const) {
      if (options[option] === "") command.error(`error: --${option} is empty`);
    }
    return validate(files, ofCluster, options);
  });
}

/** As the netconf takes it. @throws {InvalidArgumentError} */
function networksNumber(text: string): number {
  const { minimum, maximum } = schema.properties.maxNetworksPerPod;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= minimum && number <= maximum) return number;
  throw new InvalidArgumentError(`It must be a number from ${minimum} to ${maximum}.`);
}

/** @throws {UserError} for a file that cannot be read, or a cluster that does not answer */
async function validate(
  files: readonly string[],
  ofCluster: boolean,
  options: ValidateOptions,
): Promise<void> {
  const kernels = loadKernels();
  const binDirs = (options.binDir ?? usualBinDirs()).map((directory) => resolve(directory));
  const ofMachine = { kernels, links: linksOfNode(), saysNative: options.native };
  const reports = files.map((file) =>
    checkText(readInput(file), file === "-" ? "stdin" : file, { ...ofMachine, binDirs }),
  );
  const checkPlugins = options.binDir !== undefined || isNode();
  const context = { ...ofMachine, binDirs: checkPlugins ? binDirs : [] };
  const cluster = ofCluster ? await validateCluster(options, context) : undefined;
  const found = [...reports, ...(cluster === undefined ? [] : [cluster])].flatMap(
    ({ findings }): readonly Finding<unknown>[] => findings,
  );
  const ok = found.every(({ severity }) => severity !== "error");
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ok, files: reports.map(fileReportJson), cluster: cluster && clusterReportJson(cluster) }, undefined, 2)}\n`
      : `${reports.map(formatReport).join("")}${cluster === undefined ? "" : formatClusterReport(cluster)}`,
  );
  process.exitCode = ok ? 0 : 1;
}

/** @throws {UserError} if it cannot be asked */
async function validateCluster(
  { namespace, kubeconfig, context: contextName, multusNamespace, maxNetworksPerPod }: ValidateOptions,
  context: CheckContext,
): Promise<ClusterReport> {
  using access = await openApi(kubeconfig, contextName, process.env);
  const { api, server, warning } = access;
  if (warning !== "") process.stderr.write(`! ${warning}\n`);
  const scope = { server, namespace, multusNamespace, maxNetworksPerPod };
  const report = await checkCluster(api, scope, context);
  if (context.binDirs.length > 0) return report;
  const note =
    "installed plugins were not checked, as this machine is no node; --bin-dir names a directory to search";
  const last = findingAbout({ kind: "cluster" }, "note", "plugins-not-checked", note);
  return { ...report, findings: [...report.findings, last] };
}

function fileReportJson({ findings, ...report }: FileReport) {
  return {
    ...report,
    findings: findings.map(({ code, severity, subject, message, place }) => {
      return { file: subject, code, severity, message, ...place };
    }),
  };
}

function formatReport({ file, documents, findings }: FileReport): string {
  const kinds = [...new Set(documents)]
    .map((kind) => {
      const number = documents.filter((each) => each === kind).length;
      return number === 1 ? kindNames[kind] : `${number} × ${kindNames[kind]}`;
    })
    .join(", ");
  const about = kinds === "" ? "" : ` (${kinds})`;
  return `${findings.map((finding) => `${formatFinding(finding)}\n`).join("")}${file}: ${verdict(findings)}${about}\n`;
}

function formatClusterReport(report: ClusterReport): string {
  const { server, namespace, definitions, pods, findings } = report;
  const scope = namespace === undefined ? server : `${server}, namespace ${namespace}`;
  const selecting = pods === 1 ? "1 pod that selects networks" : `${pods} pods that select networks`;
  const about = `${count(definitions, "NetworkAttachmentDefinition")}, ${selecting}`;
  return `${formatClusterFindings(report)}${scope}: ${verdict(findings)} (${about})\n`;
}

function verdict(findings: readonly Finding<unknown>[]): string {
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const warnings = findings.filter(({ severity }) => severity === "warning").length;
  const also = warnings === 0 ? "" : `, ${count(warnings, "warning")}`;
  return `${errors === 0 ? "ok" : count(errors, "error")}${also}`;
}
