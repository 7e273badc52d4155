/** The do-nothing plugin `passthru`, with which the auxiliary chain starts (docs/behaviour.md, "From a name to a network"): it needs no process. */

import { EarlierRuns } from "../../agent/earlier-runs.ts";
import { ExecutorError, type PluginOutcome, type PluginRun } from "../../agent/executor.ts";
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
  readonly #earlier = new EarlierRuns();
  /** Tokens of its own runs, which the next executor does not know. */
  readonly #own = new Set<symbol>();

  override runPlugin(run: PluginRun): Promise<PluginOutcome> {
    const { token, after } = run;
    const isOwn = run.plugin === passthruType;
    if (isOwn && token !== undefined) this.#own.add(token);
    const isAfterOwn = after !== undefined && this.#own.has(after);
    const outcome = isOwn || isAfterOwn ? this.#runWhenDue(run) : this.next.runPlugin(run);
    return this.#earlier.remember(token, outcome);
  }

  async #runWhenDue({ after, ...run }: PluginRun): Promise<PluginOutcome> {
    if (after !== undefined) await this.#earlier.untilSucceeded(after);
    return run.plugin === passthruType ? this.#passThrough(run) : this.next.runPlugin(run);
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
