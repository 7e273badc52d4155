/** Checks the daemon: does it answer, which release is it, and does it watch its cluster? */

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { protocolVersion } from "../../agent/frames.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";
import { askDaemon, type DaemonStatus, daemonStatusOf, NoAnswer, socketPath } from "../node/daemon-socket.ts";
import { failureText, missingText } from "../text/daemon-status.ts";
import { formatAge } from "../text/quantities.ts";
import { checkDevices } from "./devices.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";

export interface DaemonFindings {
  readonly findings: readonly NodeFinding[];
  /** undefined: no daemon of ours has answered. */
  readonly status: DaemonStatus | undefined;
}

const answers = "daemon/answers";
const failuresShown = 3;
/** The runtime's file stays if the daemon could not ask whether its DaemonSet is deleted. */
const ofDeletedDaemonSet =
  "where Multus's DaemonSet is deleted for good, multusctl uninstall: no pod starts here while the runtime's file calls Multus";
/** Older failures are not reported, in milliseconds. */
const recentMs = 60 * 60 * 1000;

/**
 * @param daemonCommand with which the plugin starts a daemon, program first; empty for a daemon that always runs
 * @param now milliseconds since the epoch
 */
export async function checkDaemon(
  socketDir: string,
  daemonCommand: readonly string[],
  now: number,
): Promise<DaemonFindings> {
  try {
    await askDaemon(socketDir, "/healthz");
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { findings: judgeSilence(error, daemonCommand), status: undefined };
  }
  const modes = checkSocketModes(socketDir);
  try {
    const status = await daemonStatusOf(socketDir);
    return { findings: [...modes, ...judge(status, now), ...(await checkDevices(status))], status };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const foreign = new CheckFindings(answers).warn(
      error.message,
      "update the daemon, or remove Go multus's from this node: only one of them can serve the socket",
    );
    return { findings: [...modes, ...foreign], status: undefined };
  }
}

function judgeSilence(
  { state, message, advice }: NoAnswer,
  [program = ""]: readonly string[],
): NodeFinding[] {
  const findings = new CheckFindings(answers);
  if (state === "forbidden") return findings.skip(message, advice);
  if (state === "absent" && program === "") return findings.fail(message, `${advice}; ${ofDeletedDaemonSet}`);
  if (state === "silent" || program === "") return findings.fail(message, advice);
  if (!existsSync(dirname(program))) {
    return findings.skip(
      `no daemon runs; from here it is unknown whether the plugin can start ${program}`,
      "run it on the node itself",
    );
  }
  try {
    accessSync(program, constants.X_OK);
    return findings.pass(`no daemon runs; the plugin starts ${program} when it is called`);
  } catch (error) {
    return findings.fail(
      `no daemon runs, and the plugin cannot start one (daemonCommand): ${errorText(error)}`,
      "install that executable, or name another program in Multus's file: multusctl thin-entrypoint does both",
    );
  }
}

/** Checks of a daemon that answers. */
export function judge(status: DaemonStatus, now: number): NodeFinding[] {
  return [
    ...judgeAnswer(status),
    ...judgeRequests(status),
    ...judgeConfiguration(status),
    ...status.clusters.flatMap(judgeCluster),
    ...judgeNodeName(status),
    ...judgeMissing(status),
    ...judgeFailures(status, now),
  ];
}

function judgeAnswer({ version, protocol, ready, notReady, uptimeSeconds }: DaemonStatus): NodeFinding[] {
  const findings = new CheckFindings(answers);
  if (ready) findings.pass(`multusd ${version} is ready, up ${formatAge(uptimeSeconds)}`);
  else {
    findings.warn(
      `multusd ${version} is not ready: ${notReady}`,
      "if it is shutting down, look whether the next one starts; if it waits for a file of the cluster network, look at that network's pods on this node",
    );
  }
  if (protocol !== protocolVersion) {
    findings.warn(
      `it speaks protocol ${protocol}, and this multusctl's release ${protocolVersion}`,
      "use the multusctl of the daemon's release",
    );
  }
  return findings.all;
}

function judgeRequests({ requests }: DaemonStatus): NodeFinding[] {
  if (requests.waiting <= requests.limit) return [];
  return new CheckFindings("daemon/requests").warn(
    `${requests.waiting} requests wait, ${requests.running} are under way`,
    "look for slow plugins: multusctl status and the daemon's log name them; maxConcurrent raises the limit",
  );
}

function judgeConfiguration({ clusters, missingKubeconfig }: DaemonStatus): NodeFinding[] {
  const cluster = new CheckFindings("daemon/cluster");
  const kubeconfig = new CheckFindings("daemon/kubeconfig");
  if (clusters.length === 0) {
    cluster.warn(
      "it has no cluster: networks come from files alone",
      "in a pod the daemon uses its service account, elsewhere the key kubeconfig",
    );
  }
  if (missingKubeconfig !== undefined) {
    kubeconfig.warn(
      `its configuration names a kubeconfig that its pod does not have, ${missingKubeconfig}: the pod's service account is used`,
      "remove the key kubeconfig from daemon-config.json, or mount the file into the pod at that path; then restart the daemon",
    );
  }
  return [...cluster.all, ...kubeconfig.all];
}

function judgeCluster({ server, watches, deliveries }: DaemonStatus["clusters"][number]): NodeFinding[] {
  const findings = new CheckFindings("daemon/cluster");
  for (const { resource, connected, synced } of watches) {
    if (connected) continue;
    findings[synced ? "warn" : "fail"](
      `${server}: ${resource} are not watched${synced ? ", the kept ones may be outdated" : ", and have never been listed"}`,
      "the daemon's log says why: rights (deploy/base/rbac.yaml), the CRD, or the connection to the API server",
    );
  }
  for (const { resource, memory } of watches) {
    if (memory.leftOut === 0) continue;
    findings.warn(
      `${server}: ${memory.leftOut} ${resource} do not fit into the daemon's memory (${memory.limit} bytes): it asks the API for them when a pod needs them`,
      "the daemon's log names the namespace that takes the most; the key nadCacheBytes sets the limit for networks",
    );
  }
  for (const { kind, givenUp } of deliveries) {
    if (givenUp === 0) continue;
    findings.warn(
      `${givenUp} ${kind} deliveries were given up`,
      "the daemon's log says which and why; a restart writes missing network-statuses again",
    );
  }
  if (watches.every(({ connected }) => connected)) {
    findings.pass(
      `${server}: ${watches.map(({ resource, size }) => `${size} ${resource}`).join(", ")} watched`,
    );
  }
  return findings.all;
}

function judgeNodeName({ clusters, nodeName }: DaemonStatus): NodeFinding[] {
  if (clusters.length === 0 || nodeName !== "") return [];
  return new CheckFindings("daemon/node-name").warn(
    "neither MULTUS_NODE_NAME nor nodeName is set: pods are not watched, and each ADD asks the API",
    "set the variable from spec.nodeName, as deploy/ does, or the key in the daemon's configuration",
  );
}

function judgeMissing({ missingNetworks = [] }: DaemonStatus): NodeFinding[] {
  if (missingNetworks.length === 0) return [];
  return new CheckFindings("daemon/missing-networks").fail(
    `${missingText(missingNetworks)}: they were started while the runtime did not call Multus`,
    "delete them, so that they are created again (multusctl ls --missing lists them; onMissingNetworks: evict has the daemon do it), and find out why the runtime's file or the daemon was missing",
  );
}

function judgeFailures({ failures }: DaemonStatus, now: number): NodeFinding[] {
  const findings = new CheckFindings("daemon/failures");
  const recent = failures.filter(({ at }) => now - Date.parse(at) < recentMs);
  if (recent.length === 0) return findings.pass("no request has failed within the last hour");
  const texts = recent.slice(0, failuresShown).map(failureText);
  return findings.warn(
    `${recent.length} requests have failed within the last hour, the last ones: ${texts.join(" | ")}`,
    "each message says what to fix; multusctl status --json has all kept failures",
  );
}

function checkSocketModes(socketDir: string): NodeFinding[] {
  const findings = new CheckFindings("daemon/socket");
  const [directory, socket] = [socketDir, socketPath(socketDir)].map(modeOf);
  // The daemon has stopped since its answer.
  if (directory === undefined || socket === undefined)
    return findings.skip(`${socketDir} is no longer there`);
  // A user that can connect can have plugins run as root.
  if ((directory & 0o022) !== 0) {
    return findings.fail(
      `${socketDir} can be written by others (mode ${directory.toString(8)})`,
      `chmod 0700 ${socketDir}: a user that can write there can take the daemon's place`,
    );
  }
  if ((directory & 0o011) !== 0 && (socket & 0o022) !== 0) {
    return findings.fail(
      `others can connect to ${socketPath(socketDir)} (modes ${directory.toString(8)}, ${socket.toString(8)})`,
      `chmod 0700 ${socketDir}`,
    );
  }
  return findings.pass(`${socketPath(socketDir)} is for its owner only`);
}

/** The mode of a file, following symbolic links. */
function modeOf(path: string): number | undefined {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode;
  return mode === undefined ? undefined : mode & 0o777;
}
