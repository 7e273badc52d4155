/** `multusctl kubeconfig`: keeps a kubeconfig for a process outside of pods while it runs. */

import { resolve } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { removeFile } from "../../base/atomic-file.ts";
import { defaultDuration } from "../../kube/certificates/duration.ts";
import { nodeNameIn } from "../../kube/node-name.ts";
import { errorText } from "../../log/error-text.ts";
import { Loggers } from "../../log/loggers.ts";
import { logSettings } from "../../log/settings.ts";
import { parseCertificateDuration } from "../command/certificate-duration.ts";
import { Interruption, untilInterrupted } from "../command/interruption.ts";
import { UserError } from "../command/user-error.ts";
import { KeptKubeconfig, type KeptKubeconfigOptions } from "./kept-kubeconfig.ts";
import { ownServiceAccount, serviceAccountKubeconfig } from "./service-account-kubeconfig.ts";

export function kubeconfigCommand() {
  return described().action(run);
}

function described() {
  return new Command("kubeconfig")
    .summary("keep a kubeconfig on the node, with the pod's service account or a certificate")
    .description(
      "Writes a kubeconfig (mode 0600) with the token and the CA certificate of its pod's service account, and rewrites it whenever the kubelet has " +
        "replaced the token. With --bootstrap-config: with the node's own certificate, which it requests and renews in place. On SIGTERM it removes the kubeconfig.",
    )
    .option("--kubeconfig <file>", "the file to write", "/run/multus/kubeconfig")
    .option(
      "--once",
      "write the kubeconfig once and exit: its token is valid for the time that the kubelet requested, an hour by default",
    )
    .option("--skip-tls-verify", "do not verify the API server's certificate")
    .addOption(
      new Option(
        "--bootstrap-config <file>",
        "kubeconfig with the right to request the node's first certificate: the kubelet's",
      ).conflicts(["once", "skipTlsVerify"]),
    )
    .option("--certdir <directory>", "with --bootstrap-config: where certificate and key go", "/tmp")
    .addOption(
      new Option("--cert-duration <duration>", "with --bootstrap-config: how long a certificate is valid")
        .argParser(parseCertificateDuration)
        .default(parseCertificateDuration(defaultDuration), defaultDuration),
    )
    .addHelpText(
      "after",
      `
The server is KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, with KUBERNETES_SERVICE_PROTOCOL (default https); with --bootstrap-config the one that it names.

--bootstrap-config needs the node's name in MULTUS_NODE_NAME, and an approver: multusctl approve-certs. Called as kubeconfig_generator it takes that program's options, and
--bootstrap-config is /tmp/kubeconfig by default.

Examples:
  multusctl kubeconfig --kubeconfig /host/etc/multus/kubeconfig
  multusctl kubeconfig --kubeconfig /tmp/kubeconfig --once
  multusctl kubeconfig --bootstrap-config /etc/kubernetes/kubelet.conf --certdir /var/lib/multus`,
    );
}

/** @throws {UserError} */
async function run(options: ReturnType<ReturnType<typeof described>["opts"]>): Promise<void> {
  const path = resolve(options.kubeconfig);
  const log = new Loggers().get(logSettings({ logLevel: "verbose" }));
  using interruption = new Interruption();
  const { signal } = interruption;
  if (options.bootstrapConfig === undefined) {
    const serviceAccount = ownServiceAccount(options.skipTlsVerify ?? false);
    const text = () => serviceAccountKubeconfig(serviceAccount);
    await keep({ path, sourceDirectory: serviceAccount.directory, text, log }, options.once ?? false, signal);
    return;
  }
  const nodeName = nodeNameIn(process.env);
  if (nodeName === "")
    throw new UserError("MULTUS_NODE_NAME is not set", "it is the node's name in the cluster");
  // Loaded here: it imports the ASN.1 library.
  const { withNodeCertificate } = await import("./certificate-kubeconfig.ts");
  const source = {
    bootstrapConfig: resolve(options.bootstrapConfig),
    certDir: resolve(options.certdir),
    nodeName,
    seconds: options.certDuration,
    log,
  };
  await withNodeCertificate(source, signal, (text) =>
    keep({ path, sourceDirectory: source.certDir, text: () => text, log }, false, signal),
  );
}

/** Writes the kubeconfig, keeps it until the interruption, and removes it then; or writes it only once. @throws {UserError} */
async function keep(options: KeptKubeconfigOptions, once: boolean, signal: AbortSignal): Promise<void> {
  const kept = new KeptKubeconfig(options);
  kept.write();
  if (once) return;
  kept.follow();
  await untilInterrupted(signal);
  kept.stop();
  try {
    removeFile(options.path);
  } catch (error) {
    throw new UserError(`${options.path} cannot be removed: ${errorText(error)}`);
  }
}
