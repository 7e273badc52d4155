/** `multusctl kubeconfig`: a kubeconfig for a process outside of pods, for as long as this runs. */

import { resolve } from "node:path";
import { Command } from "commander";
import { removeFile } from "../../cni/atomic-file.ts";
import { errorText } from "../../log/error-text.ts";
import { Loggers } from "../../log/loggers.ts";
import { logSettings } from "../../log/settings.ts";
import { Interruption, untilInterrupted } from "../interruption.ts";
import { UserError } from "../user-error.ts";
import { KeptKubeconfig } from "./kept-kubeconfig.ts";
import { ownServiceAccount, serviceAccountKubeconfig } from "./service-account-kubeconfig.ts";

interface KubeconfigOptions {
  readonly kubeconfig: string;
  readonly once?: boolean;
  readonly skipTlsVerify?: boolean;
}

export function kubeconfigCommand(): Command {
  return new Command("kubeconfig")
    .summary("keep a kubeconfig of the pod's service account on the node")
    .description(
      "Writes a kubeconfig with the service account of the pod which it runs in (mode 0600, the token and the authority's certificate in it), and writes it anew whenever the kubelet has " +
        "replaced the token. On SIGTERM the file is removed.",
    )
    .option("--kubeconfig <file>", "the file to write", "/run/multus/kubeconfig")
    .option(
      "--once",
      "write it, leave it, and end: its token is good for as long as the kubelet gave it, an hour by default",
    )
    .option("--skip-tls-verify", "believe whoever answers for the API server")
    .addHelpText(
      "after",
      `
The server is KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, with KUBERNETES_SERVICE_PROTOCOL (default https).

Examples:
  multusctl kubeconfig --kubeconfig /host/etc/multus/kubeconfig
  multusctl kubeconfig --kubeconfig /tmp/kubeconfig --once`,
    )
    .action((options: KubeconfigOptions) => run(options));
}

/** @throws {UserError} */
async function run({ kubeconfig, once = false, skipTlsVerify = false }: KubeconfigOptions): Promise<void> {
  const path = resolve(kubeconfig);
  const serviceAccount = ownServiceAccount(skipTlsVerify);
  const kept = new KeptKubeconfig({
    path,
    sourceDirectory: serviceAccount.directory,
    text: () => serviceAccountKubeconfig(serviceAccount),
    log: new Loggers().get(logSettings({ logLevel: "verbose" })),
  });
  using interruption = new Interruption();
  kept.write();
  if (once) return;
  kept.follow();
  await untilInterrupted(interruption.signal);
  kept.stop();
  try {
    removeFile(path);
  } catch (error) {
    throw new UserError(`${path} cannot be removed: ${errorText(error)}`);
  }
}
