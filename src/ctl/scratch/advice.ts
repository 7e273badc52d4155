/** Advice for errors of the plugin. */

import { objectIn } from "../../base/json.ts";
import { CniErrorCode } from "../../cni/errors.ts";
import { resourceNameAnnotation } from "../../multus/plan/devices.ts";

/** The error object of the CNI spec (section 5), as far as it is shown. */
export interface PluginError {
  readonly code: number;
  readonly message: string;
}

/** Reads a failed call's stdout; anything but an error object is shown unchanged. */
export function readPluginError(stdout: string): PluginError {
  const unread = { code: CniErrorCode.internal, message: stdout.trim() || "the plugin printed nothing" };
  const { code, msg, details } = objectIn(stdout) ?? {};
  if (typeof code !== "number" || typeof msg !== "string") return unread;
  return { code, message: typeof details === "string" && details !== "" ? `${msg}\n${details}` : msg };
}

/** @param binDirs directories that were searched for plugins @returns "" if the message suffices */
export function adviceFor({ code, message }: PluginError, binDirs: readonly string[]): string {
  if (/not found in|no executable file/.test(message)) {
    return `install the plugin into one of ${binDirs.join(", ")} (Debian: apt-get install containernetworking-plugins), or name its directory with --bin-dir`;
  }
  if (/\bthe devices of pod\b/.test(message)) {
    return `no kubelet knows the pod of a try: for the try, replace annotation ${resourceNameAnnotation} of the NetworkAttachmentDefinition by a deviceID in its configuration`;
  }
  if (/link not found/i.test(message)) {
    return "the scratch node lacks the network's master link: name it with --master";
  }
  if (code === CniErrorCode.decodingFailure || code === CniErrorCode.invalidNetworkConfig) {
    return "multusctl validate FILE shows what is wrong in a file, with line and column";
  }
  if (code === CniErrorCode.tryAgainLater) {
    return "look at the daemon's log; with --socket-dir: does the daemon run, and does it listen in that directory?";
  }
  return "";
}
