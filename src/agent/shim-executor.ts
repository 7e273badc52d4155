/** An Executor whose orders are carried out by a shim or an agent at the other end of a stream. */

import { EarlierOrders } from "./earlier-orders.ts";
import {
  type DetachedLink,
  type Executor,
  ExecutorError,
  type ExpectedLink,
  type LinkAddress,
  type LinkState,
  type MadeLink,
  type NativeLink,
  type OrderTurn,
  type PluginFile,
  type PluginOutcome,
  type PluginRun,
} from "./executor.ts";
import type { Fields } from "./frame-fields.ts";
import { FrameError, FrameType } from "./frames.ts";
import type { Order, Orders } from "./orders.ts";
import { allowedPath } from "./plugin-variables.ts";

/**
 * Beyond what the shim itself allows: SIGTERM, 2 s, SIGKILL, and orders that wait behind others (docs/wire.md). Only a shim that hangs
 * is met by these.
 */
const beyondTimeoutMs = 30_000;
/** Orders that are a few system calls, once their turn comes. */
const shortOrderMs = 60_000;

const nothing = new Uint8Array();

/** Milliseconds for an order and for the one that it waits for; 0: without end. */
function patienceAfter(before: SentOrder | undefined, ownMs: number): number {
  if (before === undefined) return ownMs;
  return before.patienceMs === 0 ? 0 : before.patienceMs + ownMs;
}

/** A shim refuses the orders that it does not know, and says so (docs/wire.md). */
function isUnknownOrder(error: unknown): boolean {
  return (
    error instanceof ExecutorError && error.code === "refused" && error.message.startsWith("unknown order")
  );
}

/** @throws {FrameError} an answer about other links, or about addresses that were not asked about */
function readLinkStates(answer: Fields, links: readonly ExpectedLink[]): LinkState[] {
  const states = answer.maps("links");
  if (states.length !== links.length) {
    throw new FrameError(
      "field",
      `DONE of LINK_STATES tells of ${states.length} links, not of ${links.length}`,
    );
  }
  return links.map(({ ifName, addresses }, index) => {
    const state = states[index];
    if (state?.boolean("exists") !== true) return { exists: false, mac: nothing, absent: [] };
    const absent = state.unsignedList("absent").map((place) => {
      const address = addresses[place];
      if (address !== undefined) return address;
      throw new FrameError(
        "field",
        `DONE of LINK_STATES tells of address ${place} of ${ifName}, which has no such`,
      );
    });
    return { exists: true, mac: state.bytes("mac"), absent };
  });
}

/** @throws {FrameError} bytes of another length */
function bytesOfLength(fields: Fields, name: string, lengths: readonly number[]): Uint8Array {
  const bytes = fields.bytes(name);
  if (lengths.includes(bytes.length)) return Uint8Array.from(bytes);
  throw new FrameError(
    "field",
    `DONE of ATTACH_LINKS: field ${name} has ${bytes.length} bytes, not ${lengths.join(" or ")}`,
  );
}

const addressLengths = [4, 16];
const macLengths = [6];

/** @throws {FrameError} */
function readLinkAddress(fields: Fields): LinkAddress {
  const address = bytesOfLength(fields, "address", addressLengths);
  const prefix = fields.unsigned("prefix");
  if (prefix > address.length * 8) {
    throw new FrameError("field", `DONE of ATTACH_LINKS: a prefix of ${prefix} bits`);
  }
  const gateway = fields.has("gateway") ? bytesOfLength(fields, "gateway", [address.length]) : undefined;
  return { address, prefix, gateway };
}

/** @throws {FrameError} an answer about other links */
function readMadeLinks(answer: Fields, links: readonly NativeLink[]): MadeLink[] {
  const made = answer.maps("links");
  if (made.length !== links.length) {
    throw new FrameError(
      "field",
      `DONE of ATTACH_LINKS tells of ${made.length} links, not of ${links.length}`,
    );
  }
  return made.map((link, index) => {
    const kind = links[index]?.kind;
    const isVeth = kind === "bridge" || kind === "ptp";
    return {
      mac: bytesOfLength(link, "mac", macLengths),
      addresses: link.maps("addresses").map(readLinkAddress),
      milliseconds: link.unsigned("micros") / 1000,
      hostName: isVeth ? link.text("hostName") : "",
      hostMac: isVeth ? bytesOfLength(link, "hostMac", macLengths) : nothing,
      parentMac: kind === "bridge" ? bytesOfLength(link, "parentMac", macLengths) : nothing,
    };
  });
}

/** An order that was sent, as later ones name it. */
interface SentOrder {
  /** Of the order. */
  readonly id: number;
  /** Milliseconds after which this side gives up on it; 0: never. */
  readonly patienceMs: number;
}

/** Which orders the other end carries out after an earlier one: it says so itself (docs/wire.md, HELLO). Others are ordered when the earlier one has succeeded. */
export interface OrdersAfter {
  /** EXEC, after another EXEC. */
  readonly startsAfter?: boolean;
  /** ATTACH_LINKS and DETACH_LINKS too, and EXEC after them. */
  readonly linksAfter?: boolean;
}

export class ShimExecutor implements Executor {
  readonly #orders: Orders;
  readonly #directories: readonly string[] | undefined;
  readonly #startsAfter: boolean;
  readonly #linksAfter: boolean;
  readonly #earlier = new EarlierOrders();
  /** Those that later ones may name. */
  readonly #sent = new Map<symbol, SentOrder>();

  /**
   * @param orders of the stream to the shim
   * @param directories that plugins may be in, as far as they are known: others are left out of CNI_PATH, with which the order would be refused
   * @param after undefined: none
   */
  constructor(
    orders: Orders,
    directories?: readonly string[],
    { startsAfter = false, linksAfter = false }: OrdersAfter = {},
  ) {
    this.#orders = orders;
    this.#directories = directories;
    this.#startsAfter = startsAfter;
    this.#linksAfter = linksAfter;
  }

  runPlugin(run: PluginRun): Promise<PluginOutcome> {
    const outcome = this.#inTurn(run.after, this.#startsAfter, (before) => this.#exec(run, before));
    return this.#earlier.rememberRun(run.token, outcome);
  }

  /**
   * Gives an order when its turn comes, or before it where the other end knows what to wait for.
   * @param issue sends the order; `before`: the one that it is carried out after
   */
  #inTurn<Answer>(
    after: symbol | undefined,
    isKnown: boolean,
    issue: (before?: SentOrder) => Promise<Answer>,
  ): Promise<Answer> {
    if (after === undefined) return issue();
    const before = isKnown ? this.#sent.get(after) : undefined;
    if (before === undefined) return this.#earlier.inTurn({ after }, issue);
    return issue(before).catch((error: unknown) => {
      if (!(error instanceof ExecutorError && error.code === "not-started")) throw error;
      // The shim remembers only the last that have succeeded.
      return this.#earlier.inTurn({ after }, issue);
    });
  }

  /** @param before the order that it is started after; undefined: it is started at once */
  #exec(run: PluginRun, before?: SentOrder): Promise<PluginOutcome> {
    const { plugin, path, stdin, timeoutMs, absentLink, fileState, leftNetns, token } = run;
    const patienceMs = timeoutMs === 0 ? 0 : patienceAfter(before, timeoutMs + beyondTimeoutMs);
    const env = this.#withAllowedPath(run.env);
    return this.#orders.issue({
      type: FrameType.exec,
      name: "EXEC",
      body: {
        plugin,
        path,
        env,
        stdin,
        timeoutMs,
        ...(absentLink === undefined ? {} : { absentLink }),
        ...(fileState === undefined ? {} : { fileState }),
        ...(leftNetns === undefined ? {} : { leftNetns }),
        ...(before === undefined ? {} : { after: before.id }),
      },
      patienceMs,
      onSent: (id) => {
        if (token !== undefined) this.#sent.set(token, { id, patienceMs });
      },
      read: (answer) => ({
        exitCode: answer.unsigned("exitCode"),
        stdout: answer.bytes("stdout"),
        stderrTail: answer.has("stderrTail") ? answer.bytes("stderrTail").toString("utf8") : "",
        milliseconds: answer.unsigned("micros") / 1000,
        fileState: answer.has("fileState") ? answer.text("fileState") : undefined,
      }),
    });
  }

  #withAllowedPath(env: PluginRun["env"]): PluginRun["env"] {
    const { CNI_PATH } = env;
    return this.#directories === undefined || CNI_PATH === undefined
      ? env
      : { ...env, CNI_PATH: allowedPath(CNI_PATH, this.#directories) };
  }

  linkExists(netns: string, ifName: string): Promise<boolean> {
    return this.#orders.issue({
      type: FrameType.linkExists,
      name: "LINK_EXISTS",
      body: { netns, ifName },
      patienceMs: shortOrderMs,
      read: (answer) => answer.boolean("exists"),
    });
  }

  async linkStates(netns: string, links: readonly ExpectedLink[]): Promise<readonly LinkState[]> {
    try {
      return await this.#orders.issue({
        type: FrameType.linkStates,
        name: "LINK_STATES",
        body: { netns, links },
        patienceMs: shortOrderMs,
        read: (answer) => readLinkStates(answer, links),
      });
    } catch (error) {
      if (!isUnknownOrder(error)) throw error;
      // A shim from before LINK_STATES, as long as the node is upgraded.
      const exist = await Promise.all(links.map(({ ifName }) => this.linkExists(netns, ifName)));
      return exist.map((exists) => ({ exists, mac: nothing, absent: [] }));
    }
  }

  setDefaultRoutes(
    netns: string,
    ifName: string,
    clear: readonly (4 | 6)[],
    gateways: readonly string[],
  ): Promise<void> {
    return this.#orders.issue({
      type: FrameType.defaultRoute,
      name: "DEFAULT_ROUTE",
      body: { netns, ifName, clear, add: gateways },
      patienceMs: shortOrderMs,
      read: () => undefined,
    });
  }

  attachLinks(
    netns: string,
    plugins: readonly PluginFile[],
    links: readonly NativeLink[],
    turn?: OrderTurn,
  ): Promise<readonly MadeLink[]> {
    return this.#native(turn, {
      type: FrameType.attachLinks,
      name: "ATTACH_LINKS",
      body: { netns, plugins, links },
      patienceMs: shortOrderMs,
      read: (answer) => readMadeLinks(answer, links),
    });
  }

  detachLinks(netns: string, links: readonly DetachedLink[], turn?: OrderTurn): Promise<void> {
    return this.#native(turn, {
      type: FrameType.detachLinks,
      name: "DETACH_LINKS",
      body: { netns, links },
      patienceMs: shortOrderMs,
      read: () => undefined,
    });
  }

  #native<Answer>({ token, after }: OrderTurn = {}, order: Order<Answer>): Promise<Answer> {
    const answer = this.#inTurn(after, this.#linksAfter, (before) => {
      const patienceMs = patienceAfter(before, order.patienceMs);
      return this.#issueNative({
        ...order,
        body: { ...order.body, ...(before === undefined ? {} : { after: before.id }) },
        patienceMs,
        onSent: (id) => {
          if (token !== undefined && this.#linksAfter) this.#sent.set(token, { id, patienceMs });
        },
      });
    });
    return this.#earlier.remember(token, answer);
  }

  /** For a shim from before these orders the plugins are run, as long as the node is upgraded. @throws {ExecutorError} */
  async #issueNative<Answer>(order: Order<Answer>): Promise<Answer> {
    try {
      return await this.#orders.issue(order);
    } catch (error) {
      if (!isUnknownOrder(error)) throw error;
      throw new ExecutorError("unsuited", `the shim does not know ${order.name}`);
    }
  }
}
