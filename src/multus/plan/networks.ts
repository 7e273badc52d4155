/** From a name, a path or a NetworkAttachmentDefinition to a network's configuration (docs/behaviour.md, "From a name to a network"). */

import { dirname } from "node:path";
import { ExpectedError, textError } from "../../base/input-error.ts";
import { joinElements, joinMembers } from "../../base/json.ts";
import type { LargeTurns } from "../../base/large-work.ts";
import { parseNetworkConfig } from "../../cni/config.ts";
import { CniError, CniErrorCode, cniErrorOf, configError } from "../../cni/errors.ts";
import type { NetworkConfigFiles } from "../../cni/files.ts";
import { adjustedConfig } from "../../cni/kernel-failure.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import type { AdjustInput, Kernels } from "../../kernels/index.ts";
import { bounded, quoted } from "../../log/quoted.ts";
import type { Netconf } from "../input/netconf.ts";
import { checkCniArgs } from "../input/sizes.ts";
import { resourceNameAnnotation } from "./devices.ts";
import { adviceAboutMissing } from "./missing-nad.ts";
import { type Nad, type NadName, type NadSource, nadConfigProblem } from "./nads.ts";
import { memoryOf, type ParsedNetwork, ParsedNetworks } from "./parsed-networks.ts";
import { passthruType } from "./passthru.ts";

export interface FoundNetwork {
  /** As it stands in network-status and in events: `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly network: NetworkConfigList;
  /** The value named a .conflist file. */
  readonly isChainFile: boolean;
  /** Names its source in errors: a NetworkAttachmentDefinition, a key of the netconf. */
  readonly where: string;
  /** The resource of which each attachment gets a device, as the NetworkAttachmentDefinition's annotation names it; undefined: none. */
  readonly wantedResource?: string | undefined;
}

/** Where NetworkAttachmentDefinitions are looked up, and who is told of those that are no use. */
export interface ReportedNads {
  /** undefined: there is nothing to look them up in. */
  readonly source: NadSource | undefined;
  /** Told of one that was looked for and is not there, and for which no file stands. @param advice which one may be meant, "" where none is near */
  onMissing(namespace: string, name: string, advice: string): void;
  /** Told of one that is there and cannot be used; the error's text names it. */
  onInvalid(problem: ExpectedError): void;
  /** Told of one that is broken, and in whose place a file of the node is used; the error's text names both. */
  onPassedOver(problem: ExpectedError): void;
  /** Does what is to be done with large ones when it is their turn. It throws where nobody is left who wants the networks. */
  readonly largeWork: Pick<LargeTurns, "run">;
}

/** Codes of problems of a NetworkAttachmentDefinition itself; other codes are about the access to it, or are for the runtime to retry. */
const nadProblems: readonly number[] = [
  CniErrorCode.incompatibleVersion,
  CniErrorCode.unsupportedField,
  CniErrorCode.decodingFailure,
  CniErrorCode.invalidNetworkConfig,
];

/**
 * Of these, what makes a definition broken: it is no JSON, or no network configuration. A version that is not supported is not among them: such a definition is whole, and
 * another network in its place would be a surprise.
 */
const brokenNad: readonly number[] = [CniErrorCode.decodingFailure, CniErrorCode.invalidNetworkConfig];

/** Bytes of memory for configurations given in netconfs: a node has one netconf, a changed one now and then. */
const inlineRoom = 4 * 1024 * 1024;

interface ParsedNad {
  /** The inputs of the parse beside its text. */
  readonly where: string;
  readonly network: ParsedNetwork;
}

/**
 * The node's own files belong to its administrator. With namespaceIsolation an author of definitions in any other namespace reaches none of them by giving an empty
 * definition the name of one.
 */
function mayStandForFile({ namespace }: Nad, netconf: Netconf): boolean {
  const { namespaceIsolation, multusNamespace, nonIsolatedNamespaces } = netconf;
  return !namespaceIsolation || namespace === multusNamespace || nonIsolatedNamespaces.includes(namespace);
}

/** Tells of what is wrong with a definition itself. @returns the error */
function reported(error: unknown, { onInvalid }: ReportedNads): unknown {
  const known = cniErrorOf(error);
  if (known !== undefined && nadProblems.includes(known.code)) onInvalid(known);
  return error;
}

/** Which definition may be meant by the name of one that does not exist. With namespaceIsolation those of namespaces that are closed to the pod are not named. */
async function adviceFor(
  source: NadSource | undefined,
  missing: NadName,
  { namespaceIsolation, nonIsolatedNamespaces }: Netconf,
): Promise<string> {
  const known = (await source?.names?.().catch(() => [])) ?? [];
  const mayUse = (namespace: string) => !namespaceIsolation || nonIsolatedNamespaces.includes(namespace);
  return adviceAboutMissing(known, missing, mayUse);
}

/** Finds networks, and keeps what it parsed for as long as its source stays the same. */
export class NetworkCatalog {
  readonly #kernels: Kernels;
  readonly #files: NetworkConfigFiles;
  readonly #parsedNads = new ParsedNetworks<Uint8Array, ParsedNad>();
  readonly #parsedInline = new ParsedNetworks<string, NetworkConfigList>(inlineRoom);

  constructor(kernels: Kernels, files: NetworkConfigFiles) {
    this.#kernels = kernels;
    this.#files = files;
  }

  /**
   * Finds the network that `clusterNetwork` or an item of `defaultNetworks` names: a NetworkAttachmentDefinition of multusNamespace; a configuration of that name in confDir where there is none, or it
   * is broken; with a slash, a directory or a file.
   * @param key of the netconf, for errors
   * @throws {CniError} 7 if there is no such network; whatever is wrong with its configuration; 11 where nobody can say whether there is a
   *   NetworkAttachmentDefinition: a file of that name may be another network
   */
  async named(value: string, key: string, netconf: Netconf, nads: ReportedNads): Promise<FoundNetwork> {
    const where = `${key} ${bounded(value)}`;
    if (value.includes("/")) {
      const found = this.#atPath(value, key);
      if (found === undefined) {
        throw configError(
          `${where}: there is no such file, nor a directory of that name with a .conf or .conflist`,
        );
      }
      return found;
    }
    const { multusNamespace, confDir } = netconf;
    let broken: CniError | undefined;
    try {
      const found = await this.#nad(nads, multusNamespace, value, netconf, undefined);
      if (found !== undefined) return found;
    } catch (error) {
      // Where nobody can say whether there is one, a file of that name may be another network.
      broken = cniErrorOf(error);
      if (broken === undefined || !brokenNad.includes(broken.code)) throw reported(error, nads);
    }
    const network = this.#inPlaceOf(broken, confDir, value, nads);
    if (network === undefined) {
      if (nads.source !== undefined) nads.onMissing(multusNamespace, value, "");
      throw configError(
        `${where}: neither a network-attachment-definition of namespace ${netconf.multusNamespace} nor the name of a configuration in ${netconf.confDir}`,
      );
    }
    return { name: network.name, network, isChainFile: false, where };
  }

  /** The file for a name. @param broken the definition of that name, which is told of @throws {CniError} that, where no file can stand for it; what is wrong with files */
  #inPlaceOf(
    broken: CniError | undefined,
    confDir: string,
    name: string,
    nads: ReportedNads,
  ): NetworkConfigList | undefined {
    if (broken === undefined) return this.#files.findByName(confDir, name);
    let network: NetworkConfigList | undefined;
    try {
      network = this.#files.findByName(confDir, name);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
    }
    if (network === undefined) throw reported(broken, nads);
    const message = `${broken.message}; the file of ${confDir} with the name ${name} is used instead`;
    nads.onPassedOver(new CniError(broken.code, message, "", { cause: broken }));
    return network;
  }

  /**
   * The network of a NetworkAttachmentDefinition.
   * @param cniArgs of the selection, a raw JSON object, which is merged into `args.cni` of every plugin; undefined: none
   * @throws {CniError} 7 if there is none of that name; whatever is wrong with its configuration
   */
  async selected(
    namespace: string,
    name: string,
    cniArgs: Uint8Array | undefined,
    netconf: Netconf,
    nads: ReportedNads,
  ): Promise<FoundNetwork> {
    let found: FoundNetwork | undefined;
    try {
      found = await this.#nad(nads, namespace, name, netconf, cniArgs);
    } catch (error) {
      throw reported(error, nads);
    }
    if (found === undefined) {
      const advice = await adviceFor(nads.source, { namespace, name }, netconf);
      if (nads.source !== undefined) nads.onMissing(namespace, name, advice);
      const problem = `there is no network-attachment-definition ${name} in namespace ${namespace}`;
      throw configError(advice === "" ? problem : `${problem}: ${advice}`);
    }
    return found;
  }

  /** The networks that a netconf names by a path or has in itself, as far as they can be used now. */
  atHand(netconf: Netconf): FoundNetwork[] {
    const { clusterNetwork, delegates } = netconf;
    const found: FoundNetwork[] = [];
    const add = (make: () => FoundNetwork | undefined) => {
      try {
        const network = make();
        if (network !== undefined) found.push(network);
      } catch (error) {
        if (!(error instanceof ExpectedError)) throw error;
      }
    };
    if (clusterNetwork.includes("/")) add(() => this.#atPath(clusterNetwork, "clusterNetwork"));
    for (const [index, config] of delegates.entries()) add(() => this.inline(config, index));
    return found;
  }

  /** @returns undefined if there is no such file, or no network in a directory of that name */
  #atPath(path: string, key: string): FoundNetwork | undefined {
    const network = this.#files.loadPath(path);
    const isChainFile = path.endsWith(".conflist");
    return network && { name: network.name, network, isChainFile, where: `${key} ${bounded(path)}` };
  }

  /** A configuration given in the netconf itself. @param index its place in `delegates` */
  inline(config: Uint8Array, index: number): FoundNetwork {
    const key = Buffer.from(config).toString("latin1");
    const where = `delegates[${index}] of the netconf`;
    let network = this.#parsedInline.get(key);
    if (network === undefined) {
      network = this.#parse(config, where, "");
      this.#parsedInline.set(key, network, memoryOf(network, key.length));
    }
    return { name: network.name, network, isChainFile: false, where };
  }

  /**
   * The auxiliary chain: `passthru`, then the plugins of the subdirectory of that name beside the clusterNetwork file.
   * @returns undefined if the subdirectory is empty
   * @throws {CniError} 7 where clusterNetwork is no path
   */
  auxiliary(netconf: Netconf): FoundNetwork | undefined {
    const { auxiliaryCniChainName: name, clusterNetwork } = netconf;
    if (!clusterNetwork.includes("/")) {
      throw configError(
        `auxiliaryCNIChainName ${bounded(name)}: clusterNetwork has to be a path, as the chain is looked for beside it, but is ${quoted(clusterNetwork)}`,
      );
    }
    const plugins = this.#files.pluginsOf(dirname(clusterNetwork), name);
    if (plugins.length === 0) return undefined;
    const bytes = joinMembers([
      ...(netconf.cniVersion === ""
        ? []
        : ([["cniVersion", Buffer.from(JSON.stringify(netconf.cniVersion))]] as const)),
      ["name", Buffer.from(JSON.stringify(name))],
      ["plugins", joinElements([Buffer.from(`{"type":"${passthruType}"}`), ...plugins])],
    ]);
    const where = `auxiliary chain ${name}`;
    const network = this.#parse(bytes, where, name);
    return { name, network, isChainFile: true, where };
  }

  /** @returns undefined if there is none */
  async #nad(
    { source, largeWork }: ReportedNads,
    namespace: string,
    name: string,
    netconf: Netconf,
    cniArgs: Uint8Array | undefined,
  ): Promise<FoundNetwork | undefined> {
    if (source === undefined) return undefined;
    const nad = await source.get(namespace, name);
    if (nad === undefined) return undefined;
    const length = nad.config.length + (cniArgs?.length ?? 0);
    return await largeWork.run(length, () => this.#ofNad(nad, netconf, cniArgs));
  }

  #ofNad(nad: Nad, netconf: Netconf, cniArgs: Uint8Array | undefined): FoundNetwork {
    const name = `${nad.namespace}/${nad.name}`;
    const network = this.#writtenIn(nad, netconf);
    // An empty one names none, as in Go multus.
    const wantedResource = nad.annotations[resourceNameAnnotation] || undefined;
    const found = { name, network, isChainFile: false, where: nad.where, wantedResource };
    if (cniArgs === undefined) return found;
    const where = `${nad.where} with what is selected for it`;
    checkCniArgs(network, cniArgs, where);
    return { ...found, network: this.#adjusted(network, { cniArgs }, where), where };
  }

  /**
   * A network with a device: `deviceID` and `pciBusID` of every plugin name it.
   * @param where names the network in errors
   * @throws {CniError} 7 where it does not go into the configuration
   */
  withDevice(network: NetworkConfigList, deviceId: string, where: string): NetworkConfigList {
    return this.#adjusted(network, { deviceId }, `${where} with device ${bounded(deviceId)}`);
  }

  #adjusted(
    { name, bytes }: NetworkConfigList,
    additions: Omit<AdjustInput, "config">,
    where: string,
  ): NetworkConfigList {
    return this.#parse(adjustedConfig(this.#kernels, { config: bytes, ...additions }, where), where, name);
  }

  /** The configuration as the object has it, or the file that stands in for an empty one. */
  #writtenIn(nad: Nad, netconf: Netconf): NetworkConfigList {
    if (nad.config.length === 0) return this.#standIn(nad, netconf);
    const { config, where } = nad;
    let parsed = this.#parsedNads.get(config);
    if (parsed === undefined || parsed.where !== where) {
      parsed = { where, network: this.#parseNad(nad) };
      this.#parsedNads.set(config, parsed, memoryOf(parsed.network, config.length));
    }
    if (parsed.network instanceof ExpectedError) throw parsed.network;
    return parsed.network;
  }

  /** An object with an error in it is as much work as one without, and as many pods may name it. */
  #parseNad({ config, where, name }: Nad): NetworkConfigList | ExpectedError {
    const problem = nadConfigProblem(config.length);
    if (problem !== undefined) return textError("content", where, [{ message: problem }]);
    try {
      return this.#parse(config, where, name);
    } catch (error) {
      if (error instanceof ExpectedError) return error;
      throw error;
    }
  }

  /** The file for an object with an empty spec. Its state on disk may change, so it is looked for each time. */
  #standIn(nad: Nad, netconf: Netconf): NetworkConfigList {
    const { confDir } = netconf;
    const refuse = (code: number, what: string, options?: ErrorOptions) =>
      new CniError(code, `${nad.where}: spec.config is empty, and ${what}`, "", options);
    if (!mayStandForFile(nad, netconf)) {
      throw refuse(
        CniErrorCode.invalidNetworkConfig,
        `namespace isolation is on: only definitions of ${netconf.multusNamespace} (multusNamespace) and of globalNamespaces stand for files of the node`,
      );
    }
    let network: NetworkConfigList | undefined;
    try {
      network = this.#files.findByName(confDir, nad.name);
    } catch (error) {
      const known = cniErrorOf(error);
      throw known === undefined ? error : refuse(known.code, known.message, { cause: error });
    }
    if (network === undefined) {
      throw refuse(
        CniErrorCode.invalidNetworkConfig,
        `no configuration in ${confDir} has the name ${nad.name}`,
      );
    }
    return network;
  }

  #parse(bytes: Uint8Array, where: string, name: string): NetworkConfigList {
    return parseNetworkConfig(bytes, where, this.#kernels, { name });
  }
}
