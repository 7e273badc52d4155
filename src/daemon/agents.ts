/** The agents of a daemon: which binary they are, where they work, and where what they say goes. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { AgentPool } from "../agent/agent-pool.ts";
import { AgentProcess } from "../agent/agent-process.ts";
import type { DaemonConfig } from "../daemon-config/config.ts";
import type { Logger } from "../log/logger.ts";

/** As long as it takes until it is clear that no further request of a burst comes. */
const idleMs = 60_000;
const installedBinary = "/opt/cni/bin/multus";

/**
 * Makes the pool; nothing is started before the first request over HTTP.
 * @param home directory of the daemon's own program
 */
export function makeAgents(
  { agentPath, chrootDir }: Pick<DaemonConfig, "agentPath" | "chrootDir">,
  home: string,
  log: Logger,
): AgentPool {
  return new AgentPool({
    idleMs,
    async start(directories) {
      const binary = agentPath ?? binaryBeside(home);
      const agent = await AgentProcess.start({
        binary,
        directories,
        root: chrootDir,
        onStderr: (text) =>
          log.verbose("plugins of requests over HTTP say on stderr", { text: text.trimEnd() }),
      });
      const told = { binary, directories: directories.join(":"), root: chrootDir };
      log.verbose("an agent runs plugins", told);
      void agent.ended.then(() => log.verbose("an agent has ended", told));
      return agent;
    },
  });
}

/** The binary of the daemon's own build or image, else the one that the runtime has. */
function binaryBeside(home: string): string {
  const own = join(home, "multus");
  return existsSync(own) ? own : installedBinary;
}
