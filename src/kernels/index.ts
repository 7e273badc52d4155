/** The WebAssembly kernels as typed functions: the one place that knows pointers into multus.wasm. */

export { KernelError } from "./error.ts";

/** One plugin object of a configuration. */
export interface PluginParts {
  /** `type`, decoded. Empty if missing. */
  readonly type: string;
  /** The plugin's JSON object as written (a view into the input). */
  readonly bytes: Uint8Array;
  /** Names in `capabilities` whose value is true, decoded. */
  readonly capabilities: readonly string[];
  /** `ipam.type`, decoded; empty if missing. */
  readonly ipamType: string;
}

/**
 * A network configuration, single (`type` present) or list, taken apart without turning it into objects. A field that is null counts
 * as missing; of duplicate keys the last one counts. Keys may be in any case: one that is written exactly as here goes before the others.
 */
export interface ConfigParts {
  /** A list: there is no top-level `type`, or it is empty. */
  readonly isList: boolean;
  readonly name: string;
  /** As written; of a list with `cniVersions` the highest of both that is not above 1.1.0, as libcni picks it. */
  readonly cniVersion: string;
  /** The three of a list, true or "true" in any case; false for a single configuration. */
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly loadOnlyInlinedPlugins: boolean;
  /** The one plugin of a single configuration (its bytes are the input without blanks around it), or those of `plugins`, at most 1024. */
  readonly plugins: readonly PluginParts[];
}

/** The parts of one plugin's stdin. All byte inputs are JSON text. */
export interface MergeInput {
  /** The plugin's configuration object as written. */
  readonly plugin: Uint8Array;
  /** Network name; replaces the object's `name`. A key in another case stays, before it. */
  readonly name: string;
  /** Network version; replaces the object's `cniVersion`. */
  readonly cniVersion: string;
  /** JSON object set as `prevResult`. */
  readonly prevResult?: Uint8Array | undefined;
  /** JSON object with all capability arguments; only keys that the plugin's own `capabilities` says true to are set as `runtimeConfig`. */
  readonly runtimeConfig?: Uint8Array | undefined;
  /** JSON array set as `cni.dev/valid-attachments` and `cni.dev/attachments` (GC). */
  readonly validAttachments?: Uint8Array | undefined;
}

/** Members that are set in every plugin of a configuration before it goes into the plan. */
export interface AdjustInput {
  /** Single configuration or list. */
  readonly config: Uint8Array;
  /** Fills a missing or empty top-level `name`. */
  readonly defaultName?: string | undefined;
  /** JSON object merged into `args.cni` of every plugin; its keys win. */
  readonly cniArgs?: Uint8Array | undefined;
  /** Set as `deviceID` and `pciBusID` of every plugin. */
  readonly deviceId?: string | undefined;
}

/** How a result is checked and converted. */
export interface ConvertInput {
  /** A plugin's stdout or a cached result. Empty, white space or `null`: an empty result. */
  readonly result: Uint8Array;
  /** Version taken where the result has no `cniVersion`. */
  readonly configVersion: string;
  /** Version of the output: 0.1.0 … 1.1.0. undefined: that of the result. */
  readonly targetVersion: string | undefined;
  /** Edits of default routes (0.0.0.0/0, ::/0). */
  readonly defaultRoutes?:
    | {
        readonly removeIPv4: boolean;
        readonly removeIPv6: boolean;
        /** Gateways (IPv4 or IPv6 text) of default routes to add. */
        readonly add: readonly string[];
      }
    | undefined;
}

/** One delegate's part of network-status. */
export interface StatusInput {
  /** `namespace/nad`, or the configuration's name. */
  readonly name: string;
  /** The cluster network: `default` is true. */
  readonly isDefault: boolean;
  /** The interface asked for, which a result that lists none of the pod's (always so with 0.1.0 and 0.2.0) is about. */
  readonly ifName: string;
  /** Its result, any spec version. */
  readonly result: Uint8Array;
  /** JSON object set as `device-info`. */
  readonly deviceInfo?: Uint8Array | undefined;
}

/** A result's interfaces and addresses, for events. */
export interface ResultOutline {
  /** It lists at least one interface or address: a plugin that does neither made no attachment of its own. */
  readonly isAttachment: boolean;
  /** CIDRs as they are written, decoded; of a 0.1.0 or 0.2.0 result IPv4 first. */
  readonly addresses: readonly string[];
}

/**
 * All kernels of one wasm instance. Not re-entrant, synchronous. Returned bytes are copies owned by the caller. An input may have 4 MiB
 * and 10,000 levels. All throw KernelError for inputs that are not JSON or not of the right shape.
 */
export interface Kernels {
  splitConfig(config: Uint8Array): ConfigParts;
  /** Gives back the same bytes where there is nothing to set. */
  adjustConfig(input: AdjustInput): Uint8Array;
  mergeConfig(input: MergeInput): Uint8Array;
  convertResult(input: ConvertInput): Uint8Array;
  /** @param result any spec version; empty, white space or `null`: an empty result */
  outlineResult(result: Uint8Array): ResultOutline;
  /**
   * The list as Go multus lays it out, a value a line and four blanks a level; in one line where that would be longer than `longest` bytes.
   * @param longest bytes; 0: in one line
   */
  networkStatus(inputs: readonly StatusInput[], longest: number): Uint8Array;
}
