/** The interface that carries out an attachment's steps, and its answers. Code above it calls an Executor and does not know whether a process, a netlink message or a test is behind it. */

/**
 * A network namespace as it was when its path was recorded: `bootId` of the boot, `device` and `inode` of the file (stat(2)), `cookie` of the namespace (SO_NETNS_COOKIE). Each number has
 * up to 64 bits.
 */
export interface NetnsIdentity {
  readonly bootId: string;
  readonly device: bigint;
  readonly inode: bigint;
  readonly cookie: bigint;
}

/** The turn of an order among those of the same executor: a run of a plugin, or links that are made or removed. */
export interface OrderTurn {
  /** Names this order for `after` of a later one. Each is of one order. */
  readonly token?: symbol | undefined;
  /**
   * Token of an order that was given to the same executor before: this one is carried out when that one has succeeded (a plugin: with exit code 0), and has its time from then on. Where that
   * one ends otherwise, or never was, this order fails with code "not-started".
   */
  readonly after?: symbol | undefined;
}

/** One run of a CNI plugin. */
export interface PluginRun extends OrderTurn {
  /** File name of the plugin, without a slash. */
  readonly plugin: string;
  /** Colon separated directories to search. */
  readonly path: string;
  /** CNI_ variables (and others) set over the runtime's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  /** Milliseconds; 0: none. */
  readonly timeoutMs: number;
  /** Do not start the plugin if this link is there: fails with code "link-exists". */
  readonly absentLink?: { readonly netns: string; readonly ifName: string } | undefined;
  /**
   * Do not start the plugin if its file is in this state: the outcome has the same `fileState` then, and says nothing else. "" for a file that is not known yet;
   * undefined: the state does not matter.
   */
  readonly fileState?: string | undefined;
  /**
   * Of a DEL: the plugin gets CNI_NETNS only while that path leads to this namespace and no process runs in it. Otherwise it finds CNI_NETNS empty. undefined: CNI_NETNS is what the
   * runtime's call says.
   */
  readonly leftNetns?: NetnsIdentity | undefined;
}

/** A plugin that ran to its end, whatever it says. */
export interface PluginOutcome {
  /** Exit code; 128 + signal if a signal ended it. */
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  /** The last bytes of stderr, text. */
  readonly stderrTail: string;
  /** Spawn to exit. */
  readonly milliseconds: number;
  /** In which state the plugin's file is, a text that differs whenever the file may; undefined: not asked, or it is changing at this moment. */
  readonly fileState?: string | undefined;
}

export type ExecutorErrorCode =
  | "not-found"
  | "refused"
  | "link-exists"
  /** Links that the other end cannot make or remove by itself, as something is not as expected: nothing is done, the plugins have to be run. */
  | "unsuited"
  | "netns"
  | "spawn"
  | "timeout"
  | "too-large"
  /** The order that it was to be carried out after has not succeeded: nothing of it was done. */
  | "not-started"
  | "failed"
  /** The other end went away: nothing more can be run for this request. */
  | "gone";

/** An order that was not carried out. */
export class ExecutorError extends Error {
  override readonly name = "ExecutorError";
  readonly code: ExecutorErrorCode;
  /** With code "gone": the other end never had the order as a whole, so that nothing of it was done. */
  readonly neverArrived: boolean;

  constructor(code: ExecutorErrorCode, message: string, { neverArrived = false } = {}) {
    super(message);
    this.code = code;
    this.neverArrived = neverArrived;
  }
}

/** A link that should be in a namespace. */
export interface ExpectedLink {
  readonly ifName: string;
  /** Addresses that it should have, as text, without a prefix length or a zone. At most mostAddressesOfLink. */
  readonly addresses: readonly string[];
}

/** A link as it is. */
export interface LinkState {
  readonly exists: boolean;
  /** Its hardware address; empty: it has none, or is not there, or the other end cannot tell. */
  readonly mac: Uint8Array;
  /** Those of the addresses asked about that it does not have; empty where it is not there. */
  readonly absent: readonly string[];
}

/** Addresses of a network are bytes in network order, 4 or 16 of them; a prefix is its length in bits. */

/** A range of host-local: its addresses, both ends included, without the gateway. */
export interface AddressRange {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
  readonly gateway?: Uint8Array | undefined;
  readonly prefix: number;
}

/** A range set of host-local, which gives one address. */
export interface AddressSet {
  /** This address and no other one. */
  readonly requested?: Uint8Array | undefined;
  /** At most mostRanges. */
  readonly ranges: readonly AddressRange[];
}

export interface LinkAddress {
  readonly address: Uint8Array;
  readonly prefix: number;
  readonly gateway?: Uint8Array | undefined;
}

export interface LinkRoute {
  readonly destination: Uint8Array;
  readonly prefix: number;
  /** undefined: the first gateway of that family, if the link's addresses have one. */
  readonly gateway?: Uint8Array | undefined;
  /** undefined: as the kernel has it. */
  readonly metric?: number | undefined;
}

export type LinkKind = "bridge" | "macvlan" | "ptp";

/** A setting of the link itself: `net/<table>/<link>/<name>` below /proc/sys. */
export interface LinkSetting {
  readonly table: "ipv4/conf" | "ipv6/conf" | "ipv4/neigh" | "ipv6/neigh";
  readonly name: string;
  /** 1 to 63 bytes. */
  readonly value: string;
  /** The plugin tuning makes it, when the rest is done: it has to succeed. Any other one is made before the link has addresses, as far as the kernel has it. */
  readonly isTuning: boolean;
}

/** Changes of a link, as the plugin tuning makes them; undefined and 0 change nothing. */
export interface LinkTuning {
  /** 6 bytes. */
  readonly mac?: Uint8Array | undefined;
  readonly mtu: number;
  readonly queueLength?: number | undefined;
  /** IFF_PROMISC and IFF_ALLMULTI of the kernel: those of `changedFlags` become as in `flags`. */
  readonly flags: number;
  readonly changedFlags: number;
}

/** An interface that the other end makes as the plugin of that name would, with host-local or static (docs/wire.md, ATTACH_LINKS). */
export interface NativeLink {
  readonly ifName: string;
  readonly kind: LinkKind;
  /** The bridge; the master of a macvlan; undefined for a ptp. */
  readonly parent?: string | undefined;
  /** 6 bytes. */
  readonly mac?: Uint8Array | undefined;
  /** Bytes; 0: as the plugin does without `mtu`. */
  readonly mtu: number;
  /** Of a macvlan: MACVLAN_MODE_* of the kernel; else 0. */
  readonly mode: number;
  /** Of a macvlan: `bcqueuelen`, 0: none. */
  readonly queueLength: number;
  /** The following ones of a bridge only. */
  readonly hairpin: boolean;
  readonly isolated: boolean;
  readonly promiscuous: boolean;
  readonly isGateway: boolean;
  /** Of host-local's address files for this network, absolute; undefined without `sets`. */
  readonly directory?: string | undefined;
  /** Range sets of host-local in their order, at most mostSets. */
  readonly sets: readonly AddressSet[];
  /** Addresses of static, at most mostAddressesOfLink. Without `sets` and `addresses`, the link is only set up. */
  readonly addresses: readonly LinkAddress[];
  /** At most mostRoutes. */
  readonly routes: readonly LinkRoute[];
  /** At most mostSettings. */
  readonly settings: readonly LinkSetting[];
  /** undefined: there is no plugin tuning in the chain. */
  readonly tuning?: LinkTuning | undefined;
  /** Of tuning's backup files, absolute; undefined where `tuning` changes nothing. */
  readonly backups?: string | undefined;
}

/** A plugin whose work is done natively, only if its file is in this state. */
export interface PluginFile {
  /** File name of the plugin, without a slash. */
  readonly plugin: string;
  /** Colon separated directories to search. */
  readonly path: string;
  /** As in an outcome. */
  readonly fileState: string;
}

/** An interface that was made. */
export interface MadeLink {
  /** As it was before `tuning`. */
  readonly mac: Uint8Array;
  /** Of its sets in their order, then its own `addresses`. */
  readonly addresses: readonly LinkAddress[];
  /** How long it took. */
  readonly milliseconds: number;
  /** Of a veth: its other end, and the MAC address of that; "" and empty for a macvlan. */
  readonly hostName: string;
  readonly hostMac: Uint8Array;
  /** MAC address of the bridge; empty for others. */
  readonly parentMac: Uint8Array;
}

/** An interface to be removed. */
export interface DetachedLink {
  readonly ifName: string;
  readonly kind: LinkKind;
  /** Of its ADD's result. */
  readonly mac?: Uint8Array | undefined;
  /** Of host-local's address files for this network, absolute. */
  readonly directory?: string | undefined;
  /** Of tuning's backup files, absolute. */
  readonly backups?: string | undefined;
}

/** Bounds of ATTACH_LINKS and DETACH_LINKS: links of an order, range sets of a link, ranges of a set, routes and settings of a link (docs/wire.md). */
export const mostNativeLinks = 64;
export const mostSets = 16;
export const mostRanges = 16;
export const mostRoutes = 256;
export const mostSettings = 64;

/** Links that are asked about in one order, and addresses of each of them (docs/wire.md, LINK_STATES). */
export const mostLinks = 1024;
export const mostAddressesOfLink = 64;

export interface Executor {
  /** Runs a plugin. @throws {ExecutorError} where it was not run to its end. A non-zero exit is not an error here. */
  runPlugin(run: PluginRun): Promise<PluginOutcome>;
  /** Is there a link `ifName` in the namespace at path `netns`? @throws {ExecutorError} */
  linkExists(netns: string, ifName: string): Promise<boolean>;
  /**
   * Looks at links of the namespace at path `netns`, in one order.
   * @param links at most mostLinks
   * @returns what each is like, in the same order
   * @throws {ExecutorError}
   */
  linkStates(netns: string, links: readonly ExpectedLink[]): Promise<readonly LinkState[]>;
  /** Removes the default routes of the families (4, 6) through `ifName`, whatever their metric, then adds one per gateway. @throws {ExecutorError} */
  setDefaultRoutes(
    netns: string,
    ifName: string,
    clear: readonly (4 | 6)[],
    gateways: readonly string[],
  ): Promise<void>;
  /**
   * Makes interfaces in the namespace at path `netns` as their plugins would, in one order: all of them, or none.
   * @param plugins whose files have to be in these states
   * @param links at most mostNativeLinks, of different names
   * @param turn undefined: now
   * @returns what was made, in the same order
   * @throws {ExecutorError} "unsuited": something is not as expected, and the plugins have to be run; "link-exists": one of the names is taken. Nothing is left in either case, nor with any
   * other code but "gone" and "timeout"
   */
  attachLinks(
    netns: string,
    plugins: readonly PluginFile[],
    links: readonly NativeLink[],
    turn?: OrderTurn,
  ): Promise<readonly MadeLink[]>;
  /**
   * Removes interfaces in the namespace at path `netns`, then the container's address files for them, in one order. Absent ones are no error.
   * @param netns "": only the files
   * @param links at most mostNativeLinks
   * @param turn undefined: now
   * @throws {ExecutorError} "unsuited": an interface of such a name is of another kind; nothing was removed
   */
  detachLinks(netns: string, links: readonly DetachedLink[], turn?: OrderTurn): Promise<void>;
}
