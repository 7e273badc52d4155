/** Checks one network configuration or netconf with the daemon's own parsers, and checks what the parsers cannot: installed plugins and known capabilities. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ExpectedError } from "../../base/input-error.ts";
import { fieldMembers, type JsonObject, memberValue, objectAt } from "../../base/json.ts";
import { keySpelling } from "../../base/key-spelling.ts";
import { parseNetworkConfig } from "../../cni/config.ts";
import { NetworkConfigFiles } from "../../cni/files.ts";
import { usualNetworkNameLengths } from "../../cni/names.ts";
import { misspeltKeys } from "../../cni/plugin-subject.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import type { Kernels, PluginParts } from "../../kernels/index.ts";
import { quoted } from "../../log/quoted.ts";
import { type Netconf, parseNetconf, podAnnotationsKey } from "../../multus/input/netconf.ts";
import { refusedPlugin, refusedPluginOf } from "../../multus/input/own-plugin.ts";
import { commonCapabilities } from "../../multus/plan/capability-args.ts";
import { whyExecuted } from "../../native/native-networks.ts";
import { isExecutable } from "../node/access.ts";
import type { Position } from "../text/finding.ts";
import { listed } from "../text/quantities.ts";
import { isNetconf } from "./kind.ts";
import { findingAt, type Places, refusals, type Source, type TextFinding, withoutSource } from "./places.ts";
import type { ValuePath } from "./position.ts";

/** The means to check configurations. */
export interface CheckContext {
  readonly kernels: Kernels;
  /** Directories to search for plugins; none: the configuration is for another machine, so that nothing of this machine is checked. */
  readonly binDirs: readonly string[];
  /** Names of this machine's links, where it is the node that the configuration is for; undefined: links are not checked. */
  readonly links?: ReadonlySet<string> | undefined;
  /** Say of each network whether it is native (docs/configuration.md, "Native networks"). */
  readonly saysNative?: boolean | undefined;
}

/** A configuration and its place. */
export interface LocatedText extends Source {
  readonly bytes: Uint8Array;
}

/** Capability arguments that Multus or runtimes pass (those of runtimes are conventions of the CNI spec). */
const knownCapabilities = [
  ...commonCapabilities,
  "dns",
  "ipRanges",
  "aliases",
  "cgroupPath",
  podAnnotationsKey,
];

/** An attachment that asks for nothing, as most do. */
const usualAttachment = {
  containerId: "",
  netns: "",
  ifName: "net1",
  args: [["IgnoreUnknown", "true"]],
  capabilityArgs: undefined,
} as const;

/** Unknown capabilities of one plugin that get a warning each. */
const capabilitiesNamed = 20;

/** The name that parseNetconf gives its source in errors. */
const netconfSource = "netconf on stdin";

/** The purpose of a configuration that is not a file by itself. */
export interface ConfigurationUse {
  /** For a missing or empty `name`. */
  readonly defaultName?: string;
  /** Multus attaches it, as a NetworkAttachmentDefinition or an inline delegate. It is not the runtime's own file, which may call Multus. */
  readonly isDelegate?: boolean;
  /** Multus's network name in the surrounding netconf. */
  readonly ownType?: string;
}

/** Findings about a single configuration or a list; also about Multus's own configuration as a plugin of a list. */
export function checkNetworkConfiguration(
  text: LocatedText,
  context: CheckContext,
  { defaultName, isDelegate = false, ownType }: ConfigurationUse = {},
): TextFinding[] {
  const { bytes, file, places } = text;
  let network: NetworkConfigList;
  try {
    network = parseNetworkConfig(bytes, file, context.kernels, { name: defaultName });
  } catch (error) {
    return refusals(error, file, text);
  }
  const path = (index: number): ValuePath => (network.isList ? ["plugins", index] : []);
  const ofPlugins = network.plugins.flatMap((plugin, index): TextFinding[] => {
    const source = { file, places: within(places, path(index)) };
    const isOwn = isNetconf({ type: plugin.type });
    const problem = isOwn && !isDelegate ? undefined : refusedPlugin(plugin, ownType);
    if (problem !== undefined) {
      const message = network.isList ? `plugins[${index}]: ${problem}` : problem;
      return [findingAt(source, "error", "plugin-refused", message, ["type"])];
    }
    const own = isOwn ? checkNetconf({ ...source, bytes: asRuntimeSends(plugin, network) }, context) : [];
    return [...own, ...warningsOf(plugin, source, context)];
  });
  const native = context.saysNative === true ? [nativeFinding(network, text)] : [];
  return [...nameFindings(network, text), ...versionFindings(network, text), ...native, ...ofPlugins];
}

/** Says whether the network is native, as far as its configuration decides. */
function nativeFinding(network: NetworkConfigList, source: Source): TextFinding {
  const reason = whyExecuted(network, usualAttachment);
  return reason === undefined
    ? findingAt(source, "note", "native-network", 'is attached natively with nativeNetworks "auto"')
    : findingAt(source, "note", "executed-network", `its plugins are always run: ${reason}`);
}

/** A configuration without a version runs in one that depends on the plugins and on Multus's own configuration. */
function versionFindings({ saysVersion }: NetworkConfigList, source: Source): TextFinding[] {
  if (saysVersion) return [];
  const message =
    "names no cniVersion: it runs in the highest version that Multus's own configuration and all its plugins support";
  return [findingAt(source, "warning", "no-cni-version", message, ["cniVersion"])];
}

/** Reports a name that is too long for the file of a result, with container ids of usual length: for every interface, or for long interface names. */
function nameFindings({ name }: NetworkConfigList, source: Source): TextFinding[] {
  const { always, atMost } = usualNetworkNameLengths;
  if (name.length <= always) return [];
  const severity = name.length > atMost ? "error" : "warning";
  const message = `network name ${quoted(name)} has ${name.length} characters, and the file of a result has room for ${always}, or up to ${atMost} if the interface's name is short`;
  return [findingAt(source, severity, "long-name", message, ["name"])];
}

/** Findings about Multus's own configuration, and about the delegates in it. */
export function checkNetconf(text: LocatedText, context: CheckContext): TextFinding[] {
  const { bytes, file, places } = text;
  try {
    const netconf = parseNetconf(bytes);
    const warnings = netconf.warnings.flatMap((warning) =>
      warning === ""
        ? []
        : [findingAt(text, "warning", "daemon-warning", withoutSource(warning, netconfSource))],
    );
    const { clusterNetwork } = netconf;
    if (context.binDirs.length > 0 && clusterNetwork.includes("/") && !existsSync(clusterNetwork)) {
      const message = `clusterNetwork: there is no ${clusterNetwork} on this machine`;
      warnings.push(findingAt(text, "warning", "cluster-network-missing", message, ["clusterNetwork"]));
    } else if (context.binDirs.length > 0 && clusterNetwork.includes("/")) {
      const problem = refusedClusterNetwork(netconf, context);
      if (problem !== undefined) {
        const message = `clusterNetwork: ${problem}`;
        warnings.push(findingAt(text, "error", "cluster-network-refused", message, ["clusterNetwork"]));
      }
    }
    if (capabilitiesOf(bytes, file)[podAnnotationsKey] !== true) {
      const message = `capabilities: without ${podAnnotationsKey} the runtime sends no annotations, and pods get no networks by annotation`;
      warnings.push(findingAt(text, "warning", "no-pod-annotations", message, ["capabilities"]));
    }
    const delegates = netconf.delegates.flatMap((delegate, index) =>
      checkNetworkConfiguration(
        { bytes: delegate, file, places: within(places, ["delegates", index]) },
        context,
        { isDelegate: true, ownType: netconf.type },
      ),
    );
    return [...warnings, ...capabilityWarnings(bytes, text), ...delegates];
  } catch (error) {
    return refusals(error, netconfSource, text);
  }
}

/** Is the cluster network's file, or the first one of its directory, Multus's own? Its other problems are found when the file itself is checked. */
function refusedClusterNetwork({ clusterNetwork, type }: Netconf, context: CheckContext): string | undefined {
  try {
    const network = new NetworkConfigFiles(context.kernels, () => {}).loadPath(clusterNetwork);
    return network && refusedPluginOf(network, type);
  } catch (error) {
    if (error instanceof ExpectedError) return undefined;
    throw error;
  }
}

/** A plugin's configuration with name and version of its list, which a runtime sets. They are appended, so that places stay valid. */
function asRuntimeSends(plugin: PluginParts, network: NetworkConfigList): Uint8Array {
  const written = Buffer.from(plugin.bytes).toString().trimEnd().slice(0, -1);
  const { name, cniVersion } = network;
  return Buffer.from(`${written},${JSON.stringify({ name, cniVersion }).slice(1)}`);
}

/** Places of a value inside the document. */
function within(places: Places, base: ValuePath): Places {
  if (base.length === 0) return places;
  const start = places.of(base);
  return {
    whole: start ?? places.whole,
    of: (path) => places.of([...base, ...path]),
    inside: (inner) => (start === undefined ? undefined : shift(start, inner)),
  };
}

/** Translates a place in a part of a text into one in the whole text. */
function shift(start: Position, inner: Position): Position {
  return {
    line: start.line + inner.line - 1,
    column: inner.line === 1 ? start.column + inner.column - 1 : inner.column,
  };
}

function warningsOf(plugin: PluginParts, source: Source, context: CheckContext): TextFinding[] {
  const uses: readonly (readonly [string, ValuePath])[] = [
    [plugin.type, ["type"]],
    [plugin.ipamType, ["ipam", "type"]],
  ];
  const missing = (context.binDirs.length === 0 ? [] : uses)
    .filter(
      ([type]) => type !== "" && !context.binDirs.some((directory) => isExecutable(join(directory, type))),
    )
    .map(([type, path]) => {
      const message = `plugin ${type} is not installed in ${context.binDirs.join(", ")}`;
      return findingAt(source, "warning", "plugin-not-installed", message, path);
    });
  return isNetconf({ type: plugin.type })
    ? missing
    : [
        ...missing,
        ...ipamFindings(plugin, source),
        ...linkFindings(plugin, source, context),
        ...keyFindings(plugin, source),
        ...capabilityWarnings(plugin.bytes, source),
      ];
}

/** Plugins that give addresses to others, and make no interface. */
const ipamPlugins = ["host-local", "static", "dhcp", "whereabouts", "calico-ipam"];

function ipamFindings({ type }: PluginParts, source: Source): TextFinding[] {
  if (!ipamPlugins.includes(type)) return [];
  const message = `plugin ${type} gives addresses, and makes no interface: it belongs into ipam.type of one that does (macvlan, bridge, …)`;
  return [findingAt(source, "error", "ipam-as-plugin", message, ["type"])];
}

/** Plugins whose interface is on, or is, a link of the node that has to be there before, with the key that names it. */
const linkKeys: ReadonlyMap<string, string> = new Map([
  ["macvlan", "master"],
  ["ipvlan", "master"],
  ["vlan", "master"],
  ["host-device", "device"],
]);

/** Is the link on this node? One that another plugin makes in the pod (`linkInContainer`) is not looked for. */
function linkFindings({ type, bytes }: PluginParts, source: Source, { links }: CheckContext): TextFinding[] {
  const key = linkKeys.get(type);
  if (key === undefined || links === undefined) return [];
  const members = fieldMembers(bytes, source.file, (name) => name === key || name === "linkInContainer");
  const link = memberValue(members, key);
  if (typeof link !== "string" || link === "" || links.has(link)) return [];
  if (memberValue(members, "linkInContainer") === true) return [];
  const message = `${key} ${quoted(link)}: this node has no such link (it has ${listed([...links].toSorted(), linksNamed)})`;
  return [findingAt(source, "warning", "link-missing", message, [key])];
}

/** Links of the node that are named. */
const linksNamed = 10;

function keyFindings({ type, bytes }: PluginParts, source: Source): TextFinding[] {
  return misspeltKeys(type, bytes).map(({ plugin, key, meant }) => {
    const message = `${quoted(key)} is no key of ${plugin}, which takes no notice of it: did you mean ${quoted(meant)}?`;
    return findingAt(source, "warning", "unknown-key", message, key.split("."));
  });
}

const spelling = keySpelling(["capabilities"]);

/** Findings about `capabilities` of a checked configuration. */
function capabilitiesOf(bytes: Uint8Array, file: string): JsonObject {
  const members = fieldMembers(bytes, file, spelling.isKnown);
  return objectAt(memberValue(spelling.members(members), "capabilities"));
}

function capabilityWarnings(bytes: Uint8Array, source: Source): TextFinding[] {
  const unknown = Object.keys(capabilitiesOf(bytes, source.file)).filter(
    (name) => !knownCapabilities.includes(name),
  );
  const named = unknown.slice(0, capabilitiesNamed).map((name) => {
    const message = `capability ${name} is unknown: neither Multus nor a runtime fills it (known: ${knownCapabilities.join(", ")})`;
    return findingAt(source, "warning", "unknown-capability", message, ["capabilities", name]);
  });
  if (unknown.length === named.length) return named;
  const message = `${unknown.length - named.length} more capabilities are not known`;
  return [...named, findingAt(source, "warning", "unknown-capability", message, ["capabilities"])];
}
