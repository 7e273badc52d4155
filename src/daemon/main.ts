/** multusd: reads its configuration, serves its socket, shuts down gracefully. */

import { lstatSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import packageJson from "../../package.json" with { type: "json" };
import { isMissingFile } from "../base/system-error.ts";
import { isFormerDaemon } from "../command-line/former-daemon.ts";
import { type KnownOption, withGoFlags } from "../command-line/go-flags.ts";
import { type DaemonConfig, readDaemonConfig } from "../daemon-config/config.ts";
import daemonSchema from "../daemon-config/daemon-config.schema.json" with { type: "json" };
import { loadKernels } from "../kernels/load.ts";
import { KubeClusters } from "../kube/clusters.ts";
import { nodeNameIn } from "../kube/node-name.ts";
import { ownDaemonSetIn } from "../kube/own-daemon-set.ts";
import { errorStack, errorText } from "../log/error-text.ts";
import { type DaemonLogger, Loggers } from "../log/loggers.ts";
import { quoted } from "../log/quoted.ts";
import { keysOfDaemon } from "../multus/input/netconf.ts";
import { Multus } from "../multus/multus.ts";
import { NadFiles } from "../multus/plan/nad-files.ts";
import { readSpool } from "../multus/spool/spool.ts";
import { ConfigRemoval } from "../runtime-config/removal.ts";
import { Admission } from "./admission.ts";
import { makeAgents } from "./agents.ts";
import { openDevices } from "./devices.ts";
import { Ending } from "./ending.ts";
import { collectAfterStart } from "./first-collection.ts";
import { IdleEnd } from "./idle-end.ts";
import type { OwnState } from "./metrics/state.ts";
import { printedFile } from "./printed-file.ts";
import { RecentRequests } from "./recent-requests.ts";
import { RequestLine } from "./request-line.ts";
import { RequestLoggers } from "./request-loggers.ts";
import { createRuntimeConfigKeeper } from "./runtime-config.ts";
import { DaemonServer } from "./server.ts";
import { daemonStatus } from "./status-page.ts";
import { openTelemetry } from "./telemetry.ts";
import { WarmUp } from "./warm-up.ts";

const defaultConfigFile = "/etc/cni/net.d/multus.d/daemon-config.json";

const usage = `multusd ${packageJson.version}: the Multus daemon

  multusd [--config FILE] [--idle-exit SECONDS]

  --config FILE         configuration, JSON (default ${defaultConfigFile})
  --idle-exit SECONDS   end when there was no request for so long and everything is delivered (default: never);
                        wins over the configuration's idleExitSeconds. For a daemon that daemonCommand starts
  --version             print the version
  --help                print this

One dash does as well, as for Go multus's daemon: -config FILE, -config=FILE.
MULTUS_NODE_NAME in the environment is the name of this node in its cluster, unless the configuration has nodeName; OTEL_EXPORTER_OTLP_ENDPOINT has spans exported.
`;

/**
 * A daemon on every node should be small, and its work is bursts of short-lived objects: a nursery that stays at its first size instead of growing to
 * 16 MB, and no mid-tier compiler. 110 pods with four networks at once then need some 20 MB less, and 2,000 pods later the daemon has 80 MB instead of 86;
 * an ADD costs a tenth of a millisecond more for each network. An optimizing compiler that begins after 300 runs of a function, not after 3,000, takes up to 20 MB.
 */
function saveMemory(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--no-maglev");
}

/** As parseArgs has them; `-v` and `-h` are for these, too. */
const options: readonly KnownOption[] = [
  { name: "config", takes: "value" },
  { name: "idle-exit", takes: "value" },
  { name: "version", short: "v", takes: "switch" },
  { name: "help", short: "h", takes: "switch" },
];

/** How it was called is wrong. */
class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws {UsageError} */
function parseIdleExit(text: string): number {
  const { minimum, maximum } = daemonSchema.properties.idleExitSeconds;
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= minimum && seconds <= maximum) return seconds;
  throw new UsageError(
    `--idle-exit is a whole number of seconds from ${minimum} to ${maximum}, not ${quoted(text)}`,
  );
}

async function main(): Promise<void> {
  const [, program = "", ...args] = process.argv;
  if (isFormerDaemon(program, args)) {
    // Beside this bundle; it reads its own words from where Node leaves them. The single-file executable has looked before.
    await import(pathToFileURL(join(import.meta.dirname, "multusctl.mjs")).href);
    return;
  }
  saveMemory();
  const { values } = parseArgs({
    args: withGoFlags(args, options),
    options: {
      config: { type: "string", default: defaultConfigFile },
      "idle-exit": { type: "string" },
      version: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help || values.version) {
    process.stdout.write(values.help ? usage : `multusd ${packageJson.version}\n`);
    return;
  }
  const { "idle-exit": idleExit } = values;
  const given = idleExit === undefined ? {} : { idleExitSeconds: parseIdleExit(idleExit) };
  const config = readDaemonConfig(values.config);
  const nodeName = config.nodeName || nodeNameIn(process.env);
  await serve({ ...config, ...given, nodeName }, values.config);
}

async function serve(config: DaemonConfig, configFile: string): Promise<void> {
  const allLoggers = new Loggers(printedFile(config.socketDir));
  const loggers = new RequestLoggers(allLoggers, config.log);
  const log = loggers.daemon;
  logBugs(log);
  log.verbose("multusd starts", { version: packageJson.version, config: configFile, pid: process.pid });
  for (const key of config.unused) log.verbose("configuration key has no effect in this version", { key });
  for (const key of config.unknown) log.error("unknown configuration key", { key });

  const nads = config.nadDir === "" ? undefined : new NadFiles(config.nadDir, log);
  const clusters = await kubeClusters(config, log);
  const kernels = loadKernels();
  const agents = makeAgents(config, import.meta.dirname, log);
  const runtimeConfig = createRuntimeConfigKeeper(config.runtimeConfig, kernels, log, () =>
    multus.lookForMissingNetworks(),
  );
  const { devices, deviceInfo, access: deviceAccess } = openDevices(config, log);
  const multus = new Multus({
    kernels,
    log,
    overrides: config.overrides,
    clusters,
    nads,
    devices,
    deviceInfo,
    delegateTimeoutMs: config.delegateTimeoutMs,
    eviction: config.eviction && {
      ...config.eviction,
      isMultusCalled: () => runtimeConfig?.notInPlace === undefined,
    },
  });
  const idleEnd = new IdleEnd({
    seconds: config.idleExitSeconds,
    undelivered: () => clusters.undelivered,
    end: () => ending.retire(config.idleExitSeconds),
  });
  const admission = new Admission(config.maxConcurrent);
  const daemonState = (): OwnState => ({
    waiting: admission.waiting,
    running: admission.running,
    limit: admission.limit,
    lanes: admission.lanes,
    isReady: server.notReady === undefined,
    isStopping: server.isStopping,
    configFiles: multus.configFiles,
    failedDels: multus.failedDels,
    clusters: clusters.states,
    missingNetworks: multus.missingNetworks,
  });
  const { cniDir } = keysOfDaemon(config.overrides);
  const telemetry = await openTelemetry({
    ...config,
    version: packageJson.version,
    cniDir,
    state: daemonState,
    log,
  });
  const { tracer, observer } = telemetry;
  const recent = new RecentRequests();
  const isOnDemand = config.idleExitSeconds !== undefined;
  const { socketDir } = config;
  const warmUp = new WarmUp({ socketDir, kernels, logKeys: config.log, agents, log });
  const onRequest = (command: string) => warmUp.requested(command);
  const line = new RequestLine({ admission, loggers, tracer, observer, recent, idleEnd, onRequest });
  const server: DaemonServer = new DaemonServer(line, {
    handle: multus.handle,
    handleDelegate: multus.handleDelegate,
    agents,
    kernels,
    notReady: () => runtimeConfig?.notInPlace ?? clusters.problem(),
    status: () =>
      daemonStatus({
        version: packageJson.version,
        nodeName: config.nodeName,
        missingKubeconfig: clusters.missingKubeconfig,
        devices: deviceAccess(),
        onDemand: isOnDemand,
        state: daemonState,
        notReady: server.notReady,
        recent,
      }),
  });
  const listening = server.listen(config.socketDir, isOnDemand);
  const daemonSet = ownDaemonSetIn(process.env);
  const ending = new Ending({
    listening,
    server,
    agents,
    clusters,
    telemetry,
    runtimeConfig,
    removal: new ConfigRemoval(
      config.runtimeConfig?.removeOnExit ?? "auto",
      daemonSet &&
        (async (withinMs) => {
          const { isEnding, because } = await clusters.fateOfDaemonSet(daemonSet, withinMs);
          return { isWanted: isEnding, because };
        }),
    ),
    log,
    closeLogs: () => allLoggers.close(),
    exit: (code) => process.exit(code),
  });
  // Before the first wait: a signal may come as soon as the socket is there.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ending.stop(signal));
  const socket = await listening;
  log.verbose("multusd serves", { socket, maxConcurrent: config.maxConcurrent });
  void sayWhatWaits(cniDir, log);
  void multus.readFailedDels(cniDir);
  // Not before: a runtime that sees the file calls at once.
  runtimeConfig?.start();
  idleEnd.begin();
  void warmUp.run().then(collectAfterStart);
  // Not waited for before: a daemon whose cluster is away still serves what needs none.
  const cluster = await clusters.warm();
  if (cluster !== undefined) multus.restoreStatuses(cluster);
}

/** DELs that came while no daemon was there. Replays say nothing of those that cannot be removed: they would again and again. Never throws. */
async function sayWhatWaits(cniDir: string, log: DaemonLogger): Promise<void> {
  try {
    const { directory, waiting, obstacle: error } = await readSpool(cniDir);
    if (waiting === 0) return;
    if (error === undefined) {
      log.verbose("recorded DELs wait to be carried out", { directory, waiting });
    } else {
      log.error("recorded DELs are not carried out, as they could not be removed afterwards", {
        directory,
        waiting,
        error,
      });
    }
  } catch (error) {
    log.error("recorded DELs cannot be looked at", { error: errorText(error) });
  }
}

/** Loads the code that talks to a cluster where there is one. @throws {Error} where perNodeCertificate lacks the node's name */
async function kubeClusters(
  { kubeconfig, nodeName, nodeCertificate, nadCacheBytes }: DaemonConfig,
  log: DaemonLogger,
): Promise<KubeClusters> {
  const { KUBERNETES_SERVICE_HOST } = process.env;
  if (nodeCertificate !== undefined && nodeName === "") {
    throw new Error(
      "perNodeCertificate needs the node's name: key nodeName, or MULTUS_NODE_NAME in the environment",
    );
  }
  const isInCluster =
    KUBERNETES_SERVICE_HOST === undefined
      ? () => false
      : (await import("../kube/credentials.ts")).isInCluster;
  return new KubeClusters({
    kubeconfig: nodeCertificate?.bootstrapKubeconfig ?? kubeconfig,
    // The service account is no substitute for the node's certificate.
    isThere: (path) => nodeCertificate !== undefined || hasEntry(path),
    isInCluster: () => isInCluster(),
    open: async (path) =>
      (await import("../kube/cluster.ts")).openCluster(path, {
        nodeName,
        nodeCertificate,
        nadCacheBytes,
        log,
      }),
    log,
  });
}

/** Has something that name? A link counts as it is: a kubeconfig that leads nowhere is a broken one. */
function hasEntry(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    return !isMissingFile(error);
  }
}

/**
 * An uncaught error is a bug. After an exception the state is not known: say so, end, and let a new daemon start; shims answer "try again later"
 * meanwhile. An unhandled rejection has interrupted nothing.
 */
function logBugs(log: DaemonLogger): void {
  process.on("uncaughtException", (error) => {
    log.panic("uncaught exception", { error: errorStack(error) });
    process.exit(1);
  });
  process.on("unhandledRejection", (error) => log.error("unhandled rejection", { error: errorStack(error) }));
}

main().catch((error: unknown) => {
  const isUsage =
    error instanceof UsageError ||
    (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));
  process.stderr.write(`multusd: ${errorText(error)}\n`);
  process.exit(isUsage ? 2 : 1);
});
