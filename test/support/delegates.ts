/** Delegate plugins for tests: shell scripts that note their calls and behave well or badly. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestNode } from "./test-node.ts";

export interface DelegateCall {
  readonly plugin: string;
  readonly command: string;
  readonly ifName: string;
  readonly containerId: string;
}

const callsFile = (node: TestNode) => join(node.directory, "calls");

/** Every call of this node's script delegates, in the order that they began. */
export function delegateCalls(node: TestNode): DelegateCall[] {
  if (!existsSync(callsFile(node))) return [];
  return readFileSync(callsFile(node), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [plugin = "", command = "", ifName = "", containerId = ""] = line.split(" ");
      return { plugin, command, ifName, containerId };
    });
}

/**
 * Installs a delegate in the node's binDir.
 * @param add shell commands for ADD; stdin is the netconf
 * @param other shell commands for DEL and CHECK; without them success with no output
 */
export function installDelegate(node: TestNode, name: string, add: string, other = "cat > /dev/null"): void {
  const script = `#!/bin/sh
printf '%s %s %s %s\\n' '${name}' "$CNI_COMMAND" "$CNI_IFNAME" "$CNI_CONTAINERID" >> '${callsFile(node)}'
if [ "$CNI_COMMAND" = ADD ]; then
${add}
else
${other}
fi
`;
  writeFileSync(join(node.binDir, name), script, { mode: 0o755 });
}

/** ADD bodies of delegates that behave badly. */
export const badBehaviour = {
  /** An error object as the spec wants it. */
  error: `cat > /dev/null
echo '{"cniVersion":"1.0.0","code":123,"msg":"the switch is on fire","details":"rack 7"}'
exit 1`,
  /** Fails without an error object. */
  mute: `cat > /dev/null
echo 'no such bus' >&2
exit 3`,
  garbage: `cat > /dev/null
echo 'all is well <ok>'`,
  /** 20 MB of stdout. */
  flood: `cat > /dev/null
head -c 20000000 /dev/zero | tr '\\0' x`,
  /** Ends only when killed; SIGTERM does not do. */
  endless: `cat > /dev/null
trap '' TERM
while :; do sleep 1; done`,
  /** Ended by a signal. */
  crash: `cat > /dev/null
kill -SEGV $$`,
} as const;

/** ADD and DEL through a real plugin, after a pause. @param seconds as for sleep(1) @param plugin path */
export function slowly(seconds: number, plugin: string): { readonly add: string; readonly other: string } {
  return { add: `sleep ${seconds}\nexec ${plugin}`, other: `exec ${plugin}` };
}
