/** A reply as Go multus's clients expect it over HTTP (docs/wire.md, "HTTP"). */

import { memberValue, objectMembers } from "../../base/json.ts";
import type { CniReply } from "../../cni/request.ts";
import { commonVersion } from "../../cni/versions.ts";
import type { Kernels } from "../../kernels/index.ts";

export interface HttpAnswer {
  readonly status: number;
  /** JSON text, or empty. */
  readonly body: Uint8Array;
}

/** A client that asks for this one knows it; older clients do not. They have one type for all results, and bring them into the version that their netconf names. */
const newestVersion = "1.1.0";

const nothing = new Uint8Array();

/**
 * @param reply as a shim gets it: nothing, a result, or an error object
 * @param asked the version that the request's configuration names, "" if none
 * @returns an error with status 400, as for Go multus, whatever its code
 */
export function httpAnswer(
  { exitCode, stdout }: CniReply,
  kernels: Pick<Kernels, "convertResult">,
  asked: string,
): HttpAnswer {
  if (exitCode !== 0) return { status: 400, body: stdout };
  if (stdout.length === 0) return { status: 200, body: nothing };
  const version = String(memberValue(objectMembers(stdout, "result"), "cniVersion") ?? commonVersion);
  const result = kernels.convertResult({
    result: stdout,
    configVersion: version,
    targetVersion: asked === newestVersion ? newestVersion : commonVersion,
  });
  return { status: 200, body: Buffer.concat([Buffer.from('{"Result":'), result, Buffer.from("}")]) };
}
