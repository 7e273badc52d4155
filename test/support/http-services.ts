/** What a daemon's server serves HTTP with, in tests of everything else: no agent ever starts. */

import { AgentPool } from "../../src/agent/agent-pool.ts";
import { ExecutorError } from "../../src/agent/executor.ts";
import type { HttpServices } from "../../src/daemon/http/http-side.ts";
import { loadKernels } from "../../src/kernels/load.ts";

export function httpServices(further: Partial<HttpServices> = {}): HttpServices {
  return {
    handleDelegate: () => Promise.reject(new Error("nothing is plugged in here")),
    agents: new AgentPool({
      idleMs: 0,
      start: () => Promise.reject(new ExecutorError("spawn", "there is no agent here")),
    }),
    kernels: loadKernels(),
    ...further,
  };
}
