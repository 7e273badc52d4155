/** An executor that runs no process: a test says what plugins answer, and what links are like. Executors that run processes are tested in test/shim. */

import { EarlierOrders } from "../../src/agent/earlier-orders.ts";
import {
  type DetachedLink,
  type Executor,
  ExecutorError,
  type ExpectedLink,
  type LinkState,
  type MadeLink,
  type NativeLink,
  type OrderTurn,
  type PluginFile,
  type PluginOutcome,
  type PluginRun,
} from "../../src/agent/executor.ts";
import { supportedVersions } from "../../src/cni/versions.ts";

export type Json = Readonly<Record<string, unknown>>;

/** One run of a plugin as a test sees it. */
export interface PluginCall extends Omit<PluginRun, "stdin" | "token" | "after"> {
  readonly command: string;
  readonly ifName: string;
  readonly stdin: Json;
  /** As it came: keys repeat, and numbers say more than a double holds. */
  readonly stdinText: string;
}

/** The behaviour of a plugin. */
export interface PluginAnswer {
  readonly exitCode?: number;
  /** A value or text. */
  readonly stdout?: unknown;
  readonly stderrTail?: string;
}

/** Answers a run; undefined: the plugin succeeds. It may throw an ExecutorError. */
export type Behaviour = (call: PluginCall) => PluginAnswer | undefined | Promise<PluginAnswer | undefined>;

/** An order about default routes. */
export type RouteOrder = readonly [ifName: string, clear: readonly (4 | 6)[], gateways: readonly string[]];

/** The result that a plugin prints if the test says nothing else: one interface, one address. */
function usualResult({ ifName, env, stdin }: PluginCall): Json {
  return {
    cniVersion: stdin.cniVersion,
    interfaces: [{ name: ifName, mac: "02:00:00:00:00:01", sandbox: env.CNI_NETNS }],
    ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1" }],
  };
}

export class PretendedPlugins implements Executor {
  readonly calls: PluginCall[] = [];
  /** `COMMAND plugin ifName` of each run that was ordered, also of those that wait for another one, or were not started. */
  readonly given: string[] = [];
  /** Plugins that were asked which versions they know: those runs are not among the calls. */
  readonly asked: string[] = [];
  /** Their answers to that, by type; those that are not here know all versions. */
  readonly versions = new Map<string, readonly string[] | Partial<PluginOutcome> | ExecutorError>();
  /** States of the plugins' files, by type. */
  readonly fileStates = new Map<string, string>();
  readonly routes: RouteOrder[] = [];
  /** Links in the namespace. */
  readonly links = new Set<string>();
  behaviour: Behaviour = () => undefined;
  /** Orders to make links, and to remove them. */
  readonly attached: {
    readonly netns: string;
    readonly plugins: readonly PluginFile[];
    readonly links: readonly NativeLink[];
  }[] = [];
  readonly detached: { readonly netns: string; readonly links: readonly DetachedLink[] }[] = [];
  /** Orders to look at links. */
  readonly looks: { readonly netns: string; readonly links: readonly ExpectedLink[] }[] = [];
  /** The links: as the usual results say, if a test says nothing else. */
  look = (links: readonly ExpectedLink[]): readonly LinkState[] =>
    links.map(() => ({ exists: true, mac: Buffer.from("020000000001", "hex"), absent: [] }));

  readonly #earlier = new EarlierOrders();

  runPlugin({ token, after, ...run }: PluginRun): Promise<PluginOutcome> {
    const { CNI_COMMAND: command, CNI_IFNAME: ifName } = run.env;
    if (command !== "VERSION") this.given.push(`${command} ${run.plugin} ${ifName}`);
    return this.#earlier.rememberRun(
      token,
      this.#earlier.inTurn({ after }, () => this.#run(run)),
    );
  }

  async #run(run: PluginRun): Promise<PluginOutcome> {
    if (run.absentLink !== undefined && this.links.has(run.absentLink.ifName)) {
      throw new ExecutorError("link-exists", `${run.absentLink.ifName} is there already`);
    }
    const { stdin, ...order } = run;
    const { env } = run;
    if (env.CNI_COMMAND === "VERSION") return this.#versionsOf(run);
    const stdinText = Buffer.from(stdin).toString("utf8");
    const call = {
      ...order,
      command: env.CNI_COMMAND ?? "",
      ifName: env.CNI_IFNAME ?? "",
      stdin: JSON.parse(stdinText) as Json,
      stdinText,
    };
    this.calls.push(call);
    const { exitCode = 0, stdout, stderrTail = "" } = (await this.behaviour(call)) ?? {};
    const printed = stdout ?? (call.command === "ADD" ? usualResult(call) : "");
    const text = typeof printed === "string" ? printed : JSON.stringify(printed);
    return { exitCode, stdout: Buffer.from(text), stderrTail, milliseconds: 0 };
  }

  #versionsOf({ plugin, fileState }: PluginRun): PluginOutcome {
    const outcome = {
      exitCode: 0,
      stdout: new Uint8Array(),
      stderrTail: "",
      milliseconds: 0,
      fileState: this.fileStates.get(plugin),
    };
    if (fileState !== undefined && fileState !== "" && fileState === outcome.fileState) return outcome;
    this.asked.push(plugin);
    const known = this.versions.get(plugin) ?? supportedVersions;
    if (known instanceof ExecutorError) throw known;
    if (!isVersions(known)) return { ...outcome, ...known };
    const answer = { cniVersion: known.at(-1), supportedVersions: known };
    return { ...outcome, stdout: Buffer.from(JSON.stringify(answer)) };
  }

  async linkExists(_netns: string, ifName: string): Promise<boolean> {
    return this.links.has(ifName);
  }

  async linkStates(netns: string, links: readonly ExpectedLink[]): Promise<readonly LinkState[]> {
    this.looks.push({ netns, links });
    return this.look(links);
  }

  async setDefaultRoutes(
    _netns: string,
    ifName: string,
    clear: readonly (4 | 6)[],
    gateways: readonly string[],
  ): Promise<void> {
    this.routes.push([ifName, clear, gateways]);
  }

  /** Every such order of a test that says nothing else is left to the plugins. */
  attach = async (_links: readonly NativeLink[]): Promise<readonly MadeLink[]> => {
    throw new ExecutorError("unsuited", "links of a test");
  };
  detach = async (_links: readonly DetachedLink[]): Promise<void> => {
    throw new ExecutorError("unsuited", "links of a test");
  };

  attachLinks(
    netns: string,
    plugins: readonly PluginFile[],
    links: readonly NativeLink[],
    turn: OrderTurn = {},
  ): Promise<readonly MadeLink[]> {
    this.given.push(`attach ${links.map(({ ifName }) => ifName).join(" ")}`);
    const made = this.#earlier.inTurn(turn, () => {
      this.attached.push({ netns, plugins, links });
      return this.attach(links);
    });
    return this.#earlier.remember(turn.token, made);
  }

  detachLinks(netns: string, links: readonly DetachedLink[], turn: OrderTurn = {}): Promise<void> {
    this.given.push(`detach ${links.map(({ ifName }) => ifName).join(" ")}`);
    const removed = this.#earlier.inTurn(turn, () => {
      this.detached.push({ netns, links });
      return this.detach(links);
    });
    return this.#earlier.remember(turn.token, removed);
  }

  /** `COMMAND plugin ifName` of each call. */
  get trace(): string[] {
    return this.calls.map(({ command, plugin, ifName }) => `${command} ${plugin} ${ifName}`);
  }
}

function isVersions(known: readonly string[] | Partial<PluginOutcome>): known is readonly string[] {
  return Array.isArray(known);
}
