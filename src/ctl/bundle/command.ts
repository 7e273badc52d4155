/** `multusctl bundle`: a support archive of a cluster, without secrets. */

import { lstatSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Command } from "@commander-js/extra-typings";
import manifest from "../../../package.json" with { type: "json" };
import { removeFile } from "../../base/atomic-file.ts";
import { systemErrorCode } from "../../base/system-error.ts";
import { loadKernels } from "../../kernels/load.ts";
import { ApiUnreachable } from "../../kube/api.ts";
import { errorText } from "../../log/error-text.ts";
import { printableLines } from "../../log/quoted.ts";
import { openApi } from "../cluster/access.ts";
import { apiFailure } from "../cluster/objects.ts";
import { Interruption } from "../command/interruption.ts";
import { UserError } from "../command/user-error.ts";
import { type AllNodesOptions, addNodesOptions } from "../daemons/options.ts";
import { formatTable } from "../text/table.ts";
import { type Collected, collect } from "./collect.ts";
import { tarOf } from "./tar.ts";

interface BundleOptions extends AllNodesOptions {
  readonly output?: string | undefined;
  readonly dryRun?: true | undefined;
}

export function bundleCommand() {
  return addNodesOptions(new Command("bundle"))
    .summary("write a support archive of the cluster, without secrets")
    .description(
      "Collects what somebody needs who is to find a fault: versions, the daemons' settings, status, findings, attachments, events and the ends of the logs. Says what is in " +
        "it before it writes it. No Secrets, tokens, keys, environments, annotations and configurations of networks are read into it, and what looks like a secret in " +
        "logs and messages is removed. What cannot be read is named in it, and stops nothing else.",
    )
    .option("-o, --output <file>", "the archive (default: multus-bundle-<time>.tar.gz, here)")
    .option("--dry-run", "say what would be in it, and write nothing")
    .option("--kubeconfig <file>", "which cluster (default: as kubectl)")
    .option("--context <name>", "context of the kubeconfig (default: its current one)")
    .addHelpText(
      "after",
      `
A log may have a secret that looks like none: read it before you hand it on. An archive is for its owner alone (mode 0600), and no file is overwritten.

Needed in the namespace: list on pods and daemonsets.apps, get (from Kubernetes 1.35 also create) on pods/exec, get on pods/log and on the ConfigMap of the daemon; in
the cluster: list on nodes, network-attachment-definitions.k8s.cni.cncf.io and events.events.k8s.io.

Examples:
  multusctl bundle
  multusctl bundle --dry-run
  multusctl bundle --node worker-1 --output fault.tar.gz`,
    )
    .action(bundle);
}

/** @throws {UserError} if the cluster does not answer, or the file cannot be written */
async function bundle(options: BundleOptions): Promise<void> {
  const now = new Date();
  const name = `multus-bundle-${now.toISOString().replaceAll(/[:-]|\.\d+/g, "")}`;
  const output = resolve(options.output ?? `${name}.tar.gz`);
  // Not after minutes.
  if (options.dryRun !== true && lstatSync(output, { throwIfNoEntry: false }) !== undefined) {
    throw cannotBeWritten(output, "it exists", anotherFile);
  }
  using access = await openApi(options.kubeconfig, options.context, process.env);
  if (access.warning !== "") process.stderr.write(`! ${access.warning}\n`);
  const context = { kernels: loadKernels(), binDirs: [] };
  const collected = await collect(access, options, context, manifest.version).catch((error: unknown) => {
    throw error instanceof ApiUnreachable ? apiFailure(error, "look at the cluster", access.server) : error;
  });
  const files = collected.map((file) => ({
    name: file.name,
    content: Buffer.from(file.text),
    about: file.about,
  }));
  process.stdout.write(printableLines(formatContents(files)));
  if (options.dryRun === true) {
    process.stdout.write("\nnothing was written (--dry-run)\n");
    return;
  }
  const tar = await tarOf(
    [{ name: "CONTENTS.txt", content: Buffer.from(formatContents(files)) }, ...files],
    (now.getTime() / 1000) | 0,
  );
  const archive = await promisify(gzip)(tar);
  write(output, archive);
  process.stdout.write(`\n${output}: ${archive.length} bytes\n`);
}

const anotherFile = "name another file: --output FILE";

/** Writes all of it or nothing. @throws {UserError} */
function write(output: string, archive: Buffer): void {
  // A signal counts when the file is whole.
  using _interruption = new Interruption();
  try {
    // Also where a link leads nowhere.
    writeFileSync(output, "", { mode: 0o600, flag: "wx" });
  } catch (error) {
    const advice = systemErrorCode(error) === "EEXIST" ? anotherFile : "";
    throw cannotBeWritten(output, errorText(error), advice);
  }
  try {
    writeFileSync(output, archive, { flag: "r+" });
  } catch (error) {
    removeFile(output);
    throw cannotBeWritten(output, errorText(error), "--output names a file somewhere else");
  }
}

function cannotBeWritten(output: string, why: string, advice: string): UserError {
  return new UserError(`${output} cannot be written: ${why}`, advice);
}

function formatContents(files: readonly (Omit<Collected, "text"> & { readonly content: Buffer })[]): string {
  const rows = files.map(({ name, content, about }) => [name, String(content.length), about]);
  return formatTable(["FILE", { heading: "BYTES", align: "right" }, "CONTENT"], rows);
}
