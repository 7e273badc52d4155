/** `multusctl devices`: the devices that the kubelet has given to this node's pods, and the attachments that have them. */

import { join } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { loadKernels } from "../../kernels/load.ts";
import {
  defaultCniDir,
  defaultDeviceInfoDir,
  defaultDevicePluginsDir,
  defaultPodResourcesSocket,
  defaultSocketDir,
} from "../node/installation.ts";
import { placeHere } from "../node/paths.ts";
import { reportOf } from "./node-report.ts";
import { formatReport, isGood, reportJson } from "./report.ts";

/** The kubelet's device manager has it so (pkg/kubelet/cm/devicemanager). */
const checkpointName = "kubelet_internal_checkpoint";

export function devicesCommand() {
  return described().action(show);
}

type DevicesOptions = ReturnType<ReturnType<typeof described>["opts"]>;

function described() {
  return new Command("devices")
    .summary("list the devices of this node's pods, and the networks that use them")
    .description(
      "Lists the devices that the kubelet has given to the pods of this node (SR-IOV functions and others), the attachment that has each, and counts by resource. " +
        "It changes nothing. Exit code 1 if several attachments have one device.",
    )
    .option("--resource <name>", "only the devices of this resource")
    .option("--pod-resources-socket <file>", "where the kubelet tells devices", defaultPodResourcesSocket)
    .option(
      "--device-plugins-dir <directory>",
      "with the kubelet's checkpoint, which is read where the socket does not answer",
      defaultDevicePluginsDir,
    )
    .option("--cni-dir <directory>", "the netconf's cniDir", defaultCniDir)
    .option("--device-info-dir <directory>", "device information files, in dp and cni", defaultDeviceInfoDir)
    .option(
      "--socket-dir <directory>",
      "socketDir of the daemon's configuration, to ask it for the node's name",
      placeHere(defaultSocketDir),
    )
    .option("--node <name>", "this node's name in the cluster (default: MULTUS_NODE_NAME, else the daemon's)")
    .option("--kubeconfig <file>", "which cluster, and whose rights (default: as kubectl)")
    .option("--context <name>", "context of the kubeconfig (default: its current one)")
    .option("--no-cluster", "do not ask the API server")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
STATE is used (one attachment has the device); unused (no attachment has it: a GPU, or a network that is not attached yet); shared (several have it, an error); stale (an
attachment has it, and the kubelet has not given it to that pod, or does not run the pod any more); unknown (it cannot be told from here); other (of a claim, and its
driver publishes no id for CNI). FREE counts healthy devices that no pod has. The API server is asked for the names of claims' devices alone (list resourceslices).

Examples:
  sudo multusctl devices
  sudo multusctl devices --resource intel.com/sriov_netdevice
  sudo multusctl devices --json | jq '.devices[] | select(.state == "stale")'
  kubectl -n kube-system exec ds/kube-multus-ds -- multusctl devices`,
    );
}

async function show(options: DevicesOptions): Promise<void> {
  const { podResourcesSocket: socket, devicePluginsDir, cniDir, deviceInfoDir, resource, json } = options;
  const { cluster, kubeconfig, context, node, socketDir } = options;
  const report = await reportOf(
    {
      kubelet: { socket, checkpoint: join(devicePluginsDir, checkpointName) },
      cniDir,
      deviceInfoDir,
      resource,
      cluster: { cluster, kubeconfig, context, node, socketDir },
    },
    loadKernels(),
  );
  process.stdout.write(json ? `${JSON.stringify(reportJson(report), undefined, 2)}\n` : formatReport(report));
  for (const { file, problem } of json ? [] : report.problems)
    process.stderr.write(`! ${file}: ${problem}\n`);
  process.exitCode = isGood(report.findings) ? 0 : 1;
}
