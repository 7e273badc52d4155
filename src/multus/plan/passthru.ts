/** The do-nothing plugin `passthru`, with which the auxiliary chain starts (docs/behaviour.md, "From a name to a network"): it needs no process. */

import { EarlierOrders } from "../../agent/earlier-orders.ts";
import {
  type DetachedLink,
  ExecutorError,
  type MadeLink,
  type NativeLink,
  type OrderTurn,
  type PluginFile,
  type PluginOutcome,
  type PluginRun,
} from "../../agent/executor.ts";
import { ForwardingExecutor } from "../../agent/forwarding-executor.ts";
import { objectMembers } from "../../base/json.ts";
import { supportedVersions } from "../../cni/versions.ts";

/** Its `type` in configurations. */
export const passthruType = "passthru";

const nothing = new Uint8Array();
const encoder = new TextEncoder();

/** Its answer to VERSION: it reads none of what it hands on. */
const knownVersions = JSON.stringify({ cniVersion: supportedVersions.at(-1), supportedVersions });

function said(stdout: Uint8Array): PluginOutcome {
  return { exitCode: 0, stdout, stderrTail: "", milliseconds: 0 };
}

/** prevResult as it came, or an empty result of the configuration's version. */
function passThrough(stdin: Uint8Array): Uint8Array {
  const members = objectMembers(stdin, "configuration of passthru");
  const version = members.get("cniVersion");
  return (
    members.get("prevResult") ??
    (version === undefined
      ? encoder.encode("{}")
      : Buffer.concat([encoder.encode('{"cniVersion":'), version, encoder.encode("}")]))
  );
}

/** Answers for `passthru` itself, and hands everything else on. */
export class PassthruExecutor extends ForwardingExecutor {
  readonly #earlier = new EarlierOrders();
  /** Tokens of its own runs, which the next executor does not know. */
  readonly #own = new Set<symbol>();

  override runPlugin(run: PluginRun): Promise<PluginOutcome> {
    const { token } = run;
    const isOwn = run.plugin === passthruType;
    if (isOwn && token !== undefined) this.#own.add(token);
    const outcome = isOwn
      ? this.#earlier.inTurn(run, () => this.#passThrough(run))
      : this.#isAfterOwn(run)
        ? this.#earlier.inTurn(run, () => this.next.runPlugin({ ...run, after: undefined }))
        : this.next.runPlugin(run);
    return this.#earlier.rememberRun(token, outcome);
  }

  override attachLinks(
    netns: string,
    plugins: readonly PluginFile[],
    links: readonly NativeLink[],
    turn: OrderTurn = {},
  ): Promise<readonly MadeLink[]> {
    const { token } = turn;
    const answer = this.#isAfterOwn(turn)
      ? this.#earlier.inTurn(turn, () => this.next.attachLinks(netns, plugins, links, { token }))
      : this.next.attachLinks(netns, plugins, links, turn);
    return this.#earlier.remember(token, answer);
  }

  override detachLinks(netns: string, links: readonly DetachedLink[], turn: OrderTurn = {}): Promise<void> {
    const { token } = turn;
    const answer = this.#isAfterOwn(turn)
      ? this.#earlier.inTurn(turn, () => this.next.detachLinks(netns, links, { token }))
      : this.next.detachLinks(netns, links, turn);
    return this.#earlier.remember(token, answer);
  }

  #isAfterOwn({ after }: OrderTurn): boolean {
    return after !== undefined && this.#own.has(after);
  }

  async #passThrough(run: PluginRun): Promise<PluginOutcome> {
    if (run.env.CNI_COMMAND === "VERSION") return said(encoder.encode(knownVersions));
    const link = run.absentLink;
    if (link !== undefined && (await this.next.linkExists(link.netns, link.ifName))) {
      throw new ExecutorError("link-exists", `${link.ifName} is there already`);
    }
    return said(run.env.CNI_COMMAND === "ADD" ? passThrough(run.stdin) : nothing);
  }
}
