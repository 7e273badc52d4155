/** Builds an EXEC for tests: their fields over harmless defaults. */

import { type FrameBody, FrameType } from "../../../src/agent/frames.ts";
import type { ShimDaemon } from "./shim-daemon.ts";
import type { ShimStream } from "./shim-stream.ts";

/** Sends an EXEC of a plugin in the daemon's plugin directory and waits for its DONE. */
export function exec(
  daemon: ShimDaemon,
  stream: ShimStream,
  plugin: string,
  over: FrameBody = {},
): Promise<FrameBody> {
  return stream.order(FrameType.exec, {
    plugin,
    path: daemon.pluginDirectory,
    env: { CNI_COMMAND: stream.command },
    stdin: Buffer.from("{}"),
    timeoutMs: 10_000,
    ...over,
  });
}

/** A plugin's output, as text. */
export function stdoutOf(done: FrameBody): string {
  if (!(done.stdout instanceof Uint8Array)) throw new Error(`no stdout in ${JSON.stringify(done)}`);
  return Buffer.from(done.stdout).toString();
}
