/** Services of a daemon's server for tests that replace some of them; no agent ever starts. */

import { AgentPool } from "../../src/agent/agent-pool.ts";
import { ExecutorError } from "../../src/agent/executor.ts";
import type { ServerServices } from "../../src/daemon/server.ts";
import { loadKernels } from "../../src/kernels/load.ts";

export function httpServices(further: Partial<ServerServices> = {}): ServerServices {
  return {
    handle: () => Promise.reject(new Error("nothing is attached here")),
    handleDelegate: () => Promise.reject(new Error("nothing is plugged in here")),
    agents: new AgentPool({
      idleMs: 0,
      start: () => Promise.reject(new ExecutorError("spawn", "there is no agent here")),
    }),
    kernels: loadKernels(),
    ...further,
  };
}
