/** From a name, a path or a NetworkAttachmentDefinition to a network's configuration (behaviour page, section 3). */

import { dirname } from "node:path";
import { parseNetworkConfig } from "../cni/config.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import type { NetworkConfigFiles } from "../cni/files.ts";
import { joinElements, joinMembers } from "../cni/json.ts";
import { adjustedConfig } from "../cni/kernel-failure.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import type { Kernels } from "../kernels/index.ts";
import type { Nad, NadSource } from "./nads.ts";
import type { Netconf } from "./netconf.ts";
import { passthruType } from "./passthru.ts";

/** A network that was found. */
export interface FoundNetwork {
  /** As it stands in network-status and in events: `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly network: NetworkConfigList;
  /** The value named a .conflist file. */
  readonly isChainFile: boolean;
}

/** What a selection changes in the configuration itself. */
export interface ConfigAdditions {
  /** Raw JSON object, merged into `args.cni` of every plugin. */
  readonly cniArgs?: Uint8Array | undefined;
  /** Set as `deviceID` and `pciBusID` of every plugin. */
  readonly deviceId?: string | undefined;
}

/** Told of a NetworkAttachmentDefinition that was looked for and is not there. */
export type OnMissingNad = (namespace: string, name: string) => void;

/** Configurations given in netconfs that are kept parsed: a node has one netconf, a changed one now and then. */
const inlineLimit = 64;

interface ParsedNad {
  readonly cniVersion: string;
  readonly network: NetworkConfigList;
}

/** Finds networks, and keeps what it parsed for as long as its source stays the same. */
export class NetworkCatalog {
  readonly #kernels: Kernels;
  readonly #files: NetworkConfigFiles;
  readonly #nads: NadSource | undefined;
  readonly #parsedNads = new WeakMap<Uint8Array, ParsedNad>();
  readonly #parsedInline = new Map<string, NetworkConfigList>();

  /** @param nads undefined: there is nothing to look NetworkAttachmentDefinitions up in */
  constructor(kernels: Kernels, files: NetworkConfigFiles, nads: NadSource | undefined) {
    this.#kernels = kernels;
    this.#files = files;
    this.#nads = nads;
  }

  /**
   * What `clusterNetwork` or an item of `defaultNetworks` names: a NetworkAttachmentDefinition of multusNamespace, else a
   * configuration of that name in confDir; with a slash, a directory or a file.
   * @param key of the netconf, for errors
   * @throws {CniError} 7 if there is no such network; whatever is wrong with its configuration
   */
  async named(value: string, key: string, netconf: Netconf, onMissing: OnMissingNad): Promise<FoundNetwork> {
    if (value.includes("/")) {
      const network = this.#files.loadPath(value);
      if (network === undefined) {
        throw new CniError(
          CniErrorCode.invalidNetworkConfig,
          `${key} ${value}: no .conf or .conflist in that directory`,
        );
      }
      return { name: network.name, network, isChainFile: value.endsWith(".conflist") };
    }
    const nad = await this.#nads?.get(netconf.multusNamespace, value);
    if (nad !== undefined) {
      return this.#ofNad(nad, netconf, {});
    }
    if (this.#nads !== undefined) {
      onMissing(netconf.multusNamespace, value);
    }
    const network = this.#files.findByName(netconf.confDir, value);
    if (network === undefined) {
      throw new CniError(
        CniErrorCode.invalidNetworkConfig,
        `${key} ${value}: neither a network-attachment-definition of namespace ${netconf.multusNamespace} nor the name of a configuration in ${netconf.confDir}`,
      );
    }
    return { name: network.name, network, isChainFile: false };
  }

  /**
   * The network of a NetworkAttachmentDefinition.
   * @throws {CniError} 7 if there is none of that name; whatever is wrong with its configuration
   */
  async selected(
    namespace: string,
    name: string,
    additions: ConfigAdditions,
    netconf: Netconf,
    onMissing: OnMissingNad,
  ): Promise<FoundNetwork> {
    const nad = await this.#nads?.get(namespace, name);
    if (nad === undefined) {
      onMissing(namespace, name);
      throw new CniError(
        CniErrorCode.invalidNetworkConfig,
        `there is no network-attachment-definition ${name} in namespace ${namespace}`,
      );
    }
    return this.#ofNad(nad, netconf, additions);
  }

  /** A configuration given in the netconf itself. @param index its place in `delegates` */
  inline(config: Uint8Array, index: number, netconf: Netconf): FoundNetwork {
    const key = `${netconf.cniVersion}\n${Buffer.from(config).toString("latin1")}`;
    let network = this.#parsedInline.get(key);
    if (network === undefined) {
      network = this.#parse(config, `delegates[${index}] of the netconf`, "", netconf);
      if (this.#parsedInline.size >= inlineLimit) {
        this.#parsedInline.clear();
      }
      this.#parsedInline.set(key, network);
    }
    return { name: network.name, network, isChainFile: false };
  }

  /**
   * The auxiliary chain: `passthru`, then the plugins of the subdirectory of that name beside the clusterNetwork file.
   * @returns undefined if the subdirectory is empty
   * @throws {CniError} 7 where clusterNetwork is no path
   */
  auxiliary(netconf: Netconf): FoundNetwork | undefined {
    const { auxiliaryCniChainName: name, clusterNetwork } = netconf;
    if (!clusterNetwork.includes("/")) {
      throw new CniError(
        CniErrorCode.invalidNetworkConfig,
        `auxiliaryCNIChainName ${name}: clusterNetwork has to be a path, as the chain is looked for beside it, but is "${clusterNetwork}"`,
      );
    }
    const plugins = this.#files.pluginsOf(dirname(clusterNetwork), name);
    if (plugins.length === 0) {
      return undefined;
    }
    const bytes = joinMembers([
      ["cniVersion", Buffer.from(JSON.stringify(netconf.cniVersion))],
      ["name", Buffer.from(JSON.stringify(name))],
      ["plugins", joinElements([Buffer.from(`{"type":"${passthruType}"}`), ...plugins])],
    ]);
    const network = this.#parse(bytes, `auxiliary chain ${name}`, name, netconf);
    return { name, network, isChainFile: true };
  }

  #ofNad(nad: Nad, netconf: Netconf, additions: ConfigAdditions): FoundNetwork {
    const name = `${nad.namespace}/${nad.name}`;
    const written = this.#writtenIn(nad, netconf);
    const { cniArgs, deviceId } = additions;
    if (cniArgs === undefined && deviceId === undefined) {
      return { name, network: written, isChainFile: false };
    }
    const where = `${nad.where} with what is selected for it`;
    const adjusted = adjustedConfig(this.#kernels, { config: written.bytes, cniArgs, deviceId }, where);
    return { name, network: this.#parse(adjusted, where, nad.name, netconf), isChainFile: false };
  }

  /** The configuration as the object has it, or the file that stands in for an empty one. */
  #writtenIn(nad: Nad, netconf: Netconf): NetworkConfigList {
    if (nad.config.length === 0) {
      const network = this.#files.findByName(netconf.confDir, nad.name);
      if (network === undefined) {
        throw new CniError(
          CniErrorCode.invalidNetworkConfig,
          `${nad.where}: spec.config is empty, and no configuration in ${netconf.confDir} has the name ${nad.name}`,
        );
      }
      return network;
    }
    const known = this.#parsedNads.get(nad.config);
    if (known !== undefined && known.cniVersion === netconf.cniVersion) {
      return known.network;
    }
    const network = this.#parse(nad.config, nad.where, nad.name, netconf);
    this.#parsedNads.set(nad.config, { cniVersion: netconf.cniVersion, network });
    return network;
  }

  #parse(bytes: Uint8Array, where: string, name: string, netconf: Netconf): NetworkConfigList {
    return parseNetworkConfig(bytes, where, this.#kernels, { name, cniVersion: netconf.cniVersion });
  }
}
