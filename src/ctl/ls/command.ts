/** `multusctl ls`: the attachments on this node, from the cache. */

import { Command } from "@commander-js/extra-typings";
import { loadKernels } from "../../kernels/load.ts";
import { UserError } from "../command/user-error.ts";
import { type Attachment, readAttachments } from "../node/attachments.ts";
import { cacheMissingAdvice, isCacheThere } from "../node/cache-directory.ts";
import { defaultCniDir, defaultSocketDir } from "../node/installation.ts";
import { placeHere } from "../node/paths.ts";
import { formatTable } from "../text/table.ts";
import { listMissing } from "./missing.ts";

/** Length of abbreviated container ids, as in runtimes' own tools. */
const shortId = 13;

export function listCommand() {
  return new Command("ls")
    .summary("list the attachments on this node")
    .description(
      "Lists the attachments on this node from the cache (plans and results), including those of Go multus. Reports damaged files on stderr, and lists their readable part.",
    )
    .option("--cni-dir <directory>", "the netconf's cniDir", defaultCniDir)
    .option(
      "--missing",
      "instead of attachments, list the pods that run without the networks that they select, by the daemon's knowledge",
    )
    .option(
      "--socket-dir <directory>",
      "socketDir of the daemon's configuration, for --missing",
      placeHere(defaultSocketDir),
    )
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
With --missing: pods that were started while the runtime did not call Multus, so that the cache does not have them. ACTION is what the daemon does about a pod
(onMissingNetworks). This needs a running daemon; from elsewhere, multusctl validate --all-namespaces names such pods.
STATE is attached; planned (no result yet, or an ADD that was cut off); unplanned (a result whose plan is gone); deleting (the pod is gone, and its DEL
is recorded and retried in the background); given-up (the DEL has failed for a day: see docs/operations.md, "DELs that wait").

Examples:
  multusctl ls
  multusctl ls --json | jq '.attachments[] | select(.pod == "default/web")'
  multusctl ls --missing
  kubectl -n kube-system exec ds/kube-multus-ds -- multusctl ls
  multusctl ls --cni-dir /mnt/node/var/lib/cni/multus`,
    )
    .action(({ cniDir, socketDir, missing, json = false }) =>
      missing ? listMissing(socketDir, json) : list(cniDir, json),
    );
}

/** @throws {UserError} if the directory is missing or cannot be read */
async function list(cniDir: string, json: boolean): Promise<void> {
  if (!isCacheThere(cniDir)) throw new UserError(`${cniDir} does not exist`, cacheMissingAdvice);
  const { attachments, problems } = await readAttachments(cniDir, loadKernels());
  process.stdout.write(
    json
      ? `${JSON.stringify({ cniDir, attachments, problems }, undefined, 2)}\n`
      : formatTable(columns, attachments.map(rowOf)),
  );
  for (const { file, problem } of json ? [] : problems) process.stderr.write(`! ${file}: ${problem}\n`);
}

const columns = ["CONTAINER", "POD", "INTERFACE", "NETWORK", "ADDRESSES", "PLUGINS", "STATE"];

function rowOf(attachment: Attachment): string[] {
  const { containerId, pod, ifName, network, addresses, plugins, state } = attachment;
  const facts = [pod, ifName, network, addresses.join("\n"), plugins.join(",")];
  return [containerId.slice(0, shortId), ...facts.map((text) => text || "-"), state];
}
