/** Judges a DaemonSet of Go multus: may ours take its place, and which of its settings have to be carried over? */

import { basename } from "node:path";
import { ExpectedError } from "../../base/input-error.ts";
import { type JsonObject, objectAt, objectIn, objectsIn, textOf } from "../../base/json.ts";
import { formerDaemonFlags } from "../../command-line/former-daemon.ts";
import { type KnownOption, withGoFlags } from "../../command-line/go-flags.ts";
import { parseDaemonConfig } from "../../daemon-config/config.ts";
import { bounded, quoted } from "../../log/quoted.ts";
import { checkDaemonConfiguration } from "../configuration/daemon-configuration.ts";
import { ownPlaces } from "../configuration/places.ts";
import { imageName, type MultusDaemonSet } from "../daemons/daemon-sets.ts";
import { type ContainerFacts, onNode } from "../daemons/pod-template.ts";
import { listed } from "../text/quantities.ts";
import type { Area, PreflightFinding, Verdict } from "./finding.ts";

/** Releases of Go multus whose manifests, plans and results the tests have: from and to, as numbers that compare. */
const firstRelease = [3, 9] as const;
const lastRelease = [4, 3] as const;

const ourNamespace = "kube-system";
const ourName = "kube-multus-ds";

/** Values of `daemon-config.json` in the manifests that Go multus publishes, of any release; keys count in any case. */
const publishedKeys = byLowerCase<readonly unknown[]>({
  chrootDir: ["/hostroot"],
  cniVersion: ["0.3.1"],
  logLevel: ["verbose"],
  logToStderr: [true],
  cniConfigDir: ["/host/etc/cni/net.d"],
  confDir: ["/host/etc/cni/net.d"],
  multusAutoconfigDir: ["/host/etc/cni/net.d"],
  multusConfigFile: ["auto"],
  socketDir: ["/host/run/multus/", "/host/run/multus"],
});

/** The last one counts where keys differ in their case alone. */
function byLowerCase<Value>(members: Readonly<Record<string, Value>>): ReadonlyMap<string, Value> {
  return new Map(Object.entries(members).map(([key, value]) => [key.toLowerCase(), value]));
}

/** Options of thin in the manifests that Go multus publishes; the others' values are somebody's own. */
const publishedOptions: Readonly<Record<string, string>> = {
  "multus-conf-file": "auto",
  "multus-autoconfig-dir": "/host/etc/cni/net.d",
  "cni-conf-dir": "/host/etc/cni/net.d",
  "cni-config-dir": "/host/etc/cni/net.d",
  "cni-bin-dir": "/host/opt/cni/bin",
};

const kept = (what: string) =>
  `${what}, or keep Go multus's manifest and replace the image alone (docs/upgrade.md)`;

/** Programs of Go multus's images that a DaemonSet runs. */
const knownPrograms = ["multus-daemon", "thin_entrypoint", "entrypoint.sh"];

/** Directories of the node that the manifests name, and the chart's value for another one. */
const directories = [
  { at: "/host/etc/cni/net.d", usual: "/etc/cni/net.d", value: "cniConfDir" },
  { at: "/host/opt/cni/bin", usual: "/opt/cni/bin", value: "cniBinDir" },
  { at: "/etc/cni/multus/net.d", usual: "/etc/cni/multus/net.d", value: "multusConfDir" },
  {
    at: "/var/lib/kubelet/pod-resources",
    usual: "/var/lib/kubelet/pod-resources",
    value: "podResources",
  },
];

/** Directories that have no value: pods that run have their plans there. */
const fixedDirectories = ["/var/lib/cni/multus"];

/** Collects findings about one DaemonSet. */
class Findings {
  readonly all: PreflightFinding[] = [];
  readonly #subject: string;

  constructor(subject: string) {
    this.#subject = subject;
  }

  add(area: Area, verdict: Verdict, message: string, remedy = ""): void {
    this.all.push({ area, subject: this.#subject, verdict, message, remedy });
  }

  /** @param message of a finding if the area has none */
  orOk(area: Area, message: string): void {
    if (this.all.every((each) => each.area !== area)) this.add(area, "ok", message);
  }
}

/** @param configuration text of daemon-config.json; undefined: the DaemonSet has none; an Error: it cannot be read @param thinOptions options of thin's entrypoint that have an effect here */
export function judgeDaemonSet(
  daemonSet: MultusDaemonSet,
  configuration: string | Error | undefined,
  thinOptions: readonly KnownOption[],
): PreflightFinding[] {
  const { namespace, name, form, isOurs, container } = daemonSet;
  const findings = new Findings(`daemonset ${namespace}/${name}`);
  if (isOurs) {
    findings.add("daemon", "ok", `is multus-wasm (${form}) already: image ${quoted(container.image)}`);
    return findings.all;
  }
  judgeOwner(findings, daemonSet);
  judgeRelease(findings, daemonSet);
  judgePlacement(findings, daemonSet);
  findings.orOk("daemon", `Go multus, ${form}: deploy/${form} takes its place`);
  judgePaths(findings, daemonSet);
  if (!isKnownProgram(container)) {
    const program = quoted(container.words[0] ?? "");
    const message = `its command ${program} is none of Go multus's programs: with which settings it runs Multus cannot be seen`;
    findings.add("configuration", "unknown", message);
  } else if (form === "thin") judgeArguments(findings, daemonSet, thinOptions);
  else judgeConfiguration(findings, configuration);
  return findings.all;
}

function judgeOwner(findings: Findings, daemonSet: MultusDaemonSet): void {
  const { namespace, name, controller, helmRelease, isServerSide, selector } = daemonSet;
  const orphan = `kubectl --namespace ${namespace} delete daemonset ${name} --cascade=orphan, before you apply ours (deploy/README.md)`;
  if (namespace === "openshift-multus") {
    findings.add(
      "daemon",
      "change",
      "belongs to OpenShift's Cluster Network Operator, which puts it back whenever it is changed",
      "have the operator give it up: disableMultiNetwork: true in Network.operator.openshift.io cluster, then apply ours",
    );
  } else if (controller !== "") {
    findings.add(
      "daemon",
      "change",
      `belongs to ${quoted(controller)}, which puts it back whenever it is changed`,
      "have its owner give it up, then apply ours",
    );
  } else if (namespace !== ourNamespace || name !== ourName) {
    findings.add(
      "daemon",
      "change",
      `ours is ${ourNamespace}/${ourName} and does not take its place: both would write 00-multus.conf and want the socket`,
      `delete it when you apply ours: kubectl --namespace ${namespace} delete daemonset ${name}`,
    );
  } else if (Object.keys(selector).length !== 1 || selector.name !== "multus") {
    findings.add(
      "daemon",
      "change",
      `its selector ${quoted(JSON.stringify(selector))} is not ours, and the API server lets nobody change one`,
      orphan,
    );
  }
  if (helmRelease !== "") {
    findings.add("daemon", "change", `belongs to Helm's release ${quoted(helmRelease)}`, orphan);
  } else if (isServerSide) {
    const message =
      "was applied with --server-side: fields that our manifest does not have would stay, such as privileged";
    findings.add("daemon", "change", message, orphan);
  }
}

function judgeRelease(findings: Findings, { container: { image } }: MultusDaemonSet): void {
  const { tag } = imageName(image);
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(tag) ?? [];
  const said = `image ${quoted(image)}`;
  if (major === undefined || minor === undefined) {
    const tried = `${firstRelease.join(".")} to ${lastRelease.join(".")}`;
    findings.add("version", "look", `${said} does not say its release; ${tried} were tried`);
    return;
  }
  const release = [Number(major), Number(minor)] as const;
  if (isBefore(release, firstRelease)) {
    findings.add(
      "version",
      "change",
      `${said}: Go multus ${major}.${minor} was not tried; ${firstRelease.join(".")} and later were`,
      "upgrade Go multus first, to 4.3 if nothing speaks against it",
    );
  } else if (isBefore(lastRelease, release)) {
    const message = `${said}: Go multus ${major}.${minor} is later than what was tried, ${lastRelease.join(".")}`;
    findings.add("version", "look", message);
  } else findings.add("version", "ok", `${said}: Go multus ${major}.${minor}`);
}

type Release = readonly [number, number];

function isBefore([major, minor]: Release, [otherMajor, otherMinor]: Release): boolean {
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

/** Nodes that it runs on: ours runs on all with Linux. */
function judgePlacement(
  findings: Findings,
  { template: { nodeSelector, nodeAffinity } }: MultusDaemonSet,
): void {
  const isOwn = (key: string) =>
    !["kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os"].includes(key);
  const labels = Object.keys(nodeSelector)
    .filter(isOwn)
    .map((key) => quoted(`${key}=${textOf(nodeSelector[key])}`));
  if (labels.length > 0) {
    findings.add(
      "daemon",
      "change",
      `runs on nodes with ${labels.join(", ")} alone; ours runs on all nodes with Linux`,
      kept("set nodeSelector in the chart's values"),
    );
  }
  const keys = nodeAffinity
    .flatMap(({ matchExpressions, matchFields }) => [
      ...objectsIn(matchExpressions),
      ...objectsIn(matchFields),
    ])
    .map(({ key }) => textOf(key))
    .filter(isOwn);
  if (keys.length === 0) return;
  findings.add(
    "daemon",
    "change",
    `has a nodeAffinity for ${listed(
      [...new Set(keys)].map((key) => quoted(key)),
      10,
    )}; ours runs on all nodes with Linux`,
    kept("add the same affinity in a kustomization of your own"),
  );
}

/** Or the image's own, with arguments or without: a script may do anything. */
function isKnownProgram({ words: [program = ""] }: ContainerFacts): boolean {
  return program === "" || program.startsWith("-") || knownPrograms.includes(basename(program));
}

function judgePaths(findings: Findings, { template, container }: MultusDaemonSet): void {
  const containers = [container, ...template.initContainers];
  const hostOf = (at: string) => containers.map((each) => onNode(template, each, at)).find(Boolean);
  for (const { at, usual, value } of directories) {
    const host = hostOf(at);
    // The host's root in the container is not the mount that a path belongs to.
    if (host === undefined || host === usual) continue;
    findings.add(
      "paths",
      "change",
      `${quoted(host)} on the node is its ${usual}`,
      kept(`helm: --set hostPaths.${value}=${host}`),
    );
  }
  for (const usual of fixedDirectories) {
    const host = hostOf(usual);
    if (host === undefined || host === usual) continue;
    findings.add(
      "paths",
      "change",
      `${quoted(host)} on the node is its ${usual}: plans of pods that run are there, and ours would look for them in ${usual}`,
      kept("mount the same directory in a kustomization of your own"),
    );
  }
  findings.orOk("paths", "its directories on the node are the usual ones");
}

/** Arguments of thin's entrypoint, and of 3.9's daemon, which was an installer. */
function judgeArguments(
  findings: Findings,
  { container }: MultusDaemonSet,
  thinOptions: readonly KnownOption[],
): void {
  const known = [...thinOptions, ...formerDaemonFlags];
  const words = container.words.filter((word, index) => index > 0 || word.startsWith("-"));
  const own: string[] = [];
  for (const argument of withGoFlags(words, known)) {
    const [, name = "", value = ""] = /^--([^=]+)(?:=(.*))?$/s.exec(argument) ?? [];
    const isKnown = known.some((option) => option.name === name);
    if (!isKnown) {
      findings.add(
        "configuration",
        "look",
        `argument ${quoted(argument)} is not known here: it has no effect`,
      );
    } else if (name === "multus-conf-file" && value !== "auto") {
      findings.add(
        "configuration",
        "change",
        `${quoted(argument)}: a configuration of its own, which each node gets as a file`,
        kept("check that file (multusctl validate FILE), and mount it for ours as well"),
      );
    } else if (publishedOptions[name] !== value) own.push(argument);
    if (isKnown && name === "namespace-isolation" && value === "true") lookAtIsolation(findings);
  }
  if (own.length > 0) {
    findings.add(
      "configuration",
      "change",
      `has arguments that ours has not: ${listed(
        own.map((argument) => quoted(argument)),
        10,
      )}`,
      kept("add them to args in deploy/thin/daemonset.yaml, or to the chart's thinArguments"),
    );
  }
  findings.orOk("configuration", "its arguments are those of Go multus's manifest");
}

function judgeConfiguration(findings: Findings, configuration: string | Error | undefined): void {
  if (configuration instanceof Error) {
    findings.add("configuration", "unknown", configuration.message);
    return;
  }
  if (configuration === undefined) {
    findings.add("configuration", "ok", "has no ConfigMap with a daemon-config.json");
    return;
  }
  const file = "daemon-config.json";
  for (const { severity, message } of checkDaemonConfiguration({
    bytes: Buffer.from(configuration),
    file,
    places: ownPlaces(),
  })) {
    findings.add("configuration", severity === "error" ? "change" : "look", `${file}: ${message}`);
  }
  const keys = objectIn(configuration) ?? {};
  judgeOwnKeys(findings, file, keys, keysWithoutEffect(configuration, file));
  findings.orOk("configuration", `${file} is that of Go multus's manifest`);
}

function lookAtIsolation(findings: Findings): void {
  const message =
    "namespaceIsolation: here it also counts for v1.multus-cni.io/default-network, and for definitions with an empty spec.config";
  findings.add("configuration", "look", message, "docs/configuration.md, namespace isolation");
}

/** Keys that the checks have named already. */
function keysWithoutEffect(configuration: string, file: string): readonly string[] {
  try {
    const { unknown, unused } = parseDaemonConfig(Buffer.from(configuration), file);
    return [...unknown, ...unused];
  } catch (error) {
    // The findings have this error.
    if (error instanceof ExpectedError) return [];
    throw error;
  }
}

function judgeOwnKeys(
  findings: Findings,
  file: string,
  keys: JsonObject,
  withoutEffect: readonly string[],
): void {
  const named = withoutEffect.map((key) => key.toLowerCase());
  const own = Object.entries(keys)
    .filter(([key, value]) => {
      const inLowerCase = key.toLowerCase();
      return publishedKeys.get(inLowerCase)?.includes(value) !== true && !named.includes(inLowerCase);
    })
    .map(([key]) => bounded(key));
  if (own.length > 0) {
    findings.add(
      "configuration",
      "change",
      `${file} has keys or values of its own: ${listed(own, 20)}; they mean the same here`,
      "keep this ConfigMap: apply a kustomization that leaves ours out, or put them into deploy/thick/daemon-config.json (chart: daemonConfig)",
    );
  }
  const byName = byLowerCase(keys);
  if (byName.get("namespaceisolation") === true) lookAtIsolation(findings);
  if (byLowerCase(objectAt(byName.get("pernodecertificate"))).get("enabled") === true) {
    findings.add(
      "configuration",
      "change",
      "perNodeCertificate: daemons get certificates of their nodes",
      "add the component per-node-certificate (chart: perNodeCertificate.enabled=true)",
    );
  }
}
