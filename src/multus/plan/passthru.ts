/** The do-nothing plugin `passthru`, with which the auxiliary chain starts (docs/behaviour.md, "From a name to a network"): it needs no process. */

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
  override async runPlugin(run: PluginRun): Promise<PluginOutcome> {
    if (run.plugin !== passthruType) return this.next.runPlugin(run);
    if (run.env.CNI_COMMAND === "VERSION") return said(encoder.encode(knownVersions));
    const link = run.absentLink;
    if (link !== undefined && (await this.next.linkExists(link.netns, link.ifName))) {
      throw new ExecutorError("link-exists", `${link.ifName} is there already`);
    }
    return said(run.env.CNI_COMMAND === "ADD" ? passThrough(run.stdin) : nothing);
  }
}
