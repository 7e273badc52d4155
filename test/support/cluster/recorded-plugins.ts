/** CNI plugins that write down what they are given, in a directory of the test's that is a node's binDir; beside them the real ones that its cluster network needs. */

import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ScratchDirectory } from "../scratch-directory.ts";
import { debianPlugins } from "../test-node.ts";

/** One call of a plugin. */
export interface RecordedCall {
  readonly command: string;
  /** Of the pod. */
  readonly pod: string;
  readonly ifName: string;
  /** The plugin's name. */
  readonly plugin: string;
  readonly stdin: Readonly<Record<string, unknown>>;
}

/** $0 is the plugin. A link stands for the device in the pod; the plugins of a chain share it. */
const script = (calls: string) => `#!/bin/sh
text=$(tr -d '\\n')
pod=$(printf '%s' "$CNI_ARGS" | tr ';' '\\n' | sed -n 's/^K8S_POD_NAME=//p')
printf '%s %s %s %s %s\\n' "$CNI_COMMAND" "$pod" "$CNI_IFNAME" "\${0##*/}" "$text" >> '${calls}'
link() { nsenter --net="$CNI_NETNS" ip link "$@" 2> /dev/null; }
case "$CNI_COMMAND" in
ADD)
  link show "$CNI_IFNAME" > /dev/null || link add "$CNI_IFNAME" type bridge
  version=$(printf '%s' "$text" | sed -n 's/.*"cniVersion" *: *"\\([^"]*\\)".*/\\1/p')
  printf '{"cniVersion":"%s","interfaces":[{"name":"%s","sandbox":"%s"}]}\\n' "$version" "$CNI_IFNAME" "$CNI_NETNS"
  ;;
DEL) [ -z "$CNI_NETNS" ] || link del "$CNI_IFNAME" ;;
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.3.1","0.4.0","1.0.0"]}' ;;
esac
exit 0
`;

export class RecordedPlugins implements Disposable {
  readonly #scratch = new ScratchDirectory("recorded");
  readonly #calls = join(this.#scratch.path, "calls");

  /** @param names of the plugins that are recorded */
  constructor(names: readonly string[]) {
    for (const plugin of ["bridge", "host-local"]) {
      copyFileSync(join(debianPlugins, plugin), join(this.#scratch.path, plugin));
    }
    for (const name of names) {
      writeFileSync(join(this.#scratch.path, name), script(this.#calls), { mode: 0o755 });
    }
  }

  /** For the netconf. */
  get binDir(): string {
    return this.#scratch.path;
  }

  /** The calls for a pod, in the order in which they began. @param command ADD, DEL … */
  calls(pod: string, command: string): readonly RecordedCall[] {
    if (!existsSync(this.#calls)) return [];
    return readFileSync(this.#calls, "utf8")
      .split("\n")
      .filter((line) => line.startsWith(`${command} ${pod} `))
      .map((line) => {
        const [, , ifName = "", plugin = "", ...text] = line.split(" ");
        return { command, pod, ifName, plugin, stdin: JSON.parse(text.join(" ")) };
      });
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}
