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

/** One run of a CNI plugin. */
export interface PluginRun {
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
  | "netns"
  | "spawn"
  | "timeout"
  | "too-large"
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
}
