/** The words of libcni that several files of this room share. */

import type { PluginParts } from "../kernels/index.ts";

/** A network: what a .conflist says. A single configuration is a list of one. */
export interface NetworkConfigList {
  readonly name: string;
  /** The configuration's; where it names none, versionWhenMissing, until the plugins were asked (plugin-versions.ts). */
  readonly cniVersion: string;
  readonly saysVersion: boolean;
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly plugins: readonly PluginParts[];
  /** The whole configuration as JSON text (what the result cache keeps as `config`). */
  readonly bytes: Uint8Array;
  /** Written as a list (.conflist form) rather than as a single plugin. */
  readonly isList: boolean;
}

/** libcni's RuntimeConf: the attachment that a network is added for. */
export interface RuntimeConf {
  readonly containerId: string;
  /** Path of the network namespace, "" if it is gone. */
  readonly netns: string;
  readonly ifName: string;
  /** CNI_ARGS in order. */
  readonly args: readonly (readonly [string, string])[];
  /** Capability arguments: a JSON object as text; undefined if there are none. */
  readonly capabilityArgs: Uint8Array | undefined;
}
